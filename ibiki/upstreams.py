"""The providers of this installation. Each is opened when it is first used."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from domain.errors import ProviderUnavailable
from domain.ledger.ports import ProviderAccount
from domain.provider import Provider
from ibiki.settings.settings import Settings
from persistence import store
from providers.config import ProviderConfig
from providers.extreme import BASE_URL
from providers.registry import open_account
from providers.simulator.server import DEFAULT_API_KEY

SIMULATOR_URL_FILE = "simulator.url"
LAST_FILE = "provider.last"
SIMULATED = "simulated"


class Upstreams:
    """Opens each provider account once and keeps its connections.

    The address of the simulated provider is read from the data directory each time, because the
    simulator may restart on another port.
    """

    def __init__(self, settings: Settings, directory: Path) -> None:
        self._settings = settings
        self._directory = directory
        self._accounts: dict[UUID, ProviderAccount] = {}
        self._open: dict[tuple[UUID, str], Provider] = {}

    async def of(self, provider_account_id: UUID) -> Provider:
        """The provider of an account. Raises ProviderUnavailable if the simulator is off."""
        account = self._accounts.get(provider_account_id)
        if account is None:
            account = await store.find_provider_account(provider_account_id)
            self._accounts[provider_account_id] = account
        base_url = self._base_url()
        key = (account.id, base_url)
        if key not in self._open:
            self._open[key] = open_account(account.provider, self._config(base_url))
        return self._open[key]

    async def close(self) -> None:
        """Closes all connections."""
        for provider in self._open.values():
            await provider.close()
        self._open.clear()

    def _base_url(self) -> str:
        address = _address_of(self._settings)
        if address is not None:
            return address
        try:
            return (self._directory / SIMULATOR_URL_FILE).read_text().strip()
        except FileNotFoundError as missing:
            raise ProviderUnavailable("The simulated provider has not been started.") from missing

    def _config(self, base_url: str) -> ProviderConfig:
        dispatch = self._settings.dispatch
        return ProviderConfig(
            base_url=base_url,
            api_key=self._settings.upstream.extreme_api_key or DEFAULT_API_KEY,
            deadline_seconds=dispatch.deadline_seconds,
            connect_seconds=min(3.0, dispatch.deadline_seconds),
            reuse_seconds=dispatch.reuse_seconds,
            connections=dispatch.concurrency,
            largest_batch=dispatch.batch_size,
            loopback_only=self._settings.installation.loopback_only,
        )


def provider_changed(settings: Settings, directory: Path) -> bool:
    """Whether the provider has changed since the last start. Stores it for the next start."""
    file, now = directory / LAST_FILE, _address_of(settings) or SIMULATED
    last = file.read_text().strip() if file.exists() else now
    file.write_text(f"{now}\n")
    return last != now


def _address_of(settings: Settings) -> str | None:
    """The address of the provider. None for the simulated one, which may change at each start."""
    upstream = settings.upstream
    return None if upstream.is_simulated else upstream.extreme_api_url or BASE_URL
