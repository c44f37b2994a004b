"""What units are called, what they are worth in USD, and what a reading is worth in units.

USD is a label on transfers, never arithmetic on units. Everything is exact decimal, half up.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal, localcontext
from enum import StrEnum
from fractions import Fraction

CENT = Decimal("0.01")
LARGEST_UNITS = 2**53 - 1


class Valuation(StrEnum):
    """How a provider account's reading becomes units."""

    AS_IS = "AS_IS"
    EGOSMS_OWN = "EGOSMS_OWN"


def value_usd(units: int, rate_per_unit_usd: Decimal | None) -> Decimal | None:
    """Units at a rate, to two places, half up; None without a rate."""
    if rate_per_unit_usd is None:
        return None
    with localcontext() as context:
        context.prec = 60
        return (units * rate_per_unit_usd).quantize(CENT, rounding=ROUND_HALF_UP)


def units_of_reading(reading: Decimal, valuation: Valuation) -> int:
    """Whole units that a reading stands for.

    Credit pools: as is, and a fraction of a credit does not count (it cannot be sent with).
    An EgoSMS account of a client's own: x 10/7, to the nearest 10, half up (70000 -> 100000).
    Raises ValueError where no balance can be that large, or is no number at all.
    """
    if not reading.is_finite() or abs(reading) > LARGEST_UNITS // 2:
        raise ValueError("a reading beyond any balance")
    if valuation is Valuation.AS_IS:
        return int(reading.to_integral_value(rounding=ROUND_FLOOR))
    tens = Fraction(reading) * Fraction(10, 7) / 10
    return 10 * ((tens + Fraction(1, 2)).__floor__())
