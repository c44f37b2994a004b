"""The providers of this installation. Each account is opened when it is first used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from domain.clock import now_seconds
from domain.errors import ProviderUnavailable
from domain.ledger.credentials import Cipher
from domain.provider import Credentials, Provider
from ibiki.settings.settings import Settings
from persistence import store
from providers import egosms
from providers.config import ProviderConfig
from providers.extreme import BASE_URL
from providers.registry import open_account
from providers.simulator.server import DEFAULT_API_KEY

SIMULATOR_URL_FILE = "simulator.url"
LAST_FILE = "provider.last"
SIMULATED = "simulated"
PLATFORM = b""
NOT_CONFIGURED = "The SMS network of this account is not configured. Ask your operator."


@dataclass(frozen=True, slots=True)
class _Open:
    """An open account, and what it was opened with.

    `encrypted`: the credentials; PLATFORM for those of the settings.
    """

    provider: Provider
    name: str
    base_url: str
    encrypted: bytes


class Upstreams:
    """Opens each provider account once and keeps its connections.

    The next call uses the present address and credentials. The address of the simulated provider is
    read from the data directory each time, because the simulator may restart on another port. The
    credentials of a client's own account are read from the database each time, because another
    process may have changed them.
    """

    def __init__(self, settings: Settings, directory: Path, cipher: Cipher) -> None:
        self._settings = settings
        self._directory = directory
        self._cipher = cipher
        self._platform_names: dict[UUID, str] = {}
        self._open: dict[UUID, _Open] = {}
        self._retired: list[tuple[float, Provider]] = []

    async def of(self, provider_account_id: UUID) -> Provider:
        """The provider of an account. Raises ProviderUnavailable if it cannot be signed in to."""
        await self._close_retired()
        name, encrypted = await self._sign_in(provider_account_id)
        base_url = self._base_url(name)
        present = self._open.get(provider_account_id)
        if present is not None:
            if (present.name, present.base_url, present.encrypted) == (name, base_url, encrypted):
                return present.provider
            # Calls may still be open: its connections are closed when these have ended.
            self._retired.append((now_seconds(), present.provider))
        credentials = self._credentials(provider_account_id, encrypted)
        try:
            provider = open_account(name, self._config(name, base_url, credentials))
        except ValueError as unusable:
            raise ProviderUnavailable(NOT_CONFIGURED) from unusable
        self._open[provider_account_id] = _Open(provider, name, base_url, encrypted)
        return provider

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

    async def _sign_in(self, provider_account_id: UUID) -> tuple[str, bytes]:
        """The provider's name and the encrypted credentials."""
        platform_name = self._platform_names.get(provider_account_id)
        if platform_name is not None:
            return platform_name, PLATFORM
        name, owner_id, encrypted = await store.find_sign_in(provider_account_id)
        if owner_id is None:
            self._platform_names[provider_account_id] = name
            return name, PLATFORM
        if encrypted is None and name == "egosms":
            # Do not use the platform's credentials: the client would get its balance.
            raise ProviderUnavailable(
                "This account has no sign-in at the SMS network. Your operator has to set it."
            )
        return name, encrypted or PLATFORM

    def _credentials(self, provider_account_id: UUID, encrypted: bytes) -> Credentials | None:
        if encrypted == PLATFORM:
            return self._settings.upstream.egosms_credentials
        return self._cipher.decrypt(provider_account_id, encrypted)

    def _base_url(self, name: str) -> str:
        address = _address_of(self._settings, name)
        if address is not None:
            return address
        try:
            base_url = (self._directory / SIMULATOR_URL_FILE).read_text().strip()
        except FileNotFoundError as missing:
            raise ProviderUnavailable("The simulated provider has not been started.") from missing
        return base_url + (egosms.JSON_PATH if name == "egosms" else "")

    def _config(self, name: str, base_url: str, credentials: Credentials | None) -> ProviderConfig:
        dispatch, upstream = self._settings.dispatch, self._settings.upstream
        is_egosms = name == "egosms"
        return ProviderConfig(
            base_url=base_url,
            api_key="" if is_egosms else upstream.extreme_api_key or DEFAULT_API_KEY,
            credentials=credentials if is_egosms else None,
            sender=self._sender(base_url) if is_egosms else None,
            deadline_seconds=dispatch.deadline_seconds,
            connect_seconds=min(3.0, dispatch.deadline_seconds),
            reuse_seconds=dispatch.reuse_seconds,
            connections=dispatch.concurrency,
            largest_batch=dispatch.batch_size,
            loopback_only=self._settings.installation.loopback_only,
        )

    def _sender(self, base_url: str) -> str | None:
        """EGOSMS_SENDER, else the account's default.

        The plain API has no default: there, it is the beginning of the brand's name.
        """
        sender = self._settings.upstream.egosms_sender
        if sender is not None or egosms.is_json(base_url):
            return sender
        return self._settings.installation.brand_name[: egosms.LONGEST_SENDER].strip()


def provider_changed(settings: Settings, directory: Path) -> bool:
    """Whether the provider has changed since the last start. Stores it for the next start."""
    file, now = directory / LAST_FILE, _address_of(settings, "extreme") or SIMULATED
    last = file.read_text().strip() if file.exists() else now
    file.write_text(f"{now}\n")
    return last != now


def _address_of(settings: Settings, name: str) -> str | None:
    """The address of a provider. None for the simulated one, which may change at each start."""
    upstream = settings.upstream
    if name == "egosms":
        return None if upstream.egosms_is_simulated else upstream.sms_api_url or egosms.PLAIN_URL
    return None if upstream.is_simulated else upstream.extreme_api_url or BASE_URL
