"""Over a real socket: reconciliations and audits until they end, and alarms when they begin."""

from __future__ import annotations

from domain import ids
from domain.ids import Kind
from domain.ledger.audit import audit, new_audit
from domain.ledger.reconcile import new_reconciliation, reconcile
from persistence import store
from tests import db
from tests.installations import App
from tests.ledger.test_reconcile import send_charged
from tests.ledger.upstream import Upstream, synced
from tests.live.server import Server, client

RECONCILIATION = (
    "subscription ($run: ID!) { reconcileProgress(id: $run) { finishedAt sendsChecked } }"
)
AUDIT = "subscription ($run: ID!) { ledgerAuditProgress(id: $run) { state messagesChecked } }"
ALARMS = """subscription {
  balanceUpdated {
    account { balance isLow lowBalanceThreshold } platform { alarms { kind count } }
  }
}"""


async def test_an_admin_watches_a_reconciliation_until_it_is_finished(
    running: Server, people: App
) -> None:
    await db.accept(people.owner)
    run = await new_reconciliation(store)
    async with client(running, "admin") as reader:
        await reader.subscribe(RECONCILIATION, run=ids.encode(Kind.RECONCILIATION, run.id))
        assert (await reader.delivered())["finishedAt"] is None
        await reconcile(store, run)
        last = await reader.delivered()
        while last["finishedAt"] is None:
            last = await reader.delivered()
        assert last["sendsChecked"] == 1


async def test_an_admin_watches_an_audit_until_it_is_finished(running: Server, people: App) -> None:
    await db.accept(people.owner)
    run = await new_audit(store)
    async with client(running, "admin") as reader:
        await reader.subscribe(AUDIT, run=ids.encode(Kind.AUDIT, run.id))
        assert await reader.delivered() == {"state": "RUNNING", "messagesChecked": 0}
        await audit(store, run, rest=0)
        delivered = await reader.delivered()
        while delivered["state"] == "RUNNING":
            delivered = await reader.delivered()
        assert delivered == {"state": "FINISHED", "messagesChecked": 1}
        assert (await reader.receive())["type"] == "complete"


async def test_an_audit_whose_process_was_killed_ends_its_subscriptions(
    running: Server, people: App
) -> None:
    run = await new_audit(store)
    async with client(running, "admin") as reader:
        await reader.subscribe(AUDIT, run=ids.encode(Kind.AUDIT, run.id))
        assert (await reader.delivered())["state"] == "RUNNING"
        await db.execute("UPDATE ledger_audit SET checked_at = now() - interval '2 minutes'")
        assert (await reader.delivered())["state"] == "STOPPED"
        assert (await reader.receive())["type"] == "complete"


async def test_a_low_balance_is_pushed_to_the_client_and_to_the_operator(
    running: Server, people: App
) -> None:
    await db.execute(
        "UPDATE client SET low_balance_threshold = 99 WHERE id = $1", people.owner.client_id
    )
    low = {"kind": "LOW_BALANCE", "count": 1}
    async with client(running, "owner") as reader, client(running, "admin") as operator:
        await reader.subscribe(ALARMS)
        assert not (await reader.delivered())["account"]["isLow"]
        await operator.subscribe(ALARMS)
        assert low not in (await operator.delivered())["platform"]["alarms"]
        await db.accept(people.owner, 2)
        while not (delivered := await reader.delivered())["account"]["isLow"]:
            pass
        assert delivered["account"] == {"balance": 98, "isLow": True, "lowBalanceThreshold": 99}
        while low not in (await operator.delivered())["platform"]["alarms"]:
            pass


async def test_an_alarm_without_a_transfer_is_pushed(running: Server, people: App) -> None:
    async with client(running, "admin") as operator:
        await operator.subscribe(ALARMS)
        await operator.delivered()
        await db.execute("UPDATE provider_account SET paused_at = now()")
        kinds = {alarm["kind"] for alarm in (await operator.delivered())["platform"]["alarms"]}
        assert "PROVIDER_REFUSING" in kinds


async def test_differences_that_a_run_finds_or_corrects_are_pushed(
    running: Server, people: App
) -> None:
    await synced(people.pool, Upstream(1_000))
    async with client(running, "admin") as operator:
        await operator.subscribe(ALARMS)
        assert (await operator.delivered())["platform"]["alarms"] == []
        await send_charged(people.owner, 10, 4)
        await reconcile(store, await new_reconciliation(store, dry_run=True))
        found = {"kind": "NEEDS_SYNC", "count": 1}
        while (await operator.delivered())["platform"]["alarms"] != [found]:
            pass
        await reconcile(store, await new_reconciliation(store))
        while (await operator.delivered())["platform"]["alarms"]:
            pass
