"""No socket receives data of another tenant, also if executions are shared."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from domain import ids
from domain.dispatch.cancel import cancel_send
from domain.identity.access import Actor, Role
from domain.ids import Kind, new_id
from domain.inbox.inbound import deliver
from domain.inbox.messages import NewInbound
from domain.ledger.allocate import AllocationRequest, allocate
from domain.live.hub import POLL_SECONDS
from domain.live.subscriptions import NO_USER, Viewpoint
from domain.provider import Accepted, Outcome, Rejected
from persistence import store
from tests import db
from tests.dispatch.parts import answered, marked
from tests.inbox import post
from tests.installations import App
from tests.live.server import WORDS, Client, Server, client

SEED = 20261120
CHANGES = 40
BALANCES = (
    "subscription ($c: ID) { balanceUpdated(clientId: $c) { account { accountId balance } } }",
    """subscription ($c: ID) { balanceUpdated(clientId: $c) {
         account { accountId } group { groupId } platform { pool } version } }""",
)
MESSAGES = (
    "subscription ($s: ID) { messageUpdated(sendId: $s) { id sendId number } }",
    "subscription ($s: ID) { messageUpdated(sendId: $s) { sendId client { id } modem } }",
)
PROGRESS = "subscription ($s: ID!) { sendProgress(sendId: $s) { id charged } }"
INBOUND = "subscription ($i: ID) { inboundMessage(since: $i) { id text conversation { id } } }"
TWO_WAY = (
    "subscription { conversationUpdated { id lastMessage { text } messages { nodes { text } } } }",
    "subscription { webhookReceived { id client { id } inbound { text } } }",
)


@dataclass
class SocketLog:
    """What one socket received, by operation."""

    who: str
    delivered: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def all(self) -> list[Any]:
        """Everything that it received."""
        return [payload.get("data") for _, payload in self.delivered]

    async def listen(self, socket: Client) -> None:
        """Keeps what arrives while the socket is open."""
        while True:
            message = await socket.receive(60)
            if message["type"] == "next":
                self.delivered.append((message["id"], message["payload"]))


def ids_in(delivered: Any) -> set[str]:
    """Every ID and every other word in what was received."""
    if isinstance(delivered, Mapping):
        return set().union(*map(ids_in, delivered.values())) if delivered else set()
    if isinstance(delivered, list):
        return set().union(*map(ids_in, delivered)) if delivered else set()
    return {delivered} if isinstance(delivered, str) else set()


async def test_no_subscriber_receives_what_belongs_to_another(running: Server, people: App) -> None:
    chance = random.Random(SEED)
    tenants = {"owner": people.owner, "sibling": people.sibling, "loner": people.loner}
    sends = {word: await db.accept(tenant, 2) for word, tenant in tenants.items()}
    firsts = {word: await _receive(tenant, word) for word, tenant in tenants.items()}
    async with AsyncExitStack() as stack:
        logs = []
        for who in (*WORDS, *WORDS):
            socket = await stack.enter_async_context(client(running, who))
            await _ask_for_all(socket, chance, tenants, sends, firsts)
            log = SocketLog(who)
            task = asyncio.create_task(log.listen(socket))
            stack.callback(task.cancel)
            logs.append(log)
        for _ in range(CHANGES):
            await _change(chance, people, tenants)
        await _all_quiet(logs)
    own = {word: _known_by(people, word, sends) for word in WORDS}
    everything = set().union(*own.values())
    for log in logs:
        for operation, payload in log.delivered:
            strangers = ids_in(payload.get("data")) & everything - own[log.who]
            assert not strangers, (log.who, operation, payload)
            _check_roles(log.who, payload)
    assert {each.who for each in logs if len(each.delivered) > 5} >= {
        "owner",
        "admin",
        "direct",
    }
    arrived = {each.who: {_text_to(word) for word in tenants} & ids_in(each.all) for each in logs}
    assert arrived["owner"] == {_text_to("owner")}
    assert arrived["supervisor"] == set()


async def _ask_for_all(
    socket: Client,
    chance: random.Random,
    tenants: Mapping[str, Any],
    sends: Mapping[str, Any],
    firsts: Mapping[str, UUID],
) -> None:
    """Subscribes with every document, without an ID, with own IDs and others', in any order."""
    questions: list[tuple[str, dict[str, Any]]] = []
    for word, tenant in tenants.items():
        client_id = ids.encode(Kind.CLIENT, tenant.client_id)
        send_id = ids.encode(Kind.SEND, sends[word].id)
        questions += [(query, {"c": client_id}) for query in BALANCES]
        questions += [(query, {"s": send_id}) for query in (*MESSAGES, PROGRESS)]
        questions.append((INBOUND, {"i": ids.encode(Kind.MESSAGE, firsts[word])}))
    questions += [(query, {}) for query in (*BALANCES, *MESSAGES, INBOUND, *TWO_WAY)]
    chance.shuffle(questions)
    for number, (query, variables) in enumerate(questions):
        await socket.subscribe(query, id=f"{number}", **variables)


def _text_to(word: str) -> str:
    return f"for the {word}"


async def _receive(tenant: db.Tenant, word: str) -> UUID:
    """A message to a tenant, which names the tenant. Returns its ID."""
    one = NewInbound(new_id(), tenant.client_id, post.PHONE, _text_to(word), datetime.now(UTC))
    async with store.transaction() as tx:
        await deliver(store, tx, [one])
    return one.id


async def _change(chance: random.Random, people: App, tenants: Mapping[str, db.Tenant]) -> None:
    word, tenant = chance.choice(list(tenants.items()))
    what = chance.randrange(5)
    if what == 0:
        await db.accept(tenant)
    elif what == 1:
        outcomes: list[Outcome] = [Accepted("ref"), Rejected("no")]
        for call in await marked(people.pool, batch=1):
            await answered(people.pool, call, chance.choice(outcomes))
    elif what == 2:
        await allocate(store, db.ADMIN, AllocationRequest(tenant.client_id, None, 2))
    elif what == 3:
        await _receive(tenant, word)
    else:
        send = await db.accept(tenant, 2)
        await cancel_send(store, tenant.actor, send.id)


async def _all_quiet(logs: list[SocketLog]) -> None:
    """Nothing has been delivered for two intervals of the check for lost hints."""
    arrived = -1
    while (now := sum(len(each.delivered) for each in logs)) != arrived:
        arrived = now
        for _ in range(30):
            await asyncio.sleep(POLL_SECONDS / 10)


def _known_by(people: App, word: str, sends: Mapping[str, Any]) -> set[str]:
    """IDs of the tenants that an actor may see."""
    members = {"owner": people.owner, "sibling": people.sibling, "loner": people.loner}
    balances = {
        "owner": ["owner"],
        "direct": ["owner", "sibling"],
        "sibling": ["sibling"],
        "loner": ["loner"],
        "supervisor": ["owner", "sibling"],
        "other_supervisor": [],
        "admin": list(members),
    }[word]
    writes = {"owner": ["owner"], "direct": ["owner"], "sibling": ["sibling"], "loner": ["loner"]}
    writes["admin"] = list(members)
    groups = {"loner": [], "other_supervisor": [people.other_group], "admin": [people.group]}
    known: set[str] = {ids.encode(Kind.ACCOUNT, members[each].account_id) for each in balances}
    known |= {ids.encode(Kind.SEND, sends[each].id) for each in writes.get(word, [])}
    known |= {_text_to(each) for each in writes.get(word, [])}
    known |= {ids.encode(Kind.GROUP, each.id) for each in groups.get(word, [people.group])}
    if word == "admin":
        known |= {ids.encode(Kind.CLIENT, each.client_id) for each in members.values()}
    return known


def _check_roles(who: str, payload: Mapping[str, Any]) -> None:
    """What only the operator sees is refused to everybody else."""
    for delivered in (payload.get("data") or {}).values():
        if who != "admin" and delivered is not None:
            assert delivered.get("platform") is None
            assert delivered.get("client") is None


@pytest.mark.parametrize("field", ["role", "client_id", "group_id", "client_status", "payer"])
def test_actors_that_see_different_things_have_different_viewpoints(field: str) -> None:
    first = Actor(UUID(int=1), Role.CLIENT, UUID(int=2), UUID(int=3), UUID(int=4), "ACTIVE")
    others: dict[str, Any] = {
        "role": Role.SUPERVISOR,
        "client_id": UUID(int=9),
        "group_id": UUID(int=9),
        "client_status": "SUSPENDED",
        "payer": object(),
    }
    changed = {name: getattr(first, name) for name in first.__slots__} | {field: others[field]}
    assert Viewpoint.of(Actor(**changed)) != Viewpoint.of(first)


def test_a_shared_execution_has_no_user() -> None:
    actor = Actor(UUID(int=1), Role.CLIENT, UUID(int=2), UUID(int=3))
    shared = Viewpoint.of(actor).actor
    assert shared.user_id == shared.credential_id == NO_USER
    assert Viewpoint.of(shared) == Viewpoint.of(actor)


def test_an_actor_has_nothing_that_a_viewpoint_does_not_know() -> None:
    user_s_own = {"user_id", "credential_id", "expires_at"}
    assert set(Actor.__slots__) - user_s_own == set(Viewpoint.__slots__)


async def test_a_refusal_of_one_send_does_not_affect_the_others(
    running: Server, people: App
) -> None:
    send = await db.accept(people.owner)
    variables = {"s": ids.encode(Kind.SEND, send.id)}
    async with client(running, "owner") as owner, client(running, "sibling") as sibling:
        await sibling.subscribe(PROGRESS, **variables)
        assert (await sibling.receive())["type"] == "error"
        await owner.subscribe(PROGRESS, **variables)
        assert (await owner.delivered())["charged"] == 1
        await sibling.subscribe(PROGRESS, id="2", **variables)
        assert (await sibling.receive())["type"] == "error"
