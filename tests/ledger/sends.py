"""Sends of the tests, with and without keys, and what the tables say about them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

from domain.ledger.idempotency import IdempotencyKey, input_hash
from domain.sending.accept import (
    AcceptedBefore,
    AcceptedNow,
    AcceptResult,
    Postponed,
    Refused,
    accept_alone,
)
from domain.sending.acceptor import Acceptor
from domain.sending.messages import NewSend
from persistence import store
from tests import db


def keyed(send: NewSend, key: str, given: object = "as given") -> NewSend:
    """The send with an idempotency key of its client."""
    client_id = send.payer.client_id
    return replace(send, key=IdempotencyKey(client_id, key, input_hash("send", given)))


@asynccontextmanager
async def accepting(**options: Any) -> AsyncIterator[Acceptor]:
    """The acceptor of one process."""
    acceptor = Acceptor(store, **options)
    acceptor.start()
    try:
        yield acceptor
    finally:
        await acceptor.stop()


async def accept_single(send: NewSend, **options: Any) -> AcceptResult:
    """Accepts one send in a separate transaction, and waits for its account."""
    result = await accept_alone(store, send, lock_wait_seconds=60, **options)
    assert not isinstance(result, Postponed)
    return result


def sent(result: AcceptResult | Postponed) -> UUID | None:
    """The ID of the send in a result, None for a refusal."""
    match result:
        case AcceptedNow(send):
            return send.id
        case AcceptedBefore(send_id):
            return send_id
        case Refused() | Postponed():
            return None


def count_of(results: Sequence[AcceptResult], kind: type[AcceptResult]) -> int:
    """How many results are of that kind."""
    return sum(isinstance(result, kind) for result in results)


async def charges(account_id: UUID) -> list[int]:
    """Amounts that sends were charged, in order."""
    rows = await db.fetch(
        "SELECT amount FROM transfer WHERE source_id = $1 AND kind = 'SEND'"
        " ORDER BY source_version",
        account_id,
    )
    return [row["amount"] for row in rows]


async def messages_of(client_id: UUID) -> int:
    """How many messages the client has."""
    rows = await db.fetch("SELECT count(*) AS n FROM message WHERE client_id = $1", client_id)
    return int(rows[0]["n"])
