"""Sends of the tests: keyed, and looked at past the program."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

from domain.ledger.idempotency import input_hash
from domain.ledger.keys import IdempotencyKey
from domain.sending.accept import Acceptance, Refused, Replayed, Taken, Verdict
from domain.sending.sends import NewSend
from persistence import store
from tests import worlds


def keyed(send: NewSend, key: str, given: object = "as given") -> NewSend:
    """The send under an idempotency key of its client's."""
    client_id = send.payer.client_id
    return replace(send, key=IdempotencyKey(client_id, key, input_hash("send", given)))


@asynccontextmanager
async def accepting(**options: Any) -> AsyncIterator[Acceptance]:
    """A process's way in for sends."""
    acceptance = Acceptance(store, **options)
    acceptance.start()
    try:
        yield acceptance
    finally:
        await acceptance.stop()


def sent(verdict: Verdict) -> UUID | None:
    """The id of the send that the verdict tells of, None for a refusal."""
    match verdict:
        case Taken(send):
            return send.id
        case Replayed(send_id):
            return send_id
        case Refused():
            return None


def told(verdicts: Sequence[Verdict], kind: type[Verdict]) -> int:
    """How many verdicts are of that kind."""
    return sum(isinstance(verdict, kind) for verdict in verdicts)


async def charges(account_id: UUID) -> list[int]:
    """Amounts that sends were charged, in order."""
    rows = await worlds.fetch(
        "SELECT amount FROM transfer WHERE source_id = $1 AND kind = 'SEND'"
        " ORDER BY source_version",
        account_id,
    )
    return [row["amount"] for row in rows]


async def messages_of(client_id: UUID) -> int:
    """How many messages the client has."""
    rows = await worlds.fetch("SELECT count(*) AS n FROM message WHERE client_id = $1", client_id)
    return int(rows[0]["n"])
