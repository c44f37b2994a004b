"""Scalars accept only valid values, from variables and from literals alike."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
import strawberry
from graphql import GraphQLError, GraphQLInt, graphql_sync
from hypothesis import given
from hypothesis import strategies as st

from domain.ledger.book import LARGEST_UNITS
from schema.schema import build_schema
from schema.values import (
    Money,
    PhoneNumber,
    Units,
    read_date_time,
    read_money,
    read_phone_number,
    read_units,
    write_date_time,
    write_date_times,
    write_integers,
    write_money,
    write_texts,
    write_units,
)

READ: dict[str, Any] = {
    "units": read_units,
    "money": read_money,
    "number": read_phone_number,
    "moment": read_date_time,
}


@strawberry.type
class Query:
    @strawberry.field
    def units(self, value: Units) -> Units:
        return value

    @strawberry.field
    def money(self, value: Money) -> Money:
        return value

    @strawberry.field
    def number(self, value: PhoneNumber) -> PhoneNumber:
        return value

    @strawberry.field
    def moment(self, value: datetime) -> datetime:
        return value


SCHEMA = build_schema(Query)
TYPES = {"units": "Units", "money": "Money", "number": "PhoneNumber", "moment": "DateTime"}


@pytest.mark.parametrize("value", [0, 1, -1, LARGEST_UNITS, -LARGEST_UNITS, 5.0])
def test_units_are_whole_numbers(value: Any) -> None:
    assert read_units(value) == value
    assert type(read_units(value)) is int


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        True,
        False,
        "1",
        None,
        [],
        {},
        LARGEST_UNITS + 1,
        -(2**53),
        2**64,
        1e300,
        math.nan,
        math.inf,
    ],
)
def test_any_other_value_is_refused_as_units(value: Any) -> None:
    with pytest.raises(GraphQLError, match="whole number"):
        read_units(value)


def test_units_that_json_would_round_are_not_written() -> None:
    with pytest.raises(ValueError, match="beyond"):
        write_units(2**53)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", "0"),
        ("150.00", "150"),
        ("-1.5", "-1.5"),
        ("0.000001", "0.000001"),
        ("9" * 12, "9" * 12),
    ],
)
def test_money_is_a_plain_decimal(text: str, amount: str) -> None:
    assert read_money(text) == Decimal(amount)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1e5",
        "NaN",
        "Infinity",
        "-",
        "1.",
        ".5",
        "01",
        "1,5",
        " 1",
        "1\n",
        "+1",
        "١",
        "0x1",
        "1.0000001",
        "9" * 13,
        "9" * 100000,
        1,
        1.5,
        None,
        True,
    ],
)
def test_any_other_value_is_refused_as_money(value: Any) -> None:
    with pytest.raises(GraphQLError, match="Money is a decimal"):
        read_money(value)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("150", "150.00"),
        ("1.5", "1.50"),
        ("0.03", "0.03"),
        ("0.0305", "0.0305"),
        ("1E+3", "1000.00"),
        ("0.030000", "0.03"),
        ("0.0275000", "0.0275"),
        ("-0.5", "-0.50"),
    ],
)
def test_money_is_written_with_two_places_or_more(amount: str, text: str) -> None:
    assert write_money(Decimal(amount)) == text


@pytest.mark.parametrize(
    "value", ["16624908672", "+0662490867", "+1", "+1 662", "+1662490867\n", 1]
)
def test_a_phone_number_is_e164(value: Any) -> None:
    assert read_phone_number("+12025550123") == "+12025550123"
    with pytest.raises(GraphQLError, match=r"E\.164"):
        read_phone_number(value)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-20T08:30:00Z", datetime(2026, 11, 20, 8, 30, tzinfo=UTC)),
        ("2026-11-20T08:30:00.25Z", datetime(2026, 11, 20, 8, 30, 0, 250_000, tzinfo=UTC)),
        ("2026-11-20T08:30:00+02:00", datetime(2026, 11, 20, 6, 30, tzinfo=UTC)),
        ("2026-11-20T08:30:00+0200", datetime(2026, 11, 20, 6, 30, tzinfo=UTC)),
        ("2026-11-20t08:30:00z", datetime(2026, 11, 20, 8, 30, tzinfo=UTC)),
        # As Go and Java write times.
        ("2026-11-20T08:30:00.123456999Z", datetime(2026, 11, 20, 8, 30, 0, 123_456, tzinfo=UTC)),
        # What the database would keep as infinite.
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, microsecond=1, tzinfo=UTC)),
        ("9999-12-31T23:59:59.999999Z", datetime(9999, 12, 31, 23, 59, 59, 999_998, tzinfo=UTC)),
    ],
)
def test_a_moment_is_rfc_3339(text: str, moment: datetime) -> None:
    assert read_date_time(text) == moment


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-20",
        "2026-11-20T08:30:00",
        "20261120T083000Z",
        "2026-13-20T08:30:00Z",
        "",
        "now",
        0,
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2026-11-20T08:30:00Z\x00",
        "2026-11-20 08:30:00Z",
        "2026-11-20T08:30:00.Z",
        f"2026-11-20T08:30:00.{'1' * 25}Z",
        None,
    ],
)
def test_any_other_value_is_refused_as_a_moment(value: Any) -> None:
    with pytest.raises(GraphQLError, match="RFC 3339"):
        read_date_time(value)


def test_moments_are_written_in_utc() -> None:
    here = datetime(2026, 11, 20, 8, 30, tzinfo=timezone(timedelta(hours=2)))
    assert write_date_time(here) == "2026-11-20T06:30:00Z"
    assert write_date_time(here.replace(microsecond=5)) == "2026-11-20T06:30:00.000005Z"


ZONES = st.sampled_from([UTC, timezone(timedelta(0)), timezone(timedelta(hours=2)), None])
NAIVE = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1))
MOMENTS = st.builds(datetime.replace, NAIVE, tzinfo=st.just(UTC))


@given(st.lists(st.none() | MOMENTS))
def test_a_column_of_moments_is_written_like_each_of_them(column: list[datetime | None]) -> None:
    each = [None if moment is None else write_date_time(moment) for moment in column]
    assert write_date_times(column) == each


@given(st.lists(st.builds(datetime.replace, NAIVE, tzinfo=ZONES)))
def test_only_a_column_in_utc_is_written_at_once(column: list[datetime]) -> None:
    in_utc = all(moment.tzinfo == UTC for moment in column)
    assert (write_date_times(column) is None) != in_utc


@given(st.lists(st.none() | st.booleans() | st.integers(-(2**33), 2**33) | st.text(), min_size=1))
def test_only_columns_of_plain_values_are_their_own_answers(column: list[Any]) -> None:
    plain = all(type(value) is int and -(2**31) <= value < 2**31 for value in column)
    assert write_integers(column) == (column if plain else None)
    if plain:
        assert [GraphQLInt.coerce_output_value(value) for value in column] == column
    texts = all(value is None or type(value) is str for value in column)
    assert write_texts(column) == (column if texts else None)


@pytest.mark.parametrize(
    ("field", "literal", "answer"),
    [
        ("units", "12", 12),
        ("units", "-9007199254740991", -9007199254740991),
        ("money", '"1.5"', "1.50"),
        ("number", '"+12025550123"', "+12025550123"),
        ("moment", '"2026-11-20T08:30:00Z"', "2026-11-20T08:30:00Z"),
    ],
)
def test_literals_are_read_like_variables(field: str, literal: str, answer: Any) -> None:
    result = graphql_sync(SCHEMA, f"{{ {field}(value: {literal}) }}")
    assert result.data == {field: answer}


@pytest.mark.parametrize("field", TYPES)
@pytest.mark.parametrize(
    "literal",
    ["1.5", "true", "WORD", "[1]", "{a: 1}", '"x"', "null", "9" * 20, "9" * 5_000, '"\\u0000"'],
)
def test_other_literals_are_refused(field: str, literal: str) -> None:
    result = graphql_sync(SCHEMA, f"{{ {field}(value: {literal}) }}")
    assert result.data is None
    assert result.errors


def test_a_very_long_literal_is_refused_in_our_words() -> None:
    [error] = graphql_sync(SCHEMA, f"{{ units(value: {'9' * 5_000}) }}").errors or []
    assert error.message == "Units are a whole number, at most 9007199254740991 either way."


@given(
    st.sampled_from(sorted(TYPES)),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=5,
    ),
)
def test_each_variable_is_read_or_refused(field: str, value: Any) -> None:
    query = f"query ($value: {TYPES[field]}!) {{ {field}(value: $value) }}"
    result = graphql_sync(SCHEMA, query, variable_values={"value": value})
    if result.errors:
        assert "invalid value" in result.errors[0].message or value is None
    else:
        assert READ[field](value) is not None
