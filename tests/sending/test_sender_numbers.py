"""Which numbers a gateway can mean by the sender of a message."""

from __future__ import annotations

import pytest

from domain.numbers import Normaliser

US, UG, DE = Normaliser("US"), Normaliser("UG"), Normaliser("DE")
UNASSIGNED = f"+1{696}5550101"


@pytest.mark.parametrize(
    ("normaliser", "raw", "numbers"),
    [
        (US, "+12025550101", ["+12025550101"]),
        (US, "12025550101", ["+12025550101"]),
        (US, "tel:+1-202-555-0101", ["+12025550101"]),
        (US, "0012025550101", ["+12025550101"]),
        (US, "256772000111", ["+256772000111"]),
        (US, "256 772 000111", ["+256772000111"]),
        (US, "00256772000111", ["+256772000111"]),
        (US, "491701234567", ["+491701234567"]),
        (UG, "256772000111", ["+256772000111"]),
        (UG, "0772000111", ["+256772000111"]),
        (UG, "12025550101", ["+12025550101"]),
        (DE, "256772000111", ["+256772000111", "+49256772000111"]),
        (DE, "491701234567", ["+491701234567", "+49491701234567"]),
        (DE, "01701234567", ["+491701234567"]),
        # Two readings are valid: the caller knows to which of them the client has written.
        (US, "4722345678", ["+1" + "4722345678", "+4722345678"]),
        # Not valid, but possible: the message proves that its sender exists.
        (US, UNASSIGNED, [UNASSIGNED]),
        (US, UNASSIGNED[2:], [UNASSIGNED]),
        (US, UNASSIGNED[1:], [UNASSIGNED]),
        (US, "+256999000111", ["+256999000111"]),
        (US, "256999000111", ["+256999000111"]),
    ],
)
def test_a_sender_is_read_as_each_number_that_it_can_be(
    normaliser: Normaliser, raw: str, numbers: list[str]
) -> None:
    assert normaliser.sender_numbers(raw) == numbers


@pytest.mark.parametrize(
    "raw",
    [
        "68849",
        "123456",
        "49123",
        "491234",
        "SUPPORT",
        "Acme Ltd",
        "",
        "+",
        "00",
        "+1",
        "#123",
        "0",
        "12025550101x5",
        "2.02556E+09",
        "9" * 300,
        "9" * 2000,
    ],
)
def test_a_short_code_or_a_named_sender_has_no_number(raw: str) -> None:
    assert US.sender_numbers(raw) == []
