"""The providers of this installation. Each account is opened when it is first used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from domain.errors import ProviderUnavailable
from domain.ledger.credentials import Cipher, CredentialsUnreadable, SignIn
from domain.loops import now_seconds
from domain.provider import Credentials, Provider, ProviderField
from ibiki.settings.settings import Settings
from persistence import store
from providers import egosms, kannel
from providers.config import ProviderConfig
from providers.extreme import BASE_URL
from providers.registry import PROVIDERS, config_of, open_account
from providers.simulator.server import DEFAULT_API_KEY

SIMULATOR_URL_FILE = "simulator.url"
LAST_FILE = "provider.last"
SIMULATED = "simulated"
FRESH_SECONDS = 1.0
PLACEHOLDER = "http://127.0.0.1"
NOT_CONFIGURED = "The SMS network of this account is not configured. Ask your operator."


@dataclass(frozen=True, slots=True)
class _Open:
    """An open account, and what it was opened with. `base_url`: if the settings have it."""

    provider: Provider
    sign_in: SignIn
    base_url: str | None


class Upstreams:
    """Opens each provider account once and keeps its connections.

    The next call uses the present address and secrets: another process may have changed them. They
    are read from the database for each call of `of`; those of the platform's accounts at most once
    a second. The address of the simulated provider is read from the data directory each time,
    because the simulator may restart on another port.
    """

    def __init__(self, settings: Settings, directory: Path, cipher: Cipher) -> None:
        self._settings = settings
        self._directory = directory
        self._addresses = {
            name: _address_of(settings, name) for name in ("extreme", "egosms", SIMULATED)
        }
        self._cipher = cipher
        self._read: dict[UUID, tuple[float, SignIn]] = {}
        self._keys: dict[str, tuple[float, Mapping[UUID, Sequence[str]]]] = {}
        self._open: dict[UUID, _Open] = {}
        self._retired: list[tuple[float, Provider]] = []

    async def of(self, provider_account_id: UUID) -> Provider:
        """The provider of an account. Raises ProviderUnavailable if it cannot be signed in to."""
        await self._close_retired()
        sign_in = await self._sign_in(provider_account_id)
        base_url = self._base_url_of(sign_in)
        present = self._open.get(provider_account_id)
        if present is not None:
            if (present.sign_in, present.base_url) == (sign_in, base_url):
                return present.provider
            # Calls may still be open: its connections are closed when these have ended.
            self._retired.append((now_seconds(), present.provider))
            del self._open[provider_account_id]
        try:
            provider = self._opened(provider_account_id, sign_in, base_url)
        except ValueError as unusable:
            raise ProviderUnavailable(
                NOT_CONFIGURED,
                for_operator=f"The values of this account are not usable. {unusable}",
            ) from unusable
        self._open[provider_account_id] = _Open(provider, sign_in, base_url)
        return provider

    async def check(self, provider: str, values: Mapping[str, str]) -> None:
        await self._configured(provider, values, base_url=PLACEHOLDER).close()

    def fields(self) -> Mapping[str, Sequence[ProviderField]]:
        return {name: each.fields for name, each in PROVIDERS.items()}

    async def close(self) -> None:
        """Closes all connections."""
        for opened in self._open.values():
            await opened.provider.close()
        for _, provider in self._retired:
            await provider.close()
        self._open.clear()
        self._retired.clear()

    async def _close_retired(self) -> None:
        longest = self._settings.dispatch.lease_seconds
        ended = [each for each in self._retired if now_seconds() - each[0] > longest]
        self._retired = [each for each in self._retired if each not in ended]
        for _, provider in ended:
            await provider.close()

    async def _sign_in(self, provider_account_id: UUID) -> SignIn:
        read_at, sign_in = self._read.get(provider_account_id, (0.0, None))
        if sign_in is not None and now_seconds() - read_at < FRESH_SECONDS:
            return sign_in
        began = now_seconds()
        sign_in = await store.find_sign_in(provider_account_id)
        if sign_in.owner_client_id is None:
            self._read[provider_account_id] = (began, sign_in)
        elif sign_in.encrypted is None and sign_in.provider == "egosms":
            # Do not use the platform's credentials: the client would get its balance.
            raise ProviderUnavailable(
                "This account has no sign-in at the SMS network. Your operator has to set it.",
                for_operator="This account has no user name and password: set them.",
            )
        return sign_in

    async def accounts(self, provider: str) -> Mapping[UUID, Sequence[str]]:
        """The accounts at this provider, each with the keys that may sign its webhook calls.

        At most a second old. Raises TryAgain while the database is unavailable.
        """
        read_at, found = self._keys.get(provider, (0.0, {}))
        if not read_at or now_seconds() - read_at >= FRESH_SECONDS:
            began = now_seconds()
            found = {
                account_id: self._signing_keys(provider, account_id, encrypted)
                for account_id, encrypted in await store.read_secrets(provider)
            }
            self._keys[provider] = (began, found)
        return found

    def _signing_keys(
        self, provider: str, account_id: UUID, encrypted: bytes | None
    ) -> Sequence[str]:
        signature = PROVIDERS[provider].signature
        if signature is None or encrypted is None:
            return ()
        with suppress(CredentialsUnreadable):
            return signature.keys_of(self._cipher.decrypt(account_id, encrypted))
        return ()

    def _opened(self, provider_account_id: UUID, sign_in: SignIn, base_url: str | None) -> Provider:
        secrets: dict[str, str] = {}
        if sign_in.encrypted is not None:
            secrets = self._cipher.decrypt(provider_account_id, sign_in.encrypted)
        if sign_in.configuration is not None:
            values = {**sign_in.configuration, **secrets}
            return self._configured(sign_in.provider, values, base_url=base_url)
        assert base_url is not None
        credentials = Credentials(**secrets) if secrets else None
        return open_account(sign_in.provider, self._config(sign_in.provider, base_url, credentials))

    def _configured(
        self, name: str, values: Mapping[str, str], *, base_url: str | None
    ) -> Provider:
        """An account with the values that a person gave. `base_url`: of the simulated provider."""
        limits: dict[str, Any] = self._limits()
        if name == SIMULATED:
            limits |= {"base_url": base_url, "api_key": DEFAULT_API_KEY}
        config = config_of(PROVIDERS[name].fields, values, **limits)
        config = replace(config, report_url=self._report_url(name, config.callback_url))
        if name == "egosms":
            config = replace(config, sender=config.sender or self._sender(config.base_url))
        return open_account(name, config)

    def _report_url(self, name: str, callback_url: str | None) -> str | None:
        """The URL for the provider's delivery reports. None if no address is known."""
        own = callback_url or self._settings.installation.public_url
        if own is None:
            return None
        secrets = self._settings.secrets.webhook_secrets
        if PROVIDERS[name].secret_in_url and secrets:
            return kannel.report_url(own, secrets[0])
        return f"{own.rstrip('/')}/webhooks/{name}"

    def _base_url_of(self, sign_in: SignIn) -> str | None:
        """The address if the settings have it, or if the account is simulated."""
        if sign_in.configuration is None or sign_in.provider == SIMULATED:
            return self._base_url(sign_in.provider)
        return None

    def _base_url(self, name: str) -> str:
        address = self._addresses[name]
        if address is not None:
            return address
        try:
            base_url = (self._directory / SIMULATOR_URL_FILE).read_text().strip()
        except FileNotFoundError as missing:
            raise ProviderUnavailable("The simulated provider has not been started.") from missing
        return base_url + (egosms.JSON_PATH if name == "egosms" else "")

    def _config(self, name: str, base_url: str, credentials: Credentials | None) -> ProviderConfig:
        upstream = self._settings.upstream
        if name != "egosms":
            api_key = upstream.extreme_api_key or DEFAULT_API_KEY
            return ProviderConfig(base_url=base_url, api_key=api_key, **self._limits())
        return ProviderConfig(
            base_url=base_url,
            credentials=credentials or upstream.egosms_credentials,
            sender=upstream.egosms_sender or self._sender(base_url),
            **self._limits(),
        )

    def _limits(self) -> dict[str, Any]:
        """What the settings say about the calls of all accounts."""
        dispatch = self._settings.dispatch
        return {
            "deadline_seconds": dispatch.deadline_seconds,
            "connect_seconds": min(3.0, dispatch.deadline_seconds),
            "reuse_seconds": dispatch.reuse_seconds,
            "connections": dispatch.concurrency,
            "largest_batch": dispatch.batch_size,
            "loopback_only": self._settings.installation.loopback_only,
        }

    def _sender(self, base_url: str) -> str | None:
        """None for the account's default. The plain API has none: the beginning of the brand."""
        if egosms.is_json(base_url):
            return None
        return self._settings.installation.brand_name[: egosms.LONGEST_SENDER].strip()


def provider_changed(settings: Settings, directory: Path) -> bool:
    """Whether the provider has changed since the last start. Stores it for the next start."""
    file, now = directory / LAST_FILE, _address_of(settings, "extreme") or SIMULATED
    # The file may be damaged, for example empty or not a text: then this asks for a sync once.
    last = file.read_text(errors="replace").strip() if file.exists() else now
    file.write_text(f"{now}\n")
    return last != now


def _address_of(settings: Settings, name: str) -> str | None:
    """The address of a provider. None for the simulated one, which may change at each start."""
    upstream = settings.upstream
    if name == SIMULATED:
        return None
    if name == "egosms":
        return None if upstream.egosms_is_simulated else upstream.sms_api_url or egosms.PLAIN_URL
    return None if upstream.is_simulated else upstream.extreme_api_url or BASE_URL
