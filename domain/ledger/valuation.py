"""The USD value of units, and the units that a provider's reading is worth.

USD is a label on transfers and never part of unit arithmetic. All arithmetic is exact and rounds
half up.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal, localcontext
from enum import StrEnum
from fractions import Fraction

CENT = Decimal("0.01")
LARGEST_UNITS = 2**53 - 1


class Valuation(StrEnum):
    """How a provider account's reading is converted to units."""

    AS_IS = "AS_IS"
    EGOSMS_OWN = "EGOSMS_OWN"


def value_usd(units: int, rate_per_unit_usd: Decimal | None) -> Decimal | None:
    """The value of units at a rate, in USD with two decimal places; None without a rate."""
    if rate_per_unit_usd is None:
        return None
    with localcontext() as context:
        context.prec = 60
        return (units * rate_per_unit_usd).quantize(CENT, rounding=ROUND_HALF_UP)


def units_of_reading(reading: Decimal, valuation: Valuation) -> int:
    """The whole units that a reading is worth.

    AS_IS: the reading without its fraction, because no message can be paid with it.
    EGOSMS_OWN: x 10/7, rounded half up to the nearest 10 (70000 -> 100000).
    Raises ValueError if the reading is not a finite number or is too large.
    """
    if not reading.is_finite() or abs(reading) > LARGEST_UNITS // 2:
        raise ValueError("the reading is not a possible balance")
    if valuation is Valuation.AS_IS:
        return int(reading.to_integral_value(rounding=ROUND_FLOOR))
    tens = Fraction(reading) * Fraction(10, 7) / 10
    return 10 * ((tens + Fraction(1, 2)).__floor__())
