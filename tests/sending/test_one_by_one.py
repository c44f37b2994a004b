"""Batches give the same results as single sends: the same requests in two equal pools."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.sending.accept import (
    AcceptedBefore,
    AcceptedNow,
    AcceptResult,
    Postponed,
    Refused,
    accept_batch,
)
from domain.sending.messages import NewSend
from persistence import store
from tests import db
from tests.ledger.sends import accept_single, accepting, keyed

PAYERS = 3


@dataclass(frozen=True)
class MadeRequest:
    """A request for either pool. `key`: None without one. `given`: its input."""

    payer: int
    count: int
    key: int | None
    given: int


ASKED = st.builds(
    MadeRequest,
    payer=st.integers(0, PAYERS - 1),
    count=st.integers(1, 6),
    key=st.none() | st.integers(0, 2),
    given=st.sampled_from([0, 0, 0, 1]),
)
HELD = st.tuples(*[st.integers(0, 12)] * PAYERS)

in_two_copies = settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@in_two_copies
@given(
    held=HELD, requested=st.lists(ASKED, max_size=14), cuts=st.sets(st.integers(0, 14), max_size=3)
)
async def test_batches_give_each_send_the_result_that_it_would_get_alone(
    connected: None, held: tuple[int, ...], requested: list[MadeRequest], cuts: set[int]
) -> None:
    ours, mirrored = await _copies(held)
    batched: list[AcceptResult | Postponed] = []
    for batch in _cut(_sends(ours, requested), cuts):
        batched += await accept_batch(store, batch)
    alone = [await accept_single(send) for send in _sends(mirrored, requested)]
    assert _results(batched) == _results(alone)
    assert await _figures(ours) == await _figures(mirrored)


@in_two_copies
@given(held=HELD, requested=st.lists(ASKED, max_size=14))
async def test_concurrent_sends_get_the_results_that_they_would_get_alone(
    connected: None, held: tuple[int, ...], requested: list[MadeRequest]
) -> None:
    ours, mirrored = await _copies(held)
    async with accepting() as acceptor:
        together = await asyncio.gather(
            *(acceptor.accept(each) for each in _sends(ours, requested))
        )
    alone = [await accept_single(send) for send in _sends(mirrored, requested)]
    assert _results(together) == _results(alone)
    assert await _figures(ours) == await _figures(mirrored)


async def _copies(held: Sequence[int]) -> list[list[db.Tenant]]:
    """Two pools whose clients hold the same."""
    return [
        [await db.add_client(upstream, held=each) for each in held]
        for upstream in [await db.add_pool(default=False) for _ in range(2)]
    ]


def _sends(clients: Sequence[db.Tenant], requested: Sequence[MadeRequest]) -> list[NewSend]:
    sends = [db.new_send(clients[each.payer], each.count) for each in requested]
    return [
        send if each.key is None else keyed(send, str(each.key), each.given)
        for send, each in zip(sends, requested, strict=True)
    ]


def _cut(sends: list[NewSend], cuts: set[int]) -> list[list[NewSend]]:
    places = [0, *sorted(cuts), len(sends)]
    batches = [sends[start:end] for start, end in pairwise(places)]
    return [batch for batch in batches if batch]


def _results(results: Sequence[AcceptResult | Postponed]) -> list[object]:
    """The results, with positions instead of IDs."""
    places: dict[UUID, int] = {}
    comparable: list[object] = []
    for place, result in enumerate(results):
        match result:
            case AcceptedNow(send):
                places[send.id] = place
                comparable.append("taken")
            case AcceptedBefore(send_id):
                comparable.append(("as before", places[send_id]))
            case Refused(refusal):
                comparable.append((type(refusal), vars(refusal)))
            case Postponed():
                comparable.append("busy")
    return comparable


async def _figures(clients: Sequence[db.Tenant]) -> list[object]:
    """All that is left in the database, with nothing in it that differs between two copies."""
    return [
        [tuple(row.values()) for row in await db.fetch(statement, client.account_id)]
        for client in clients
        for statement in (
            "SELECT held, version FROM account WHERE id = $1",
            "SELECT kind, amount, source_balance, source_version FROM transfer"
            " WHERE source_id = $1 ORDER BY source_version",
            "SELECT accepted, (SELECT count(*) FROM message WHERE send_id = send.id)"
            " FROM send WHERE account_id = $1 ORDER BY id",
        )
    ]
