"""After each step of a random sequence, the ledger agrees with a model made of dicts.

`IBIKI_STATE_MACHINE=deep python -m pytest tests/ledger/test_state_machine.py` looks much longer.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from domain.dispatch.cancel import cancel_send
from domain.dispatch.recording import sweep
from domain.dispatch.rules import Observer
from domain.dispatch.settle import settle_unknown
from domain.errors import InvalidInput
from domain.identity.clients import ClientChange, update_client
from domain.ledger.balances import BalanceView, PlatformShown
from domain.numbers import Normaliser
from domain.sending.accept import accept_batch
from domain.sending.messages import MessageStatus
from persistence import store
from persistence.opening import connect, disconnect
from tests import db
from tests.dispatch.parts import answered, marked
from tests.ledger import small_installation
from tests.ledger.model import (
    OTHER_POOL,
    OUTCOMES,
    POOL,
    QUEUED,
    REFUSED,
    SUBMITTING,
    UNKNOWN,
    Model,
    Place,
)
from tests.ledger.sends import accept_single
from tests.ledger.small_installation import (
    OUTCOME_OF,
    Request,
    SmallInstallation,
    answer_of_allocation,
    answer_of_send,
)
from tests.ledger.upstream import Upstream, synced

PROFILES = {
    "quick": settings(max_examples=25, stateful_step_count=30),
    "deep": settings(max_examples=400, stateful_step_count=80),
}

CLIENTS = st.integers(0, 3)
REQUESTS = st.builds(
    Request,
    CLIENTS,
    st.integers(1, 5),
    key=st.sampled_from([None, None, "a", "b"]),
    given=st.sampled_from([0, 0, 1]),
    is_routed=st.booleans(),
)
POOLS = st.sampled_from([POOL, POOL, OTHER_POOL])

READINGS = st.integers(-5, 120)
OUTCOMES_OF_A_CALL = st.lists(st.sampled_from(OUTCOMES), min_size=1, max_size=3)


class Ledger(RuleBasedStateMachine):
    """Clients, an operator, supervisors, a dispatcher and a provider, one at a time."""

    run: Callable[[Coroutine[Any, Any, Any]], Any]

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.calls: list[tuple[Any, list[Place]]] = []
        self.seen: Counter[object] = Counter()

    @initialize(pool=st.integers(0, 30), held=st.tuples(*[st.integers(0, 20)] * 6))
    def begin(self, pool: int, held: tuple[int, ...]) -> None:
        self.installation: SmallInstallation = self.run(small_installation.made(pool, held))
        for name, units in self.installation.opening.items():
            self.model.held.setdefault(name, 0)
            if units:
                self.model.move(None, name, units)
        self.model.group_of = dict(self.installation.group_of)

    # Clients

    @rule(requests=st.lists(REQUESTS, min_size=1, max_size=5))
    def send_together(self, requests: list[Request]) -> None:
        remaining = self.model.remaining
        sends = [self.installation.new_send(each) for each in requests]
        results = self.run(accept_batch(store, sends))
        for result, request in zip(results, requests, strict=True):
            assert answer_of_send(self.installation, result) == self._expected(request)
        self.run(self.installation.note_messages())
        assert self.model.remaining == remaining

    @rule(request=REQUESTS)
    def send_alone(self, request: Request) -> None:
        result = self.run(accept_single(self.installation.new_send(request)))
        assert answer_of_send(self.installation, result) == self._expected(request)
        self.run(self.installation.note_messages())

    def _expected(self, request: Request) -> tuple[object, ...]:
        client = f"c{request.who}"
        is_routed = request.is_routed and self.model.pool_of.get(client, POOL) == POOL
        return self.model.accept(
            client, request.count, request.key, request.given, is_routed=is_routed
        )

    @precondition(lambda self: self.model.sends)
    @rule(which=st.integers(0))
    def cancel(self, which: int) -> None:
        number = which % len(self.model.sends)
        owner = self.installation.tenant(self.model.sends[number].client)
        cancelled = self.run(cancel_send(store, owner.actor, self.installation.send_ids[number]))
        assert cancelled.counts.get(MessageStatus.CANCELLED, 0) == self.model.cancel(number)

    # An operator and two supervisors

    @rule(who=st.sampled_from(["admin", "g0", "g1"]), whom=CLIENTS, units=st.integers(-9, 9))
    def allocate_to_a_client(self, who: str, whom: int, units: int) -> None:
        client, pool = f"c{whom}", self.model.pool
        giver = self.model.pool_of.get(client, POOL) if who == "admin" else who
        answer = self.run(answer_of_allocation(self.installation, who, client, units or 1))
        if who != "admin" and self.model.group_of[client] != who:
            assert answer == ("not found",)
        else:
            assert answer == self.model.allocate(giver, client, units or 1)
        assert self.model.pool == pool

    @rule(group=st.sampled_from(["g0", "g1"]), units=st.integers(-9, 9))
    def allocate_to_a_group(self, group: str, units: int) -> None:
        answer = self.run(answer_of_allocation(self.installation, "admin", group, units or 1))
        assert answer == self.model.allocate(POOL, group, units or 1)

    @rule(whom=CLIENTS, group=st.sampled_from([None, "g0", "g1"]))
    def move_a_client(self, whom: int, group: str | None) -> None:
        client = f"c{whom}"
        group_id = self.installation.groups[group].id if group else None
        change = ClientChange(group_id=group_id)
        changing = update_client(
            store, Normaliser(), self.installation.tenant(client).client_id, change
        )
        if group is not None and self.model.pool_of.get(client, POOL) != POOL:
            with pytest.raises(InvalidInput):
                self.run(changing)
            return
        self.run(changing)
        self.model.group_of[client] = group

    @rule(whom=CLIENTS, there=st.booleans(), emptied=st.booleans())
    def move_a_client_to_a_pool(self, whom: int, there: bool, emptied: bool) -> None:
        """`emptied`: what prevents the move is removed first, as an operator does."""
        client, pool = f"c{whom}", OTHER_POOL if there else POOL
        if emptied:
            self.move_a_client(whom, None)
            if self.model.held[client] > 0:
                self.allocate_to_a_client("admin", whom, -self.model.held[client])
        pools = (self.model.balance(POOL), self.model.balance(OTHER_POOL))
        moved = self.run(self.installation.move_client(client, self.installation.pools[pool]))
        assert moved == self.model.move_client(client, pool)
        assert pools == (self.model.balance(POOL), self.model.balance(OTHER_POOL))

    @rule(pool=POOLS, reading=READINGS)
    def sync(self, pool: str, reading: int) -> None:
        # A call that is open would be waited for: here its dispatcher has crashed.
        self.run(self.installation.leases_pass(pool))
        in_flight, before = self.model.in_flight(pool), self.model.balance(pool)
        done = self.run(synced(self.installation.pools[pool], Upstream(reading)))
        assert (done.previous_pool, done.in_flight) == (before, in_flight)
        assert done.change == self.model.sync(pool, reading)
        assert self.model.balance(pool) == reading - in_flight

    @precondition(lambda self: self.model.places(UNKNOWN))
    @rule(which=st.integers(0), outcome=st.sampled_from(["accepted", REFUSED]))
    def settle_a_doubt(self, which: int, outcome: str) -> None:
        doubts = self.model.places(UNKNOWN)
        number, place = doubts[which % len(doubts)]
        message_id = self.installation.message_ids[number][place]
        taken = outcome != REFUSED
        self.run(settle_unknown(store, db.ADMIN, message_id, taken=taken, note="found out"))
        self.model.learn(None, [((number, place), outcome)])

    # A dispatcher and a provider

    @precondition(lambda self: self.model.places(QUEUED))
    @rule(pool=POOLS, reading=st.none() | READINGS, outcomes=st.none() | OUTCOMES_OF_A_CALL)
    def submit(self, pool: str, reading: int | None, outcomes: list[str] | None) -> None:
        """Submits all that is queued. A reading may come in between, and answers may come at
        once."""
        self.run(self.installation.all_is_due(pool))
        first_new = len(self.calls)
        for call in self.run(marked(self.installation.pools[pool])):
            places = [self.installation.place_of(message.id) for message in call.messages]
            self.model.mark(len(self.calls), places)
            self.calls.append((call, places))
        assert not self.model.places(QUEUED, by=pool)
        if reading is not None:
            self.sync(pool, reading)
        if outcomes is not None:
            for number in range(first_new, len(self.calls)):
                self._answer(number, outcomes)

    @precondition(lambda self: self.calls)
    @rule(which=st.integers(0, 3), outcomes=OUTCOMES_OF_A_CALL)
    def answer(self, which: int, outcomes: list[str]) -> None:
        """One of the last calls: also twice, late, or when it is not a message's present one."""
        self._answer(len(self.calls) - 1 - which % len(self.calls), outcomes)

    def _answer(self, number: int, outcomes: list[str]) -> None:
        call, places = self.calls[number]
        each = [outcomes[place % len(outcomes)] for place, _ in enumerate(places)]
        by = self.installation.pools[self.model.sends[places[0][0]].by]
        self.run(answered(by, call, *(OUTCOME_OF[outcome] for outcome in each)))
        self.model.learn(number, zip(places, each, strict=True))

    @precondition(lambda self: self.model.places(SUBMITTING))
    @rule()
    def sweep(self) -> None:
        for pool in (POOL, OTHER_POOL):
            self.run(self.installation.leases_pass(pool))
        self.run(sweep(store, Observer()))
        self.model.doubt()

    # What always holds

    @invariant()
    def holdings_are_the_sums_of_transfers_and_versions_have_no_gap(self) -> None:
        for name, (held, version, proven, entries) in self.run(self.installation.nodes()).items():
            assert (name, held) == (name, proven) == (name, self.model.held[name])
            assert (name, version) == (name, entries) == (name, self.model.entries[name])
            assert held >= 0 or name in (POOL, OTHER_POOL)

    @invariant()
    def messages_are_where_they_are(self) -> None:
        assert self.run(self.installation.statuses()) == self.model.statuses()

    @invariant()
    def figures_are_what_they_are_and_no_version_falls(self) -> None:
        for client, group in self.model.group_of.items():
            client_id = self.installation.tenant(client).client_id
            for platform in (PlatformShown.ANY, PlatformShown.OWNED):
                view = BalanceView(client_id=client_id, platform=platform)
                self._check_figures(view, client, group)
        for group in ("g0", "g1"):
            group_id = self.installation.groups[group].id
            view = BalanceView(group_id=group_id, platform=PlatformShown.NONE)
            self._check_figures(view, None, group)

    def _check_figures(self, view: BalanceView, client: str | None, group: str | None) -> None:
        found = self.run(store.read_balances(view))
        if client is not None:
            assert found.account.balance == self.model.held[client]
        if group is not None:
            assert found.group.balance == self.model.group(group)
            assert found.group.unallocated == self.model.held[group]
        if view.platform is PlatformShown.ANY:
            pool = self.model.pool_of.get(client or "", POOL)
            assert found.platform.pool == self.model.balance(pool)
            assert found.platform.remaining == self.model.left(pool)
        assert found.version >= self.seen[view]
        self.seen[view] = found.version

    def teardown(self) -> None:
        self.run(db.assert_audit_holds())


@pytest.mark.timeout(3_600)
def test_the_ledger_is_as_the_model(database_url: str) -> None:
    profile = PROFILES[os.environ.get("IBIKI_STATE_MACHINE", "quick")]
    with asyncio.Runner() as runner:

        class OnThisDatabase(Ledger):
            run = staticmethod(runner.run)

        runner.run(connect(database_url, pool_size=4, application_name="tests"))
        try:
            run_state_machine_as_test(
                OnThisDatabase,
                settings=profile,
            )
        finally:
            runner.run(disconnect())
