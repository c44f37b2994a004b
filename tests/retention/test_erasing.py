"""What is stored about one person is dropped, and the ledger stays proven."""

from __future__ import annotations

import json
from urllib.parse import quote, urlencode

from domain.dispatch.cancel import cancel_send
from domain.inbox.capture import capture_contacts
from domain.retention.retention import RowKind
from domain.retention.rules import Clients
from ibiki.retention import erase
from persistence import store
from persistence.retention.spelling import in_body
from tests import db
from tests.inbox import post
from tests.inbox.post import PHONE
from tests.retention.old import Old, assert_proven

JOB = """
INSERT INTO send_job (send_id, client_id, provider_account_id, upload_id, price, unwritten, plan,
                      accepted_rows)
SELECT id, client_id, provider_account_id, id, price, 4, '{}', '' FROM send WHERE id = $1
"""


async def erased(clients: Clients, *, dry_run: bool = False) -> dict[RowKind, tuple[int, int]]:
    """For each table with rows about PHONE: how many are erased, and how many wait."""
    found: dict[RowKind, tuple[int, int]] = {}
    async for kind, step in erase(store, PHONE, clients, dry_run=dry_run, rest=0):
        gone, waiting = found.get(kind, (0, 0))
        count = sum(each.rows for each in step.found)
        found[kind] = gone + count, waiting + step.waiting
    return found


async def test_a_person_is_erased_and_the_ledger_is_proven(old: Old) -> None:
    owner, sibling = old.app.owner.client_id, old.app.sibling.client_id
    other = await db.accept(old.app.sibling, numbers=[PHONE], text="To the same person")
    waits = await db.accept(old.app.owner, numbers=[PHONE], text="Waits")
    await capture_contacts(store)
    await db.opt_out(owner, PHONE, source="KEYWORD")
    rejected = [[PHONE[1:], 0, "OPTED_OUT", ""], ["12", 1, "INVALID", ""]]
    await db.execute("UPDATE send SET rejected = $1 WHERE id = $2", json.dumps(rejected), old.bulk)
    await post.stored({"messageId": "ref", "status": "delivered", "recipient": PHONE[1:]})
    await post.receive_all()
    own = Clients(only=frozenset({owner}))
    planned = await erased(own, dry_run=True)
    assert await erased(own) == planned
    assert planned == {
        RowKind.MESSAGES: (1, 1),
        RowKind.INBOUND: (1, 0),
        RowKind.CONVERSATIONS: (0, 0),
        RowKind.CONTACTS: (1, 0),
        RowKind.SENDS: (1, 0),
        RowKind.MESSAGE_TEXTS: (0, 0),
        RowKind.INBOUND_TEXTS: (0, 0),
        RowKind.EVENT_BODIES: (2, 0),
    }
    assert await erased(own) == {kind: (0, n) for kind, (_, n) in planned.items()}
    await assert_proven()
    [bulk] = await db.fetch("SELECT rejected FROM send WHERE id = $1", old.bulk)
    assert json.loads(bulk["rejected"]) == rejected[1:]
    assert await db.fetch("SELECT FROM opt_out WHERE number = $1", PHONE)
    assert await db.fetch("SELECT FROM contact WHERE client_id = $1", sibling)
    await cancel_send(store, old.app.owner.actor, waits.id)
    await cancel_send(store, old.app.sibling.actor, other.id)
    just_now = await db.accept(old.app.sibling, numbers=[PHONE], text="Waits")
    await cancel_send(store, old.app.sibling.actor, just_now.id)
    await db.execute(
        "INSERT INTO conversation_line (number, modem, port, client_id, last_active_id)"
        " VALUES ($1, 'of a contact', 'that was deleted', $2, $3)",
        PHONE,
        owner,
        old.single,
    )
    await erased(Clients())
    for table in ("message", "sent_to", "inbound", "conversation", "conversation_line", "contact"):
        left = await db.fetch(f"SELECT FROM {table} WHERE number = $1", PHONE)
        assert left == [], table
    sent = ("To the same person", "One text", "Waits", "Good morning")
    assert await db.fetch("SELECT FROM send WHERE text = ANY($1)", sent) == []
    digits = PHONE[2:].encode()
    assert await db.fetch("SELECT FROM webhook_event WHERE position($1 IN body) > 0", digits) == []
    await assert_proven()


async def test_a_file_that_is_not_written_yet_waits(old: Old) -> None:
    """It may still write a message to the person, from rows that nobody can search."""
    assert (await erased(Clients()))[RowKind.SENDS] == (0, 0)
    await db.execute(JOB, old.bulk)
    assert (await erased(Clients()))[RowKind.SENDS] == (0, 1)
    await db.execute("DELETE FROM send_job WHERE send_id = $1", old.bulk)


SPELLINGS = (
    "+12025550143",
    "1 202 555 0143",
    "(202) 555-0143",
    "202.555.0143",
    "011 1 202-555\u201101\u00a043",
    "\uff12\uff10\uff12 555 0143",
)


async def test_texts_of_others_stay_without_the_number(old: Old) -> None:
    texts = [f"Ask Ann, {each}, not 2025550144." for each in SPELLINGS]
    await db.accept(old.app.sibling, len(texts), texts=texts)
    await db.accept(old.app.sibling, 2, text=f"All: {SPELLINGS[2]}; 9{PHONE[2:]} is longer.")
    await post.submitted(old.app.pool, "others")
    waits = await db.accept(old.app.sibling, 1, text=f"Waits for {PHONE}")
    await capture_contacts(store)
    [event] = await post.received(post.inbound(texts[2], sender="+12025550199", modem="m1"))
    planned = await erased(Clients(), dry_run=True)
    assert await erased(Clients()) == planned
    assert planned[RowKind.CONVERSATIONS] == (1, 0)
    assert planned[RowKind.MESSAGE_TEXTS] == (len(texts), 0)
    assert planned[RowKind.SENDS] == (1, 1)
    assert planned[RowKind.INBOUND_TEXTS] == (1, 0)
    left = await db.fetch(
        "SELECT text FROM message WHERE text <> '' AND created_at > now() - interval '1 day'"
    )
    assert {row["text"] for row in left} == {"Ask Ann, [number erased], not 2025550144."}
    sends = await db.fetch("SELECT text FROM send WHERE text LIKE 'All%'")
    assert sends[0]["text"] == "All: [number erased]; 92025550143 is longer."
    [answer] = await db.fetch("SELECT text FROM inbound WHERE id = $1", event["id"])
    assert answer["text"] == "Ask Ann, [number erased], not 2025550144."
    await cancel_send(store, old.app.sibling.actor, waits.id)
    assert (await erased(Clients()))[RowKind.SENDS] == (1, 0)
    await assert_proven()


async def test_bodies_of_events_go_however_the_number_is_written(worker_database_url: str) -> None:
    written = [
        b"\xff\x00 202 555-0143",
        *(f'{{"to": "{each}"}}'.encode() for each in SPELLINGS),
        *(json.dumps({"to": each}).encode() for each in SPELLINGS),
        *(urlencode({"To": each}).encode() for each in SPELLINGS),
        *(f"To={quote(each)}".encode() for each in SPELLINGS),
    ]
    others = [b"", b'{"to": "2025550144"}', b'["202", "555", "0143"]', b"a=202&b=5550143"]
    async with db.connected(worker_database_url):
        found = await db.fetch(
            "SELECT body FROM unnest($1::bytea[]) AS body WHERE encode(body, 'escape') ~ $2",
            written + others,
            in_body(PHONE),
        )
    assert [row["body"] for row in found] == written
