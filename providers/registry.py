"""The providers that this program can speak to: one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from domain.inbox.webhooks import Parser
from domain.provider import Provider
from providers import egosms, extreme
from providers.config import ProviderConfig
from providers.extreme import ExtremeSMS

PROVIDERS: Final[Mapping[str, Callable[[ProviderConfig], Provider]]] = {
    "extreme": ExtremeSMS,
}

PARSERS: Final[Mapping[str, Parser]] = {
    "extreme": extreme.read_call,
    "egosms": egosms.read_call,
}
"""How each of them is read when it calls us."""


def open_account(provider: str, config: ProviderConfig) -> Provider:
    """A provider account ready to be called. Raises ValueError for a provider not listed."""
    if provider not in PROVIDERS:
        known = ", ".join(sorted(PROVIDERS))
        raise ValueError(f"No provider is called {provider!r} here. Known: {known}.")
    return PROVIDERS[provider](config)
