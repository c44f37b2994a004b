"""Each role gets from every field what the table in `rows` says, and no more.

Made from the schema: a field without a row fails, and an ID argument that no row uses. An
ID of another tenant is answered byte for byte like one that does not exist, and a mutation that is
refused leaves no trace.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Mapping
from typing import Any
from uuid import UUID

import orjson
import pytest
from graphql import GraphQLObjectType

from domain import ids
from domain.dispatch.cancel import cancel_send
from domain.errors import InvalidText
from domain.identity.access import Actor, Everything, require
from domain.ledger.balances import BalanceView
from persistence.inbox import messages as inbox
from persistence.pages import Filter
from persistence.sending import archive, messages
from resolvers import context
from resolvers.ledger import ledger
from tests import databases, db
from tests.installations import ENGINE
from tests.matrix.documents import document_for, fields_of_matrix, ids_of
from tests.matrix.row import DATA, EMPTY, FORBIDDEN, NOT_FOUND, NULL, UNAUTHENTICATED, Row, Thing
from tests.matrix.rows import ROWS
from tests.matrix.scenario import ROLES, Scenario, fingerprint, scenario

SCHEMA = ENGINE.schema
NOTHING = {NULL, EMPTY, NOT_FOUND}
UNKNOWN = UUID(int=404)


@pytest.fixture(scope="module")
async def settled(database_template: Any) -> AsyncIterator[Scenario]:
    """The scenario, once for all tests of this module."""
    async with databases.fresh_copy(database_template) as url, scenario(url) as settled:
        yield settled


@pytest.mark.parametrize("name", ROWS)
async def test_each_role_gets_what_the_table_says(settled: Scenario, name: str) -> None:
    found = [what for row in ROWS[name] async for what in differences(settled, name, row)]
    assert not found, "\n".join([f"{name}, called by each role:", *found])


async def test_the_audit_holds_after_all_fields_were_requested(settled: Scenario) -> None:
    await db.assert_audit_holds()


def test_every_field_has_a_row() -> None:
    assert missing_rows(ROWS) == []


def test_every_row_is_of_a_field() -> None:
    assert set(ROWS) - set(fields_of_matrix(SCHEMA)) == set(), "no such field: remove the row"


def test_every_id_that_a_field_takes_is_asked_with() -> None:
    assert [what for name in ROWS for what in missing_ids(name, ROWS[name])] == []


def test_a_field_without_a_row_is_noticed() -> None:
    rows = {name: rows for name, rows in ROWS.items() if name != "Mutation.cancelSend"}
    [missing] = missing_rows(rows)
    assert missing.startswith("Mutation.cancelSend has no row: add one to tests/matrix/rows.py")


def test_an_id_without_a_row_is_noticed() -> None:
    [missing] = missing_ids("Query.balances", ROWS["Query.balances"][:1])
    assert missing.startswith("Query.balances takes an id (clientId) that no row asks with")


def lets_everybody_see(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "rows_within", lambda scope: Filter())
    monkeypatch.setattr(archive, "within", lambda scope, query: query)
    monkeypatch.setattr(inbox, "rows_within", lambda scope: Filter())


def forgets_the_role(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "require", lambda actor, *roles: require(actor))


def believes_the_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "view_of", lambda actor, id=None: BalanceView(client_id=id))


def says_whose_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    async def call_back(store: Any, actor: Actor, send_id: UUID) -> None:
        await store.find_cancellable(Everything(), send_id)
        if actor.client_id != (await store.find_send(Everything(), send_id)).client_id:
            raise InvalidText("This one is somebody else's.")

    monkeypatch.setattr("resolvers.sending.sending.cancelling.cancel_send", call_back)


def does_it_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused_too_late(store: Any, actor: Actor, send_id: UUID) -> None:
        await cancel_send(store, db.ADMIN, send_id)
        await cancel_send(store, actor, send_id)

    monkeypatch.setattr("resolvers.sending.sending.cancelling.cancel_send", refused_too_late)


@pytest.mark.parametrize(
    ("weaken", "name", "expected"),
    [
        (lets_everybody_see, "Query.send", "sibling got “owner” where the row says “null”"),
        (lets_everybody_see, "Query.messages", "owner got “owner sibling stranger” where"),
        (forgets_the_role, "Query.clients", "owner got “"),
        (forgets_the_role, "Message.port", "owner got “null” where the row says “FORBIDDEN”"),
        (believes_the_id, "Query.balances", "sibling got “group owner pool” where"),
        (says_whose_it_is_not, "Mutation.cancelSend", "sibling can tell .input.sendId from snd_"),
        (does_it_all_the_same, "Mutation.cancelSend", "sibling was refused, and something"),
    ],
)
async def test_a_weak_resolver_is_noticed(
    settled: Scenario, monkeypatch: pytest.MonkeyPatch, weaken: Any, name: str, expected: str
) -> None:
    weaken(monkeypatch)
    found = [what for row in ROWS[name] async for what in differences(settled, name, row)]
    assert [what for what in found if what.startswith(expected)], found


def missing_rows(rows: Collection[str]) -> list[str]:
    """The rows to add for fields without one."""
    return [
        f"{name} has no row: add one to tests/matrix/rows.py that says what each of"
        f" {', '.join(ROLES)} gets"
        for name in fields_of_matrix(SCHEMA)
        if name not in rows
    ]


def missing_ids(name: str, rows: Collection[Row]) -> list[str]:
    """The rows to add for IDs that a field takes and no row uses."""
    requested = {path[1:] for row in rows for path, thing in things_in(row.given) if thing.kind}
    taken = ids_of(field_of(name))
    return [
        f"{name} takes an id ({path}) that no row asks with: add one with a Thing in its place"
        for path in sorted(taken - requested)
    ]


async def differences(scenario: Scenario, name: str, row: Row) -> AsyncIterator[str]:
    """The differences between the answers and the row."""
    for who in ROLES:
        expected = getattr(row, who)
        variables = await filled(scenario, row.given)
        if row.first is not None:
            await row.first(scenario)
        before = await fingerprint()
        answer = await scenario.ask(who, document_of(name, row), variables)
        got = await word_for(scenario, answer)
        if set(got.split()) != set(expected.split()):
            yield f"{who} got “{got}” where the row says “{expected}”: {answer[:600]!r}"
        if name.startswith("Mutation.") and is_refusal(got) and await fingerprint() != before:
            yield f"{who} was refused, and something changed anyway"
        if row.through is None:
            async for what in distinguished(scenario, name, row, who, answer):
                yield what


async def distinguished(
    scenario: Scenario, name: str, row: Row, who: str, answer: bytes
) -> AsyncIterator[str]:
    """The cases in which an actor can find out that an ID of another tenant exists."""
    got = await word_for(scenario, answer)
    for path, thing in things_in(row.given):
        if thing.kind is None:
            continue
        for wrong in (ids.encode(thing.kind, UNKNOWN), "nonsense"):
            variables = await filled(scenario, row.given, (path, wrong))
            other = await scenario.ask(who, document_of(name, row), variables)
            word = await word_for(scenario, other)
            is_like_it = other == answer if wrong != "nonsense" else word == got
            if is_refusal(got) and not is_like_it:
                yield f"{who} can tell {path} from {wrong}: {answer[:300]!r} and {other[:300]!r}"
            if not is_refusal(got) and not is_refusal(word):
                yield f"{who} got something for {path}: {wrong}: {other[:300]!r}"


async def word_for(scenario: Scenario, answer: bytes) -> str:
    """The cell for an answer."""
    bodies = [orjson.loads(line) for line in answer.splitlines()]
    codes = {code_of(error) for body in bodies for error in body.get("errors", ())}
    if codes:
        return " ".join(sorted(codes))
    seen = " ".join(sorted(await scenario.seen_in(answer)))
    values = [value for body in bodies for value in body["data"].values()]
    return next(filter(None, map(refusal_in, values)), None) or seen or nothing_in(values) or DATA


def code_of(error: dict[str, Any]) -> str:
    """The code of a refusal that is not a member of a union. NotFound is known by its message."""
    code: str = error["extensions"]["code"]
    return NOT_FOUND if error["message"].startswith("No such ") else code


def refusal_in(value: Any) -> str | None:
    """The member of the union, if the answer is a refusal."""
    name = value.get("__typename") if isinstance(value, dict) else None
    type_ = SCHEMA.type_map.get(name or "")
    interfaces = type_.interfaces if isinstance(type_, GraphQLObjectType) else ()
    is_error = "UserError" in [each.name for each in interfaces]
    return name if is_error else None


def nothing_in(values: list[Any]) -> str | None:
    """NULL or EMPTY, if the answer is one of them."""
    if not values:
        return EMPTY
    value = values[0]
    if isinstance(value, dict) and len(value) == 1:
        [value] = value.values()  # the one field below
    entries = value.get("nodes") if isinstance(value, dict) else value
    return NULL if value is None else EMPTY if entries == [] else None


def is_refusal(cell: str) -> bool:
    """Whether the answer is a refusal."""
    return cell in NOTHING or cell in {FORBIDDEN, UNAUTHENTICATED} or cell in SCHEMA.type_map


def document_of(name: str, row: Row) -> str:
    """The request of a row."""
    if row.through is None:
        return document_for(SCHEMA, name, row.given)
    return document_for(SCHEMA, row.through, row.given, only=name.split(".")[1])


async def filled(
    scenario: Scenario, given: Any, wrong: tuple[str, str] = ("", ""), path: str = ""
) -> Any:
    """The arguments with the things found. `wrong`: the path and the value of one to replace."""
    if isinstance(given, Mapping):
        return {
            name: await filled(scenario, each, wrong, f"{path}.{name}")
            for name, each in given.items()
        }
    if not isinstance(given, Thing):
        return given
    if path == wrong[0]:
        return wrong[1]
    found = await given.find(scenario)
    return ids.encode(given.kind, found) if given.kind and isinstance(found, UUID) else found


def things_in(given: Any, path: str = "") -> Iterator[tuple[str, Thing]]:
    """The things among arguments, each with its path, such as .input.clientId."""
    if isinstance(given, Thing):
        yield path, given
    elif isinstance(given, Mapping):
        for name, each in given.items():
            yield from things_in(each, f"{path}.{name}")


def field_of(name: str) -> Any:
    """The field of the schema, by its name in the table."""
    type_name, field = name.split(".")
    type_ = SCHEMA.type_map[type_name]
    assert isinstance(type_, GraphQLObjectType)
    return type_.fields[field]
