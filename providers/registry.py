"""The providers that this program supports: one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from domain.inbox.webhooks import Parser
from domain.provider import Credentials, Provider, ProviderField
from providers import africastalking, android, egosms, extreme, ibiki, kannel, twilio
from providers.africastalking import AfricasTalking
from providers.android import Android
from providers.config import ProviderConfig, cost_of
from providers.extreme import ExtremeSMS
from providers.ibiki import Ibiki
from providers.kannel import Kannel
from providers.replies import Signature, WebhookAnswer

API_KEY: Final = ProviderField(
    name="apiKey", description="The API key at the provider.", secret=True
)
USERNAME: Final = ProviderField(name="username", description="The user name at the provider.")
PASSWORD: Final = ProviderField(
    name="password", description="The password, or the key, at the provider.", secret=True
)
SENDER: Final = ProviderField(
    name="sender",
    description="The name or number that phones show. Default: the account's.",
    required=False,
)


UNIT_COST: Final = ProviderField(
    name="unitCost",
    description="What one message costs, in the currency of the account: 0.0083, for example. The "
    "balance is counted in messages.",
)


def address(default: str | None) -> ProviderField:
    """The address of the provider. It is required if there is no default."""
    return ProviderField(
        name="baseUrl",
        description="The address of the provider's API.",
        required=default is None,
        default=default,
    )


@dataclass(frozen=True, slots=True)
class ProviderKind:
    """How to call a provider, how to read its webhooks, and what an account there consists of.

    `fields`: the values that a person gives. Each is a field of `ProviderConfig`; the user name and
    the password are its credentials. `calls_by_get`: its webhook calls are GET requests, and
    `parse` parses the query of the URL. `has_query`: the query is added to the form in the body.
    `secret_in_url`: it can show a secret only in the path of
    the URL. `signature`: how it signs them, if in its own way. `answer`: what it expects, if
    it is not JSON. `shorten`: returns a body without its files, if it sends them.
    """

    open: Callable[[ProviderConfig], Provider]
    parse: Parser
    fields: Sequence[ProviderField]
    calls_by_get: bool = False
    has_query: bool = False
    secret_in_url: bool = False
    signature: Signature | None = None
    answer: WebhookAnswer | None = None
    shorten: Callable[[bytes], bytes] | None = None


PROVIDERS: Final[Mapping[str, ProviderKind]] = {
    "extreme": ProviderKind(
        ExtremeSMS, extreme.parse_webhook, (address(extreme.BASE_URL), API_KEY)
    ),
    "egosms": ProviderKind(
        egosms.open_egosms,
        egosms.parse_webhook,
        (
            address(egosms.PLAIN_URL),
            USERNAME,
            PASSWORD,
            SENDER,
            ProviderField(
                name="wallet",
                description="The balance that is used: Local or International. JSON API only.",
                required=False,
                default=egosms.WALLETS[0],
            ),
        ),
    ),
    "ibiki": ProviderKind(Ibiki, ibiki.parse_webhook, (address(None), API_KEY)),
    "kannel": ProviderKind(
        Kannel,
        kannel.parse_webhook,
        (
            ProviderField(
                name="baseUrl",
                description="The address of smsbox: http://127.0.0.1:13013, for example.",
            ),
            ProviderField(name="username", description="The user name of the sendsms-user."),
            ProviderField(
                name="password", description="The password of the sendsms-user.", secret=True
            ),
            SENDER,
            ProviderField(
                name="callbackUrl",
                description="Where Kannel reaches this installation: http://127.0.0.1:8000, for "
                "example. Default: PUBLIC_URL. Without either, there are no delivery reports.",
                required=False,
            ),
        ),
        calls_by_get=True,
        secret_in_url=True,
    ),
    "africastalking": ProviderKind(
        AfricasTalking,
        africastalking.parse_webhook,
        (
            address(africastalking.BASE_URL),
            ProviderField(name="username", description="The user name of the app."),
            ProviderField(name="password", description="The API key of the app.", secret=True),
            SENDER,
            UNIT_COST,
            ProviderField(
                name="acceptedCodes",
                description="Further codes that mean accepted, with commas: 103,104.",
                required=False,
            ),
            ProviderField(
                name="rejectedCodes",
                description="Further codes that mean that a message is refused, with commas.",
                required=False,
            ),
        ),
    ),
    "android": ProviderKind(
        Android,
        android.parse_webhook,
        (
            address(android.BASE_URL),
            USERNAME,
            PASSWORD,
            ProviderField(
                name="sender",
                description="The SIM card that sends: 1, 2 or 3. Default: the phone's.",
                required=False,
            ),
            ProviderField(
                name="signingKey",
                description="The signing key of the phone's webhooks, without commas in it: "
                "commas separate several keys, each of which is accepted.",
                required=False,
                secret=True,
            ),
        ),
        signature=android.SIGNATURE,
        shorten=android.shortened,
    ),
    "twilio": ProviderKind(
        twilio.Twilio,
        twilio.parse_webhook,
        (
            address(twilio.BASE_URL),
            ProviderField(name="username", description="The Account SID: AC and 32 digits."),
            ProviderField(name="password", description="The auth token.", secret=True),
            ProviderField(
                name="sender",
                description="A number or a name of the account, or the SID of a messaging service.",
            ),
            UNIT_COST,
            ProviderField(
                name="signingKey",
                description="Another auth token that may sign webhook calls, while you change it.",
                required=False,
                secret=True,
            ),
        ),
        has_query=True,
        signature=twilio.SIGNATURE,
        answer=twilio.ANSWER,
    ),
    "simulated": ProviderKind(ExtremeSMS, extreme.parse_webhook, ()),
}

PARSERS: Final[Mapping[str, Parser]] = {name: each.parse for name, each in PROVIDERS.items()}
"""The parser for the webhook calls of each provider."""


def open_account(provider: str, config: ProviderConfig) -> Provider:
    """A provider account, ready for calls. Raises ValueError if the provider is not listed."""
    if provider not in PROVIDERS:
        known = ", ".join(sorted(PROVIDERS))
        raise ValueError(f"Unknown provider {provider!r}. Supported: {known}.")
    return PROVIDERS[provider].open(config)


def config_of(
    fields: Sequence[ProviderField], given: Mapping[str, str], **limits: Any
) -> ProviderConfig:
    """The configuration of an account from the values that a person gave, and from the limits.

    Raises ValueError with a sentence about the first value that is missing or wrong.
    """
    for field in fields:
        if field.required and not given.get(field.name):
            raise ValueError(f"{field.name} is required. {field.description}")
    values: dict[str, Any] = {
        _python_name(field.name): given.get(field.name) or field.default for field in fields
    }
    username, password = values.pop("username", None), values.pop("password", None)
    if username is not None or password is not None:
        values["credentials"] = Credentials(username or "", password or "")
    if values.get("unit_cost") is not None:
        values["unit_cost"] = cost_of(values["unit_cost"])
    return ProviderConfig(**values, **limits)


def _python_name(name: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in name)
