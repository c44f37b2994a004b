"""Rows that the database refuses, each by the expected constraint."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest

from tests.databases import OtherConnection
from tests.persistence.connections import insert

NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("rule", "table", "columns"),
    [
        ("send_kind_known", "send", {"kind": "FAX"}),
        ("send_counts_positive", "send", {"accepted": 0}),
        ("send_counts_positive", "send", {"price": 0}),
        ("send_counts_positive", "send", {"rejected_count": -1}),
        ("message_status_known", "message", {"status": "LOST", "attempt_id": uuid4()}),
        ("message_never_sent_without_attempt", "message", {"status": "SUBMITTING"}),
        ("message_never_sent_without_attempt", "message", {"status": "SENT"}),
        ("message_never_sent_without_attempt", "message", {"status": "UNKNOWN"}),
        ("message_waits_for_a_time", "message", {"due_at": None}),
        (
            "message_waits_for_a_time",
            "message",
            {"status": "SUBMITTING", "attempt_id": uuid4(), "due_at": None},
        ),
        ("attempt_outcome_known", "attempt", {"outcome": "MAYBE", "ended_at": NOW}),
        ("attempt_ends_with_an_outcome", "attempt", {"ended_at": NOW}),
        ("attempt_ends_with_an_outcome", "attempt", {"outcome": "UNKNOWN"}),
        ("provider_account_price_positive", "provider_account", {"price": 0}),
        ("provider_account_price_positive", "provider_account", {"price": 2**31}),
        ("provider_account_valuation_known", "provider_account", {"valuation": "GUESS"}),
        ("sync_in_flight_positive", "sync", {"in_flight": -1}),
        ("idempotency_key_bounded", "idempotency_key", {"key": ""}),
        ("idempotency_key_bounded", "idempotency_key", {"key": "k" * 256}),
        ("client_status_known", "client", {"status": "AWAY"}),
    ],
)
async def test_a_row_is_refused(
    undone: OtherConnection, rule: str, table: str, columns: Mapping[str, object]
) -> None:
    sound = _sound(table)
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await insert(undone, table, {**sound, **columns})
    assert refused.value.constraint_name == rule


@pytest.mark.parametrize(
    ("rule", "table", "shared"),
    [
        ("contact_number_unique", "contact", ["client_id", "number"]),
        ("client_account_unique", "client", ["account_id"]),
        ("provider_account_account_unique", "provider_account", ["account_id"]),
        ("provider_account_owner_unique", "provider_account", ["owner_client_id"]),
    ],
)
async def test_a_duplicate_row_is_refused(
    undone: OtherConnection, rule: str, table: str, shared: list[str]
) -> None:
    first = _sound(table)
    await insert(undone, table, first)
    again = {**_sound(table), **{column: first[column] for column in shared}}
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        await insert(undone, table, again)
    assert refused.value.constraint_name == rule


async def test_a_second_default_pool_is_refused(undone: OtherConnection) -> None:
    await undone.execute("UPDATE provider_account SET is_default = false")
    first, second = ({**_sound("provider_account"), "is_default": True} for _ in range(2))
    await insert(undone, "provider_account", first)
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        await insert(undone, "provider_account", second)
    assert refused.value.constraint_name == "provider_account_default_unique"


def _sound(table: str) -> dict[str, object]:
    """A valid row that is unlike any other."""
    ids = {name: uuid4() for name in ("client_id", "account_id", "provider_account_id")}
    of_a_send = {**ids, "price": 1}
    rows: dict[str, dict[str, object]] = {
        "send": {**of_a_send, "kind": "SINGLE", "accepted": 1, "rejected_count": 0},
        "message": {
            **of_a_send,
            "send_id": uuid4(),
            "number": "+12025550100",
            "priority": 1,
            "due_at": NOW,
        },
        "attempt": {
            "provider_account_id": uuid4(),
            "dispatcher_id": uuid4(),
            "epoch": 0,
            "messages": 1,
            "started_at": NOW,
            "lease_until": NOW,
        },
        "provider_account": {
            "provider": "extreme",
            "owner_client_id": uuid4(),
            "account_id": uuid4(),
            "unit": "credit",
            "price": 1,
        },
        "sync": {
            "provider_account_id": uuid4(),
            "reading_raw": "1",
            "reading": 1,
            "in_flight": 0,
            "pool_before": 0,
            "pool_after": 1,
            "epoch": 1,
        },
        "idempotency_key": {"scope_id": uuid4(), "key": "k", "input_hash": b"", "answer": "{}"},
        "client": {"name": "Client", "account_id": uuid4()},
        "contact": {"client_id": uuid4(), "number": "+12025550100"},
    }
    row = {"id": uuid4(), **rows[table]}
    if table == "message":
        del row["account_id"]
    return row
