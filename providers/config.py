"""The configuration of one provider account, and balances in money, counted in messages."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal, localcontext
from typing import Final

from domain.errors import ProviderUnavailable
from domain.provider import Credentials, Reading
from providers.transport import HttpTransport, checked_base_url


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderConfig:
    """Address, secrets and limits of one provider account. Its repr shows no secret.

    Give `api_key`, or `credentials` if the provider has user names. `sender`: the name that phones
    show; None is the account's default. `report_url`: where the provider sends delivery reports,
    if each call has to name it; it may contain a secret. `callback_url`: where the provider reaches
    this installation, if it is not the public address. `signing_key`: what the provider signs its
    webhook calls with, if it has such a key. `unit_cost`: what one unit of the pool
    costs, in the currency of the provider's balance. `accepted_codes`, `rejected_codes`: further
    codes of messages, with commas. `wallet`: the one of several balances of the account that is
    used. `deadline_seconds`: for one call as a whole; shorter than the lease of its messages.
    `largest_batch`: messages per call, and so the most that one unreadable response can make
    UNKNOWN. Raises ValueError with a sentence for the operator.
    """

    base_url: str
    api_key: str = field(default="", repr=False)
    credentials: Credentials | None = field(default=None, repr=False)
    sender: str | None = None
    report_url: str | None = field(default=None, repr=False)
    callback_url: str | None = None
    signing_key: str | None = field(default=None, repr=False)
    unit_cost: Decimal | None = None
    accepted_codes: str | None = None
    rejected_codes: str | None = None
    wallet: str | None = None
    deadline_seconds: float = 10.0
    connect_seconds: float = 3.0
    reuse_seconds: float = 0.0
    connections: int = 20
    largest_batch: int = 100
    loopback_only: bool = False

    def __post_init__(self) -> None:
        checked_base_url(self.base_url, loopback_only=self.loopback_only)
        if self.callback_url is not None:
            _check_callback_url(self.callback_url)
        if self.credentials is None and not _fits_header(self.api_key):
            raise ValueError("The provider's API key must be printable ASCII, without line breaks.")
        if self.connect_seconds <= 0 or self.deadline_seconds <= 0:
            raise ValueError("The time limits of calls to a provider must be more than 0 seconds.")
        if self.connections < 1 or self.largest_batch < 1:
            raise ValueError("Connections and batch size must be at least 1.")

    def transport(self) -> HttpTransport:
        """A new transport for this account. It does not connect yet."""
        return HttpTransport(
            self.base_url,
            deadline_seconds=self.deadline_seconds,
            connect_seconds=self.connect_seconds,
            connections=self.connections,
            reuse_seconds=self.reuse_seconds,
            loopback_only=self.loopback_only,
        )


def _check_callback_url(callback_url: str) -> None:
    try:
        checked_base_url(callback_url, loopback_only=False)
    except ValueError:
        words = (
            "The address for the provider's calls must have the form https://host[:port][/path]."
        )
        raise ValueError(words) from None


def _fits_header(api_key: str) -> bool:
    return bool(api_key) and api_key.isascii() and api_key.isprintable()


COST: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
CURRENCY: Final = re.compile(r"[A-Z]{3}")
NOT_READABLE: Final = "The SMS network did not report a balance that can be read."


def cost_of(text: str) -> Decimal:
    """A cost that a person gave. Raises ValueError with a sentence."""
    if not COST.fullmatch(text) or not Decimal(text):
        raise ValueError("unitCost must be a number greater than 0, such as 0.0083.")
    return Decimal(text)


def in_units(money: Reading | None, currency: object, unit_cost: Decimal) -> Reading:
    """The balance in units that cost `unit_cost` each, without the last fraction.

    The raw text keeps the amount and its currency. Raises ProviderUnavailable.
    """
    if money is None or not isinstance(currency, str) or not CURRENCY.fullmatch(currency):
        raise ProviderUnavailable(NOT_READABLE)
    with localcontext() as context:
        context.prec = 60
        units = (money.value / unit_cost).to_integral_value(rounding=ROUND_FLOOR)
    return Reading(raw=f"{money.raw} {currency}", value=units)
