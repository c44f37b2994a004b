"""The rules for the fields of groups, clients and users."""

from __future__ import annotations

from decimal import Decimal

import pytest

from domain.errors import InvalidInput
from domain.identity.directory import (
    assigned_numbers_of,
    business_of,
    email_of,
    name_of,
    password_of,
    rate_of,
)
from domain.numbers import Normaliser

NORMALISER = Normaliser()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Acme", "Acme"),
        ("  Acme  ", "Acme"),
        ("Zoe\u0308 & Söhne", "Zoë & Söhne"),
        ("میم\u200cنون", "میم\u200cنون"),
        ("x" * 200, "x" * 200),
    ],
)
def test_a_name_is_trimmed_and_composed(given: str, kept: str) -> None:
    assert name_of(given) == kept


@pytest.mark.parametrize(
    "given", [None, "", "   ", "\t\n", "x" * 201, "a\0b", "a\nb", "a\u2028b", "a\x1bb", "a\ud800b"]
)
def test_an_empty_long_or_invisible_name_is_refused(given: str | None) -> None:
    with pytest.raises(InvalidInput) as refused:
        name_of(given)
    assert refused.value.field == "name"


def test_an_empty_business_is_none_and_an_invalid_one_names_its_field() -> None:
    assert business_of(None) is None
    assert business_of("  ") is None
    assert business_of(" Milk ") == "Milk"
    with pytest.raises(InvalidInput) as refused:
        business_of("a\0b")
    assert refused.value.field == "business"


@pytest.mark.parametrize(
    "given",
    [
        "admin@ibiki.test",
        " admin@ibiki.test ",
        "Ada.Lovelace+sms@Example.COM",
        "o'hara@sub.domain.example.org",
        "josé@exämple.com",
        f"{'a' * 64}@example.com",
    ],
)
def test_an_email_is_trimmed_and_keeps_its_case(given: str) -> None:
    assert email_of(given) == given.strip()


@pytest.mark.parametrize(
    "given",
    [
        "",
        "admin",
        "admin@",
        "@ibiki.test",
        "admin@ibiki",
        "admin@@ibiki.test",
        "a b@ibiki.test",
        "a\0@ibiki.test",
        "a\n@ibiki.test",
        "a\ud800@ibiki.test",
        ".a@ibiki.test",
        "a.@ibiki.test",
        "a..b@ibiki.test",
        "a@-ibiki.test",
        "a@ibiki-.test",
        "a@ibiki..test",
        "a@.test",
        '"a"@ibiki.test',
        "a@[127.0.0.1]",
        "<a@ibiki.test>",
        f"{'a' * 65}@example.com",
        f"a@{'b' * 60}.{'c' * 63}.{'d' * 63}.{'e' * 63}.com",
    ],
)
def test_an_invalid_email_is_refused(given: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        email_of(given)
    assert refused.value.field == "email"


def test_a_malicious_email_is_checked_quickly() -> None:
    with pytest.raises(InvalidInput):
        email_of("a@" + "a-" * 100_000)


@pytest.mark.parametrize("given", ["12345678", "x" * 1024, "pass word\twith tab", "🔑" * 8])
def test_a_password_has_8_to_1024_characters_of_any_kind(given: str) -> None:
    assert password_of(given) == given


def test_composed_and_decomposed_accents_give_the_same_password() -> None:
    assert password_of("e\u0301cole-passe") == password_of("école-passe")


@pytest.mark.parametrize("given", [None, "", "1234567", "x" * 1025, "1234567\0", "1234567\udfff"])
def test_a_short_long_or_unstorable_password_is_refused(given: str | None) -> None:
    with pytest.raises(InvalidInput) as refused:
        password_of(given)
    assert refused.value.field == "password"


@pytest.mark.parametrize("given", ["0", "0.03", "0.000001", "1000000", "3E+2", "0.030000000"])
def test_a_rate_is_between_zero_and_a_million(given: str) -> None:
    assert rate_of(Decimal(given)) == Decimal(given)


def test_no_rate_is_none_and_minus_zero_is_zero() -> None:
    assert rate_of(None) is None
    assert str(rate_of(Decimal("-0.00"))) == "0.00"


@pytest.mark.parametrize(
    "given", ["-0.01", "1000000.01", "0.0000001", "NaN", "sNaN", "Infinity", "1E+99", "1E-99"]
)
def test_a_negative_infinite_or_too_precise_rate_is_refused(given: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        rate_of(Decimal(given))
    assert refused.value.field == "ratePerUnitUsd"


def test_assigned_numbers_are_normalised_sorted_and_unique() -> None:
    given = ["(202) 555-0143", "+12025550101", "1 202 555 0143"]
    assert assigned_numbers_of(given, NORMALISER) == ["+12025550101", "+12025550143"]
    assert assigned_numbers_of(None, NORMALISER) == []


def test_an_invalid_assigned_number_is_refused_with_its_position() -> None:
    with pytest.raises(InvalidInput, match="Number 2") as refused:
        assigned_numbers_of(["+12025550101", "12"], NORMALISER)
    assert refused.value.field == "assignedNumbers"


def test_at_most_a_thousand_numbers_are_assigned_to_a_client() -> None:
    with pytest.raises(InvalidInput):
        assigned_numbers_of(["+12025550101"] * 1001, NORMALISER)
