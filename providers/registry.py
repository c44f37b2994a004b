"""The providers that this program supports: one line each."""

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
    "egosms": egosms.open_egosms,
}

PARSERS: Final[Mapping[str, Parser]] = {
    "extreme": extreme.parse_webhook,
    "egosms": egosms.parse_webhook,
}
"""The parser for the webhook calls of each provider."""


def open_account(provider: str, config: ProviderConfig) -> Provider:
    """A provider account, ready for calls. Raises ValueError if the provider is not listed."""
    if provider not in PROVIDERS:
        known = ", ".join(sorted(PROVIDERS))
        raise ValueError(f"Unknown provider {provider!r}. Supported: {known}.")
    return PROVIDERS[provider](config)
