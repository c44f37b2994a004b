"""Balances that a provider keeps in money, counted in messages."""

from __future__ import annotations

import re
from decimal import ROUND_FLOOR, Decimal, localcontext
from typing import Final

from domain.errors import ProviderUnavailable
from domain.provider import Reading

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
