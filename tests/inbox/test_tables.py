"""The constraints of the inbox tables refuse invalid rows."""

from __future__ import annotations

import asyncpg
import pytest

from domain.ids import new_id
from tests import db

pytestmark = pytest.mark.usefixtures("connected")

EVENT = """
INSERT INTO webhook_event (id, provider, key, body, outcome, reason, client_id, due_at)
VALUES (gen_random_uuid(), 'extreme', $2, $3, $4, 'why', CASE WHEN $5 THEN $1::uuid END,
        CASE WHEN $6 THEN now() END)
"""
EVENT_KEY = "INSERT INTO webhook_event_key (key, event_id) VALUES ($1, $1)"
INBOUND = """
INSERT INTO inbound (id, client_id, feed, number, text)
VALUES (gen_random_uuid(), $1, $2, '+12025550143', 'Hi')
"""
CONVERSATION = """
INSERT INTO conversation (id, client_id, number, unread, last_message_id, last_inbound_id, modem)
VALUES (gen_random_uuid(), $1, '+12025550143', $2, gen_random_uuid(), gen_random_uuid(), $3)
"""
ROUTE = """
INSERT INTO modem_route (id, client_id, modem, port, learned)
VALUES (gen_random_uuid(), $1, $2, '7', $3)
"""
OPT_OUT = "INSERT INTO opt_out (client_id, number, source) VALUES ($1, '+12025550143', $2)"

GOOD = [
    (EVENT, b"1", b"{}", "UNROUTED", False, True),
    (EVENT, b"2", b"{}", "ROUTED", True, False),
    (EVENT, None, b"", "REFUSED", False, False),
    (INBOUND, 1),
    (CONVERSATION, 0, None),
    (ROUTE, "good", False),
    (OPT_OUT, "KEYWORD"),
]
BAD = [
    ("an unknown outcome", EVENT, None, b"", "LOST", False, False),
    ("routed without a client", EVENT, None, b"", "ROUTED", False, False),
    ("a client, but not routed", EVENT, None, b"", "UNROUTED", True, False),
    ("routed, and still due", EVENT, None, b"", "ROUTED", True, True),
    ("refused, with content", EVENT, None, b"{}", "REFUSED", False, False),
    ("larger than 64 KiB", EVENT, None, bytes(65_537), "INVALID", False, False),
    ("a feed number below 1", INBOUND, 0),
    ("a negative unread count", CONVERSATION, -1, None),
    ("half a line", CONVERSATION, 0, "m1"),
    ("an opt-out with an unknown source", OPT_OUT, "WHIM"),
]
TWICE = [
    ("a key of events", (EVENT_KEY,)),
    ("a number of a client's feed", (INBOUND, 7)),
    ("a conversation of one number", (CONVERSATION, 0, None)),
    ("a line of one client", (ROUTE, "twice", True)),
    ("an opt-out of one number", (OPT_OUT, "BLOCKED")),
]


@pytest.fixture
async def client_id(connected: None) -> object:
    """A client."""
    pool = await db.add_pool(default=False)
    return (await db.add_client(pool, held=0)).client_id


@pytest.mark.parametrize(("statement", "values"), [(each[0], each[1:]) for each in GOOD])
async def test_valid_rows_are_stored(
    client_id: object, statement: str, values: tuple[object, ...]
) -> None:
    await db.execute(statement, client_id, *values)


@pytest.mark.parametrize(
    ("statement", "values"), [pytest.param(each[1], each[2:], id=str(each[0])) for each in BAD]
)
async def test_invalid_rows_are_refused(
    client_id: object, statement: str, values: tuple[object, ...]
) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await db.execute(statement, client_id, *values)


@pytest.mark.parametrize("row", [pytest.param(each[1], id=each[0]) for each in TWICE])
async def test_rows_are_unique(client_id: object, row: tuple[str, object]) -> None:
    statement, *values = row
    await db.execute(statement, client_id, *values)
    with pytest.raises(asyncpg.UniqueViolationError):
        await db.execute(statement, client_id, *values)


async def test_a_line_is_assigned_by_hand_to_one_client_only(client_id: object) -> None:
    other = await db.add_client(await db.add_pool(default=False), held=0)
    await db.execute(ROUTE, client_id, "shared", False)
    await db.execute(ROUTE, other.client_id, "shared", True)
    third = await db.add_client(other.pool, held=0)
    with pytest.raises(asyncpg.UniqueViolationError):
        await db.execute(ROUTE, third.client_id, "shared", False)


async def test_numbers_that_came_with_a_route_go_with_it(client_id: object) -> None:
    route_id = new_id()
    await db.execute(
        "INSERT INTO modem_route (id, client_id, modem, port, learned)"
        " VALUES ($1, $2, 'gone', '1', false)",
        route_id,
        client_id,
    )
    await db.execute(
        "INSERT INTO assigned_number (number, client_id, route_id) VALUES ('+12025550111', $1, $2)",
        client_id,
        route_id,
    )
    await db.execute("DELETE FROM modem_route WHERE id = $1", route_id)
    assert await db.fetch("SELECT FROM assigned_number WHERE number = '+12025550111'") == []
