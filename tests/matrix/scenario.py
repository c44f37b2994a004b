"""The data of the access tests: users with credentials, their objects, and the owner of each ID.

It is written once for all tests of the matrix, with the app of `tests.installations`.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from domain import ids
from domain.identity.access import Actor, Role
from domain.identity.api_keys import create_api_key
from domain.ids import new_id
from domain.ledger.reconcile import new_reconciliation, reconcile
from domain.live.subscriptions import FeedWatch, StateWatch, Viewpoint, Watch
from persistence import store
from resolvers.context import Context
from schema.engine import NotExecuted, Operation
from tests import db, people
from tests.installations import ENGINE, App, running_app

ROLES = ("owner", "sibling", "supervisor", "other_supervisor", "direct", "admin", "nobody")
PLACES = ("owner", "sibling", "stranger", "group", "other_group", "pool")

READING = "987654321"
"""The balance that the provider reports. A role that sees it can see the pool."""

_ID = re.compile(rb'"[a-z]{3}_([0-9a-z]{26})"')


@dataclass(slots=True)
class Scenario:
    """The app, its tenants and its users. `whose`: the role or place that owns each ID."""

    app: App
    stranger: db.Tenant
    users: dict[str, UUID] = field(default_factory=dict)
    actors: dict[str, Actor | None] = field(default_factory=dict)
    whose: dict[str, str] = field(default_factory=dict)

    async def ask(self, who: str, document: str, variables: dict[str, Any]) -> bytes:
        """The complete response as JSON. For a subscription: its first events."""
        operation = ENGINE.find(document)
        if operation.kind == "subscription":
            results = await self._subscribe(self.actors[who], operation, variables)
        else:
            results = [await self._execute(self.actors[who], operation, variables)]
        return b"\n".join(orjson.dumps(each) for each in results)

    async def seen_in(self, answer: bytes) -> set[str]:
        """The owners of all objects in an answer."""
        shown = self.ids_in(answer)
        if not shown <= self.whose.keys():
            self.whose = await self._read_whose()
        seen = {self.whose[each] for each in shown if each in self.whose}
        return seen | {place for word, place in self._marks().items() if word in answer}

    def ids_in(self, answer: bytes) -> set[str]:
        """The IDs in an answer, without their prefixes."""
        return {match.decode() for match in _ID.findall(answer)}

    def tenants(self) -> dict[str, db.Tenant]:
        """The three tenants that send, by place."""
        app = self.app
        return {"owner": app.owner, "sibling": app.sibling, "stranger": self.stranger}

    async def _execute(
        self, actor: Actor | None, operation: Operation, variables: Any, event: object = None
    ) -> dict[str, Any]:
        context = Context(self.app.installation, actor, address="127.0.0.1", request_id="req-1")
        return (await ENGINE.execute(operation, variables, context, event)).body

    async def _subscribe(
        self, actor: Actor | None, operation: Operation, variables: dict[str, Any]
    ) -> list[dict[str, Any]]:
        context = Context(self.app.installation, actor, address="127.0.0.1", request_id="req-1")
        try:
            watch = await ENGINE.watch(operation, variables, context)
            events = await self._first_events(watch)
        except NotExecuted as rejected:
            return [ENGINE.rejection(rejected.errors, "req-1").body]
        except Exception as failure:  # noqa: BLE001 - reported as on a WebSocket
            return [ENGINE.failure(failure, "req-1").body]
        assert actor is not None
        shared = Viewpoint.of(actor).actor
        return [await self._execute(shared, operation, variables, event) for event in events]

    async def _first_events(self, watch: Watch) -> Sequence[Any]:
        """What a new subscriber receives first."""
        if isinstance(watch, StateWatch):
            return [await watch.read()]
        if isinstance(watch, FeedWatch):
            return await watch.read(watch.after, 100)
        ids = await watch.read_first(60.0)
        found = await self.app.installation.store.find_changes([watch.scope], watch.kind, ids)
        return [change.item for change in found]

    def _marks(self) -> dict[bytes, str]:
        names = {"owner": "Acme", "sibling": "Bits", "stranger": "Dorp", "other_group": "Others"}
        names["group"] = "MG888"
        marks = {f'"{name}"': place for place, name in names.items()}
        marks |= {f'"{word_of(place)}"': place for place in self.tenants()}
        marks |= {f'"{number_of(place)}"': place for place in self.tenants()}
        marks |= {f'"{email_of(who)}"': who for who in self.users}
        marks[f'"{READING}"'] = "pool"
        return {mark.encode(): place for mark, place in marks.items()}

    async def _read_whose(self) -> dict[str, str]:
        app = self.app
        nodes = {app.group.id: "group", app.other_group.id: "other_group"}
        nodes |= {app.group.account_id: "group", app.other_group.account_id: "other_group"}
        nodes |= {app.pool.id: "pool", app.pool.account_id: "pool"}
        for place, tenant in self.tenants().items():
            nodes |= {tenant.client_id: place, tenant.account_id: place}
        found = {user_id: who for who, user_id in self.users.items()} | nodes
        for row in await db.fetch(await _query_of_owners()):
            if row["of"] in nodes:
                found[row["id"]] = nodes[row["of"]]
            elif row["of"] in self.users.values():
                found[row["id"]] = found[row["of"]]
        return {ids.to_base32(id): place for id, place in found.items()}


def word_of(place: str) -> str:
    """The text of a tenant's messages, and the name of its keys and contacts."""
    return f"{place} writes"


def number_of(place: str) -> str:
    """The number that a tenant sends to."""
    return f"+1202555018{PLACES.index(place)}"


def email_of(who: str) -> str:
    """The email address of a user."""
    return f"{who}@ibiki.test"


@asynccontextmanager
async def scenario(url: str) -> AsyncIterator[Scenario]:
    """The scenario, in a separate database."""
    async with running_app(url) as app:
        stranger = await db.add_client(app.pool, group=app.other_group, held=30, name="Dorp")
        made = Scenario(app, stranger)
        await _add_people_and_objects(made)
        await reconcile(store, await new_reconciliation(store, dry_run=True))
        yield made


async def fingerprint() -> str:
    """A summary of the database. It differs after any change."""
    tables = await db.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    each = " UNION ALL ".join(
        f"SELECT '{row['tablename']}' || count(*) || coalesce(sum(hashtextextended(t::text, 0)), 0)"
        f" AS summary FROM {row['tablename']} AS t"
        for row in tables
    )
    return " ".join(sorted(row["summary"] for row in await db.fetch(each)))


async def new_in_doubt(tenant: db.Tenant, text: str) -> UUID:
    """Adds an UNKNOWN message of the tenant. Returns its ID."""
    requested, attempt_id = await db.accept(tenant, text=text), new_id()
    await db.execute(
        "INSERT INTO attempt (id, provider_account_id, dispatcher_id, epoch, messages, started_at,"
        " lease_until, ended_at, outcome)"
        " SELECT $1, id, $1, epoch, 1, now(), now(), now(), 'UNKNOWN' FROM provider_account"
        " WHERE id = $2",
        attempt_id,
        tenant.pool.id,
    )
    [row] = await db.fetch("SELECT id FROM message WHERE send_id = $1", requested.id)
    await db.execute(
        "UPDATE message SET status = 'UNKNOWN', attempt_id = $1, attempts = 1, updated_at = now()"
        " WHERE id = $2",
        attempt_id,
        row["id"],
    )
    found: UUID = row["id"]
    return found


async def _add_people_and_objects(made: Scenario) -> None:
    """Adds a user, a session and a key for each role, and objects of each kind for every tenant."""
    app = made.app
    await _add_people(made)
    nodes = [each.account_id for each in (app.group, app.other_group)]
    for account_id in [*nodes, *(each.account_id for each in made.tenants().values())]:
        await db.open_with(account_id, 5_000)
    for place, tenant in made.tenants().items():
        await db.accept(tenant, numbers=[number_of(place)], text=word_of(place))
        await db.execute(
            "INSERT INTO contact (id, client_id, number, name) VALUES ($1, $2, $3, $4)",
            new_id(),
            tenant.client_id,
            number_of(place),
            word_of(place),
        )
    await db.execute(
        "UPDATE provider_account SET reading_raw = $1, read_at = now() WHERE id = $2",
        READING,
        app.pool.id,
    )
    app.upstream.balance_word = READING


async def _add_people(made: Scenario) -> None:
    app, tenants = made.app, made.tenants()
    for who, place in (("owner", "owner"), ("sibling", "sibling"), ("stranger", "stranger")):
        await _add_person(made, who, Role.CLIENT, client_id=tenants[place].client_id)
    await _add_person(made, "supervisor", Role.SUPERVISOR, group_id=app.group.id)
    await _add_person(made, "other_supervisor", Role.SUPERVISOR, group_id=app.other_group.id)
    await _add_person(
        made, "direct", Role.SUPERVISOR, group_id=app.group.id, client_id=app.owner.client_id
    )
    await _add_person(made, "admin", Role.ADMIN)
    made.actors["nobody"] = None


async def _add_person(made: Scenario, who: str, role: Role, **places: UUID) -> None:
    user = await people.add_user(email_of(who), role, **places)
    # Creating a key does not check the role. Requests use a session: it may do more than a key.
    await create_api_key(store, Actor(user.id, role, credential_id=user.id), name=word_of(who))
    installation = made.app.installation
    session = await installation.sessions.sign_in(
        user.email, people.PASSWORD, address=people.ADDRESS
    )
    made.users[who] = user.id
    made.actors[who] = await installation.actors.actor_for(session.access_token)


async def _query_of_owners() -> str:
    """SQL for the ID and owner of every object. Tables of later migrations are included."""
    tables = await db.fetch(
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public'"
        " AND column_name IN ('id', 'client_id') AND table_name <> 'app_user'"
        " GROUP BY table_name HAVING count(*) = 2"
    )
    owned = [f"SELECT id, client_id AS of FROM {row['table_name']}" for row in tables]
    credentials = ["SELECT id, user_id FROM api_key", "SELECT id, user_id FROM session"]
    # A transfer between two accounts has no single owner: both may see it.
    transfers = (
        "SELECT id, coalesce(source_id, destination_id) FROM transfer"
        " WHERE source_id IS NULL OR destination_id IS NULL"
    )
    return " UNION ALL ".join([*owned, *credentials, transfers])
