"""What the lines of a statement say, seen from either end."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from domain.errors import units_in_words
from domain.ledger.book import NodeKind, TransferKind
from domain.ledger.statement import OtherEnd, StatementLine, usd_in_words

POOL, GROUP, CLIENT = NodeKind.POOL, NodeKind.GROUP, NodeKind.CLIENT
ALLOCATION, SEND, REFUND = TransferKind.ALLOCATION, TransferKind.SEND, TransferKind.REFUND
SYNC, OPENING, RECONCILE = TransferKind.SYNC, TransferKind.OPENING, TransferKind.RECONCILE
ABOVE = OtherEnd(POOL, None)
TEAM = OtherEnd(GROUP, "MG888")
ACME = OtherEnd(CLIENT, "Acme")


def line(
    kind: TransferKind,
    amount: int,
    *,
    viewed: NodeKind = CLIENT,
    other: OtherEnd | None = None,
    rate: str | None = None,
    value: str | None = None,
    price: int | None = None,
    unit: str = "credit",
    note: str | None = None,
) -> StatementLine:
    return StatementLine(
        id=UUID(int=1),
        kind=kind,
        viewed=viewed,
        amount=amount,
        unit=unit,
        balance_after=0,
        version=1,
        rate_per_unit_usd=Decimal(rate) if rate else None,
        value_usd=Decimal(value) if value else None,
        send_id=None,
        price=price,
        note=note,
        other=other,
        created_at=datetime(2026, 11, 20, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (
            line(ALLOCATION, 5_000, other=ABOVE, rate="0.030000", value="150.00"),
            "Allocated 5,000 credits at $0.03: $150.00",
        ),
        (line(ALLOCATION, 1, other=TEAM), "Allocated 1 credit"),
        (line(ALLOCATION, 1, other=TEAM, note="Invoice 7"), "Allocated 1 credit. Invoice 7"),
        (line(ALLOCATION, -20, other=ABOVE), "Took back 20 credits"),
        (
            line(ALLOCATION, -5_000, viewed=POOL, other=ACME, rate="0.0275", value="137.50"),
            "Allocated 5,000 credits to Acme at $0.0275: $137.50",
        ),
        (line(ALLOCATION, 9, viewed=POOL, other=TEAM), "Took back 9 credits from MG888"),
        (line(ALLOCATION, -9, viewed=GROUP, other=ACME), "Allocated 9 credits to Acme"),
        (line(ALLOCATION, 9, viewed=GROUP, other=ACME), "Took back 9 credits from Acme"),
        (line(ALLOCATION, 9, viewed=GROUP, other=ABOVE), "Allocated 9 credits"),
        (line(SEND, -3, price=1), "Sent 3 messages"),
        (line(SEND, -1, price=1), "Sent 1 message"),
        (line(SEND, -100, viewed=POOL, price=50, unit="UGX"), "Sent 2 messages"),
        (line(REFUND, 2, price=1), "Refund for 2 messages that were not sent"),
        (line(REFUND, 50, price=50), "Refund for 1 message that was not sent"),
        (line(REFUND, 2, price=1, other=ABOVE), "Refund for 2 messages that were not sent"),
        (
            line(REFUND, -2, price=1, viewed=POOL, other=ACME),
            "Refund to Acme for 2 messages that were not sent",
        ),
        (line(SYNC, 5, viewed=POOL), "Balance check"),
        (line(SYNC, 0, viewed=POOL), "Balance check: no change"),
        (line(OPENING, 5), "Opening balance"),
        (line(RECONCILE, -1), "Correction: missing charge added"),
        (line(RECONCILE, 1), "Correction: excess charge refunded"),
        (line(RECONCILE, 1, viewed=POOL, other=ACME), "Correction of Acme: missing charge added"),
    ],
)
def test_a_line_says_what_happened(seen: StatementLine, words: str) -> None:
    assert seen.description == words


@pytest.mark.parametrize(
    ("units", "unit", "words"),
    [
        (1, "credit", "1 credit"),
        (0, "credit", "0 credits"),
        (1_234_567, "credit", "1,234,567 credits"),
        (28_570, "UGX", "28,570 UGX"),
    ],
)
def test_units_are_said_with_their_unit(units: int, unit: str, words: str) -> None:
    assert units_in_words(units, unit) == words


@pytest.mark.parametrize(
    ("amount", "words"),
    [("0.03", "$0.03"), ("0.0275", "$0.0275"), ("0", "$0.00"), ("1234567.100000", "$1,234,567.10")],
)
def test_dollars_have_two_places_and_more_only_where_they_say_something(
    amount: str, words: str
) -> None:
    assert usd_in_words(Decimal(amount)) == words
