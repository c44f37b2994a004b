"""USD is a label, to the cent, half up; a reading becomes whole units by exact arithmetic."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ledger.balances import Valuation, units_of_reading, value_usd
from domain.ledger.book import LARGEST_UNITS

READINGS = st.decimals(
    min_value=-(LARGEST_UNITS // 2), max_value=LARGEST_UNITS // 2, allow_nan=False, places=4
)


@pytest.mark.parametrize(
    ("units", "rate", "value"),
    [
        (5000, "0.03", "150.00"),
        (1, "0.03", "0.03"),
        (0, "0.03", "0.00"),
        (1000, "0", "0.00"),
        (1, "0.005", "0.01"),
        (1, "0.004999", "0.00"),
        (3, "0.015", "0.05"),  # half up; half even would be 0.04
        (7, "0.000001", "0.00"),
        (-1, "0.005", "-0.01"),
        (2**31, "0.03", "64424509.44"),
        (LARGEST_UNITS, "1000000", "9007199254740991000000.00"),
        (LARGEST_UNITS, "0.000001", "9007199254.74"),
    ],
)
def test_units_are_worth_this_much(units: int, rate: str, value: str) -> None:
    worth = value_usd(units, Decimal(rate))
    assert str(worth) == value


def test_units_without_a_rate_have_no_value_in_usd() -> None:
    assert value_usd(5000, None) is None


@given(st.integers(0, LARGEST_UNITS), st.decimals(0, 1_000_000, places=6))
def test_a_value_is_never_wrong_by_more_than_half_a_cent(units: int, rate: Decimal) -> None:
    worth = value_usd(units, rate)
    assert worth is not None
    away = Fraction(worth) - units * Fraction(rate)
    assert -Fraction(1, 200) < away <= Fraction(1, 200)


@pytest.mark.parametrize(
    ("reading", "valuation", "units"),
    [
        ("70000", Valuation.EGOSMS_OWN, 100_000),
        ("20000", Valuation.EGOSMS_OWN, 28_570),
        ("35", Valuation.EGOSMS_OWN, 50),
        ("0", Valuation.EGOSMS_OWN, 0),
        ("3.5", Valuation.EGOSMS_OWN, 10),  # 5 exactly: half up
        ("3.4999", Valuation.EGOSMS_OWN, 0),
        ("3.49999999999999999999", Valuation.EGOSMS_OWN, 0),  # a float would be 3.5
        ("10.5", Valuation.EGOSMS_OWN, 20),  # 15 exactly: half up, not to even
        ("-3.5", Valuation.EGOSMS_OWN, 0),  # -5 exactly: up
        ("-35", Valuation.EGOSMS_OWN, -50),
        ("1000", Valuation.AS_IS, 1000),
        ("1000.00", Valuation.AS_IS, 1000),
        ("999.99", Valuation.AS_IS, 999),
        ("0.5", Valuation.AS_IS, 0),
        ("-0.5", Valuation.AS_IS, -1),
        ("1E+3", Valuation.AS_IS, 1000),
        (str(2**31), Valuation.AS_IS, 2**31),
    ],
)
def test_a_reading_is_converted_to_units(reading: str, valuation: Valuation, units: int) -> None:
    assert units_of_reading(Decimal(reading), valuation) == units


@pytest.mark.parametrize("valuation", Valuation)
@pytest.mark.parametrize(
    "reading",
    [str(2**63), str(-(2**63)), str(2**53), "1E+400", "Infinity", "-Infinity", "NaN", "sNaN"],
)
def test_an_impossible_balance_is_refused(reading: str, valuation: Valuation) -> None:
    with pytest.raises(ValueError, match="not a possible balance"):
        units_of_reading(Decimal(reading), valuation)


@given(READINGS)
def test_a_reading_of_a_clients_account_is_the_nearest_ten_half_up(reading: Decimal) -> None:
    units = units_of_reading(reading, Valuation.EGOSMS_OWN)
    assert units % 10 == 0
    away = units - Fraction(reading) * 10 / 7
    assert -5 < away <= 5


@given(READINGS)
def test_a_reading_as_it_is_counts_whole_units_alone(reading: Decimal) -> None:
    assert 0 <= Fraction(reading) - units_of_reading(reading, Valuation.AS_IS) < 1


@given(st.integers(0, 10**9), st.integers(0, 10**6))
def test_charges_at_both_sides_agree_between_two_checks(messages_worth: int, sent: int) -> None:
    """50 units a message here are 35 of the provider's there."""
    before, after = 35 * (messages_worth + sent), 35 * messages_worth
    charged = 50 * sent
    first, then = (
        units_of_reading(Decimal(reading), Valuation.EGOSMS_OWN) for reading in (before, after)
    )
    assert first - charged == then
