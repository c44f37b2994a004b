"""Checks the guarantees after a fault: by the tables, the provider's log and the clients' answers.

Each check returns sentences that say what is broken. No sentence means no violation.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Any
from uuid import UUID

from domain import ids
from domain.dispatch.settle import settle_unknown
from domain.ids import Kind
from domain.ledger.audit import audit, new_audit
from persistence import store
from tests import db
from tests.faults.load import Accepted, Load, MadeRequest, TooFewUnits
from tests.faults.simulated_provider import SimulatedProvider

MOST_REPORTED = 5
ASKED_AGAIN = 12

ACCEPTED_TWICE = "SELECT number FROM message GROUP BY number HAVING count(*) > 1"
SENDS = "SELECT id, accepted, accepted * price AS charged FROM send WHERE id = ANY($1::uuid[])"
OWNERS = "SELECT number, send_id, status FROM message WHERE number = ANY($1::text[])"
RECENT = """
SELECT number, status FROM message
WHERE $1::float8 IS NULL OR created_at > clock_timestamp() - make_interval(secs => $1)
"""
# A message under way has a lease. A queued message is due soon, or had an attempt before.
STUCK = """
SELECT how, count(*) AS messages FROM (
    SELECT CASE
        WHEN status = 'SUBMITTING' AND attempt.ended_at IS NOT NULL THEN 'SUBMITTING, call ended'
        WHEN status = 'SUBMITTING' AND lease_until < clock_timestamp() - make_interval(secs => $1)
            THEN 'SUBMITTING, lease over'
        WHEN status = 'QUEUED' AND due_at < clock_timestamp() - make_interval(secs => $1 + $2)
            THEN 'QUEUED and due' || coalesce(', waited for ' || waiting_for, '')
        WHEN status = 'QUEUED' AND attempts = 0
             AND due_at > clock_timestamp() + make_interval(secs => $1)
            THEN 'QUEUED, never tried and not due yet' END AS how
    FROM message LEFT JOIN attempt ON attempt.id = message.attempt_id
    WHERE status IN ('SUBMITTING', 'QUEUED')) AS each
WHERE how IS NOT NULL GROUP BY how
"""
CALLS = """
SELECT count(*) AS calls FROM attempt
WHERE started_at > clock_timestamp() - make_interval(secs => $1)
"""
UNDER_WAY = "SELECT count(*) AS messages FROM message WHERE status IN ('QUEUED', 'SUBMITTING')"
UNKNOWN = "SELECT id, number FROM message WHERE status = 'UNKNOWN'"
POOL = "SELECT sum(held)::int8 AS held FROM account"

NOT_TAKEN = {"QUEUED", "CANCELLED", "REJECTED"}


class Guarantees:
    """The guarantees to the clients of a load, checked with the provider's log."""

    def __init__(
        self, load: Load, provider: SimulatedProvider, *, lease_seconds: float, seed: int
    ) -> None:
        self._load = load
        self._provider = provider
        self._lease_seconds = lease_seconds
        self._chance = Random(seed)
        self._checked = 0
        self._checked_taken: set[str] = set()

    async def broken(self, *, recent_seconds: float | None = 120.0) -> list[str]:
        """All violations. `recent_seconds`: looks only at messages up to this age. None: at all."""
        questions: Sequence[Callable[[], Awaitable[list[str]]]] = (
            self._ledger,
            self._accepted_once,
            self._acknowledged,
            self._answered_the_same,
            lambda: self._submitted(recent_seconds),
        )
        found = [each for question in questions for each in await question()]
        found += self._load.defects[:MOST_REPORTED]
        self._load.defects.clear()
        return found

    async def stuck(self, *, grace_seconds: float = 5.0) -> list[str]:
        """Messages that are not final, not under way, and not queued in time."""
        rows = await db.fetch(STUCK, grace_seconds, self._lease_seconds)
        (begun,) = await db.fetch(CALLS, grace_seconds)
        return [
            f"{row['messages']} messages are stuck: {row['how']}"
            f" ({begun['calls']} calls in the last {grace_seconds:.0f} s)"
            for row in rows
        ]

    async def under_way(self) -> int:
        """The number of messages that are QUEUED or SUBMITTING."""
        (row,) = await db.fetch(UNDER_WAY)
        return int(row["messages"])

    async def settle(self) -> int:
        """Settles each UNKNOWN message by the provider's log. Returns their number."""
        await self._provider.read()
        doubtful = await db.fetch(UNKNOWN)
        for row in doubtful:
            taken = self._provider.taken[row["number"]] > 0
            await settle_unknown(store, db.ADMIN, row["id"], taken=taken, note="looked up")
        return len(doubtful)

    async def figures_differ(self) -> list[str]:
        """At rest and without UNKNOWN messages, the pool must equal the provider's balance."""
        (row,) = await db.fetch(POOL)
        balance = await self._provider.balance()
        if row["held"] == balance:
            return []
        return [f"the pool is {row['held']} and the provider says {balance}"]

    async def _ledger(self) -> list[str]:
        return [
            f"ledger: {each}"
            for each in (await audit(store, await new_audit(store), rest=0)).violations
        ]

    async def _accepted_once(self) -> list[str]:
        twice = await db.fetch(ACCEPTED_TWICE)
        return _sentences("accepted twice", [row["number"] for row in twice])

    async def _acknowledged(self) -> list[str]:
        """What was acknowledged since the last check must be stored as it was acknowledged."""
        requests = self._load.requests
        new = [each for each in requests[self._checked :] if each.answer is not None]
        self._checked = next(
            (place for place in range(self._checked, len(requests)) if _is_open(requests[place])),
            len(requests),
        )
        taken = {_id_of(each.answer): each for each in new if isinstance(each.answer, Accepted)}
        sends = {row["id"]: row for row in await db.fetch(SENDS, list(taken))}
        first = await db.fetch(OWNERS, [each.numbers[0] for each in new])
        owners = {row["number"]: row["send_id"] for row in first}
        lost = [
            each for send_id, each in taken.items() if not _is_as_acknowledged(each, sends, send_id)
        ]
        lost += [each for id_, each in taken.items() if owners.get(each.numbers[0]) != id_]
        poor = [each for each in new if isinstance(each.answer, TooFewUnits)]
        accepted = [each for each in poor if each.numbers[0] in owners]
        return [
            *_sentences("acknowledged, and not stored as acknowledged", lost),
            *_sentences("refused because of the balance, and accepted nevertheless", accepted),
        ]

    async def _answered_the_same(self) -> list[str]:
        """The key of an accepted send must return that send again. A refused key stays unused."""
        answered = [
            each for each in self._load.requests if each.key and isinstance(each.answer, Accepted)
        ]
        sample = answered[-ASKED_AGAIN // 2 :]
        sample += self._chance.sample(answered, min(ASKED_AGAIN // 2, len(answered)))
        differing = []
        for request in sample:
            again = await self._load.ask_again(request)
            if not _is_same(again, request.answer):
                differing.append(f"{request.answer}, and then {again}")
        return _sentences("answered twice, with different answers", differing)

    async def _submitted(self, recent_seconds: float | None) -> list[str]:
        """The provider must have each message at most once, and none that was not charged."""
        await self._provider.read()
        taken_before = set(self._provider.taken) - self._checked_taken
        rows = await db.fetch(OWNERS, list(taken_before))
        statuses = {row["number"]: row["status"] for row in rows}
        recent = await db.fetch(RECENT, recent_seconds)
        await self._provider.read()
        taken = self._provider.taken
        self._checked_taken |= taken_before
        sent = [row["number"] for row in recent if row["status"] in ("SENT", "DELIVERED")]
        return [
            *_sentences(
                "accepted by the provider more than once",
                [each for each in taken if taken[each] > 1],
            ),
            *_sentences(
                "submitted again after a call with an unknown outcome", list(self._provider.again)
            ),
            *_sentences(
                "accepted by the provider and not charged",
                [n for n in taken_before if n not in statuses],
            ),
            *_sentences(
                "accepted by the provider and refunded",
                [n for n, is_ in statuses.items() if is_ in NOT_TAKEN],
            ),
            *_sentences("SENT and not accepted by the provider", [n for n in sent if not taken[n]]),
        ]


def _id_of(answer: object) -> UUID:
    assert isinstance(answer, Accepted)
    return ids.decode(Kind.SEND, answer.send_id)


def _is_same(again: object, answer: object) -> bool:
    """The charge of a send falls after a refund."""
    if isinstance(again, Accepted) and isinstance(answer, Accepted):
        return (again.send_id, again.accepted) == (answer.send_id, answer.accepted)
    return again == answer


def _is_open(request: MadeRequest) -> bool:
    return request.answer is None and not request.given_up


def _is_as_acknowledged(
    request: MadeRequest, sends: dict[UUID, dict[str, Any]], send_id: UUID
) -> bool:
    row, answer = sends.get(send_id), request.answer
    assert isinstance(answer, Accepted)
    given = (answer.accepted, answer.charged)
    return row is not None and (row["accepted"], row["charged"]) == given


def _sentences(what: str, found: Sequence[object]) -> list[str]:
    """One sentence with the first few items. None if there are no items."""
    if not found:
        return []
    return [f"{len(found)} {what}: " + ", ".join(str(each) for each in found[:MOST_REPORTED])]
