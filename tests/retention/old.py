"""An installation with old messages, and what tests of retention ask of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from domain.dispatch.cancel import cancel_send
from domain.inbox.capture import capture_contacts
from domain.ledger.audit import audit, new_audit
from domain.ledger.closing import close_months
from domain.ledger.reconcile import new_reconciliation, reconcile
from domain.provider import Unknown
from domain.retention.retention import Found, RowKind, drop_old
from domain.retention.rules import Retention
from persistence import store
from tests import db
from tests.aging import make_older
from tests.dispatch.parts import answered, marked
from tests.inbox import post
from tests.inbox.post import OUR_NUMBER, PHONE, inbound
from tests.installations import App

ONE_MONTH = Retention(text_days=60, months=1)


@dataclass
class Old:
    """The app, 100 days after a bulk of 6, a single message and a reply from PHONE.

    Of the bulk, 2 messages were cancelled, one is UNKNOWN and the others are SENT.
    """

    app: App
    url: str
    bulk: UUID
    single: UUID
    unknown: UUID
    now: datetime

    async def drop(self, default: Retention = ONE_MONTH) -> list[Found]:
        """Drops what is too old, without an export."""
        rules = await store.read_rules(default)
        return [each async for each in drop_old(store, rules, self.now, dry_run=False, rest=0)]


async def assert_proven() -> None:
    """Both audits and reconcile find nothing."""
    for full in (False, True):
        done = await audit(store, await new_audit(store, full=full), rest=0)
        assert done.holds, done.violations
    run = await reconcile(store, await new_reconciliation(store, dry_run=True))
    assert (run.charged_missing, run.refunded_excess) == (0, 0)


def sums(found: list[Found]) -> Counter[RowKind]:
    return Counter({kind: sum(e.rows for e in found if e.kind is kind) for kind in RowKind})


async def rows(table: str) -> int:
    [row] = await db.fetch(f"SELECT count(*) AS n FROM {table}")
    return int(row["n"])


async def grown_old(app: App, database_url: str) -> Old:
    """The installation in which that happened."""
    await db.assign_number(app.owner.client_id, OUR_NUMBER)
    await db.accept(app.owner, 6, text="A text for all")
    later = await db.accept(app.owner, 2, text="Never sent")
    await cancel_send(store, app.owner.actor, later.id)
    await db.accept(app.owner, numbers=[PHONE], text="One text")
    await db.accept(app.sibling, 1, texts=["Of another client"])
    await post.submitted(app.pool, "ref")
    await db.accept(app.owner, 1, text="Who knows")
    [call] = await marked(app.pool)
    await answered(app.pool, call, Unknown("no answer"))
    await capture_contacts(store)
    await post.received(inbound("Good morning", receiver=OUR_NUMBER, modem="m1"))
    await make_older(database_url, 100)
    await db.accept(app.owner, 1, text="New")
    now = datetime.now(UTC)
    await close_months(store, now, rest=0)
    found = {
        row["text"]: row["id"]
        for row in await db.fetch(
            "SELECT id, text FROM send WHERE client_id = $1", app.owner.client_id
        )
    }
    return Old(
        app, database_url, found["A text for all"], found["One text"], found["Who knows"], now
    )
