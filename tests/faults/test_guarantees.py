"""The checks of the guarantees find violations: each guarantee is broken here once."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from domain import ids
from domain.ids import Kind
from domain.sending.messages import NewSend
from tests import db
from tests.faults.guarantees import Guarantees
from tests.faults.load import Accepted, Answer, Clients, Load, LoadRules, MadeRequest, TooFewUnits
from tests.faults.people import ASSIGN
from tests.faults.phones import Phones
from tests.faults.simulated_provider import SimulatedProvider
from tests.inbox.post import OUR_NUMBER, inbound, received

NOBODY = Clients([], [], [], "")

Break = Callable[["Setup"], Awaitable[None]]


class ScriptedProvider(SimulatedProvider):
    """The provider's log, with the calls that a test adds."""

    def __init__(self) -> None:
        super().__init__("")
        self.log: list[dict[str, Any]] = []

    def call(self, *numbers: str, behaviour: str = "ok", took: bool = True) -> None:
        """Adds one call."""
        messages = [{"recipient": number, "took": took} for number in numbers]
        entry = {"seq": len(self.log) + 1, "behaviour": behaviour, "messages": messages}
        self.log.append(entry)

    async def _get(self, what: str) -> Any:
        return self.log[int(what.rpartition("=")[2]) :]


class ScriptedClients(Load):
    """Requests that were answered already. A repeated one gets the answer that a test sets."""

    again: dict[str, Answer | None]

    def __init__(self) -> None:
        load_rules = LoadRules(requests_per_second=1.0, patience_seconds=1.0)
        super().__init__([], NOBODY, load_rules, seed=1)
        self.again = {}

    async def ask_again(self, request: MadeRequest) -> Answer | None:
        return self.again.get(request.key or "", request.answer)


@dataclass
class Setup:
    """One send of two messages that was acknowledged, submitted, and accepted by the provider."""

    send: NewSend
    load: ScriptedClients = field(default_factory=ScriptedClients)
    provider: ScriptedProvider = field(default_factory=ScriptedProvider)

    @property
    def guarantees(self) -> Guarantees:
        """The checks."""
        return Guarantees(self.load, self.provider, lease_seconds=1.0, seed=1)

    def acknowledge(self, answer: Answer | None = None) -> MadeRequest:
        """Adds an answer that a client got."""
        taken = Accepted(ids.encode(Kind.SEND, self.send.id), 2, 2)
        request = MadeRequest(
            "key", self.send.numbers, uuid4().hex, time.monotonic(), answer or taken
        )
        self.load.requests.append(request)
        return request


@pytest.fixture
async def setup(database_url: str) -> AsyncIterator[Setup]:
    async with db.connected(database_url):
        client = await db.add_client(await db.add_pool(held=100))
        made = Setup(await db.accept(client, 2))
        await db.execute("UPDATE message SET status = 'SENT', attempt_id = gen_random_uuid()")
        made.acknowledge()
        made.provider.call(*made.send.numbers)
        yield made


async def test_nothing_is_reported_if_nothing_is_broken(setup: Setup) -> None:
    assert await setup.guarantees.broken() == []
    assert await setup.guarantees.stuck() == []


async def send_vanishes(setup: Setup) -> None:
    await db.execute("DELETE FROM message")
    await db.execute("DELETE FROM send")


async def accepted_twice(setup: Setup) -> None:
    await db.execute("UPDATE message SET number = $1", setup.send.numbers[0])


async def refused_and_accepted(setup: Setup) -> None:
    setup.load.requests.clear()
    setup.acknowledge(TooFewUnits(2, 1))


async def answered_differently(setup: Setup) -> None:
    request = setup.acknowledge()
    setup.load.again[request.key or ""] = TooFewUnits(2, 1)


async def accepted_by_the_provider_twice(setup: Setup) -> None:
    setup.provider.call(setup.send.numbers[0])


async def submitted_again_after_an_unknown_outcome(setup: Setup) -> None:
    setup.provider.log.clear()
    setup.provider.call(*setup.send.numbers, behaviour="reset_before", took=False)
    setup.provider.call(*setup.send.numbers)


async def accepted_by_the_provider_and_not_charged(setup: Setup) -> None:
    setup.provider.call("+12025550199")


async def accepted_by_the_provider_and_refunded(setup: Setup) -> None:
    await db.execute("UPDATE message SET status = 'REJECTED'")


async def sent_and_not_accepted_by_the_provider(setup: Setup) -> None:
    setup.provider.log.clear()


@pytest.mark.parametrize(
    ("breaks", "words"),
    [
        (send_vanishes, "acknowledged, and not stored as acknowledged"),
        (accepted_twice, "accepted twice"),
        (refused_and_accepted, "refused because of the balance, and accepted nevertheless"),
        (answered_differently, "answered twice, with different answers"),
        (accepted_by_the_provider_twice, "accepted by the provider more than once"),
        (
            submitted_again_after_an_unknown_outcome,
            "submitted again after a call with an unknown outcome",
        ),
        (accepted_by_the_provider_and_not_charged, "accepted by the provider and not charged"),
        (accepted_by_the_provider_and_refunded, "accepted by the provider and refunded"),
        (sent_and_not_accepted_by_the_provider, "SENT and not accepted by the provider"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
async def test_each_broken_guarantee_is_reported(setup: Setup, breaks: Break, words: str) -> None:
    await breaks(setup)
    assert any(words in each for each in await setup.guarantees.broken())


async def test_a_balance_that_does_not_fit_its_transfers_is_reported(setup: Setup) -> None:
    await db.execute(
        "UPDATE account SET held = held - 1 WHERE id = $1", setup.send.payer.account_id
    )
    assert any(each.startswith("ledger:") for each in await setup.guarantees.broken())


@pytest.mark.parametrize(
    ("left", "words"),
    [
        ("status = 'QUEUED', due_at = now() - interval '1 min'", "QUEUED and due"),
        ("status = 'QUEUED', due_at = now() + interval '1 min'", "never tried and not due yet"),
    ],
)
async def test_a_stuck_message_is_found(setup: Setup, left: str, words: str) -> None:
    await db.execute(f"UPDATE message SET attempts = 0, {left}")
    assert any(words in each for each in await setup.guarantees.stuck())


async def test_a_lost_inbound_message_is_found(setup: Setup) -> None:
    phones = Phones([], NOBODY, patience_seconds=1.0, seed=1)
    client_id = setup.send.payer.client_id
    await db.execute(ASSIGN, OUR_NUMBER, client_id)
    phones.note("Hello", client_id)
    assert await phones.missing(phones.unseen) == ["Hello"]
    await received(inbound("Hello", receiver=OUR_NUMBER))
    assert await phones.missing(phones.unseen) == []
    assert await phones.broken() == []


@pytest.mark.parametrize(
    ("breaks", "words"),
    [
        ("UPDATE inbound SET feed = 3 WHERE feed = 2", "has gaps"),
        ("UPDATE inbound SET client_id = gen_random_uuid() WHERE feed = 2", "wrong client"),
        ("UPDATE inbound SET text = 'Hello'", "2 times"),
    ],
)
async def test_a_wrongly_received_message_is_found(setup: Setup, breaks: str, words: str) -> None:
    phones = Phones([], NOBODY, patience_seconds=1.0, seed=1)
    client_id = setup.send.payer.client_id
    await db.execute(ASSIGN, OUR_NUMBER, client_id)
    for text in ("Hello", "Goodbye"):
        phones.note(text, client_id)
        await received(inbound(text, receiver=OUR_NUMBER))
    await db.execute(breaks)
    assert any(words in each for each in await phones.broken())


async def test_a_pool_that_differs_from_the_provider_is_reported(setup: Setup) -> None:
    (row,) = await db.fetch("SELECT sum(held)::int8 AS held FROM account")
    for figure, differs in ((row["held"], False), (row["held"] + 1, True)):
        setup.provider.balance = Figure(figure)  # type: ignore[method-assign]
        assert bool(await setup.guarantees.figures_differ()) is differs


@dataclass
class Figure:
    """A balance of the provider that a test sets."""

    units: int

    async def __call__(self) -> int:
        return self.units
