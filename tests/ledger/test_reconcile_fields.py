"""Reconciliations over the API and from the command line's parts."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from domain import ids
from domain.ids import Kind
from domain.ledger.reconcile import Reconciler, last_night, new_reconciliation
from persistence import store
from resolvers.ledger import reconcile as resolvers
from tests import db
from tests.dispatch.parts import eventually
from tests.installations import App
from tests.ledger.test_reconcile import send_charged

RUN = """id startedAt finishedAt dryRun sendsChecked messagesChecked chargedMissing refundedExcess
    unknownResolved unknownLeft
    differences { client { name } sendId expected found corrected explanation }"""
RECONCILE = f"""mutation ($input: ReconcileInput) {{ reconcile(input: $input) {{
    __typename ... on UserError {{ message }} ... on Reconciliation {{ {RUN} }} }} }}"""
RECONCILIATIONS = f"""query ($first: Int, $after: String) {{
    reconciliations(first: $first, after: $after) {{
        nodes {{ {RUN} }} totalCount pageInfo {{ hasNextPage endCursor }} }} }}"""


async def test_an_admin_reconciles_and_reads_what_was_found(app: App) -> None:
    send_id = await send_charged(app.owner, 10, 4)
    dry = await app.answer("admin", RECONCILE, input={"dryRun": True})
    assert (dry["dryRun"], dry["chargedMissing"]) == (True, 6)
    assert await db.held(app.owner.account_id) == 96
    done = await app.answer("admin", RECONCILE)
    assert done.pop("__typename") == "Reconciliation"
    assert done["finishedAt"] is not None
    assert (done["chargedMissing"], done["refundedExcess"]) == (6, 0)
    [found] = done["differences"]
    assert found.pop("explanation").startswith("Expected 10 credits: ")
    assert found == {
        "client": {"name": "Acme"},
        "sendId": ids.encode(Kind.SEND, send_id),
        "expected": 10,
        "found": 4,
        "corrected": True,
    }
    assert await db.held(app.owner.account_id) == 90
    page = await app.answer("admin", RECONCILIATIONS, first=1)
    assert [node["id"] for node in page["nodes"]] == [done["id"]]
    assert (page["totalCount"], page["pageInfo"]["hasNextPage"]) == (2, True)
    rest = await app.answer("admin", RECONCILIATIONS, after=page["pageInfo"]["endCursor"])
    assert [node["id"] for node in rest["nodes"]] == [dry["id"]]
    line = await app.answer(
        "owner", "{ transfers(first: 1) { nodes { kind amount description } } }"
    )
    assert line["nodes"] == [
        {"kind": "RECONCILE", "amount": -6, "description": "Correction: missing charge added"}
    ]


async def test_a_second_run_is_refused(app: App) -> None:
    await new_reconciliation(store)
    answer = await app.answer("admin", RECONCILE)
    assert answer["__typename"] == "AlreadyRunning"


async def test_a_run_that_takes_long_is_answered_unfinished_and_continues(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolvers, "ANSWER_SECONDS", 0.0)
    started = await app.answer("admin", RECONCILE)
    assert started["finishedAt"] is None

    async def is_finished() -> bool:
        [run] = (await app.answer("admin", RECONCILIATIONS))["nodes"]
        return run["finishedAt"] is not None

    await eventually(is_finished)


async def test_one_process_reconciles_in_a_night(app: App) -> None:
    others = [Reconciler(store) for _ in range(2)]
    await db.execute("UPDATE scheduled_run SET started_at = now() - interval '25 hours'")
    for each in (app.installation.reconciler, *others, app.installation.reconciler):
        assert await each.start_nightly() is False
    rows = await db.fetch("SELECT id FROM reconciliation")
    assert len(rows) == 1


async def test_the_daily_work_is_for_the_first_process_that_asks(app: App) -> None:
    await db.execute("UPDATE scheduled_run SET started_at = now() - interval '25 hours'")
    night = last_night(datetime.now(UTC))
    requested = [await store.start_daily("reconcile", not_since=night) for _ in range(3)]
    assert requested == [True, False, False]


@pytest.mark.parametrize(
    ("now", "night"), [("2026-11-20T01:59", "2026-11-19"), ("2026-11-20T02:00", "2026-11-20")]
)
def test_the_last_night_began_at_two_in_the_morning(now: str, night: str) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    expected = datetime.fromisoformat(night).replace(hour=2, tzinfo=UTC)
    assert last_night(moment) == expected
