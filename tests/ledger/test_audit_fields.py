"""Audits over the API: started by a mutation, followed over a socket, and kept."""

from __future__ import annotations

from typing import Any

import pytest

from domain.ledger.audit import new_audit
from persistence import store
from tests import db
from tests.dispatch.parts import eventually
from tests.installations import App

RUN = """id state startedAt finishedAt percent holds accountsChecked transfersChecked
    messagesChecked violations checkedAt"""
LAST = f"{{ ledgerAudit {{ {RUN} }} }}"
START = f"""mutation {{ startLedgerAudit {{
    __typename ... on UserError {{ message }} ... on LedgerAudit {{ {RUN} }} }} }}"""
ALL = f"query ($first: Int) {{ ledgerAudits(first: $first) {{ nodes {{ {RUN} }} }} }}"


async def finished(app: App) -> dict[str, Any]:
    """The newest audit, when it is finished."""

    async def is_finished() -> bool:
        return bool((await newest(app))["state"] == "FINISHED")

    await eventually(is_finished)
    return await newest(app)


async def newest(app: App) -> dict[str, Any]:
    [run] = (await app.answer("admin", ALL, first=1))["nodes"]
    found: dict[str, Any] = run
    return found


async def test_an_audit_runs_in_the_background_and_its_result_is_kept(app: App) -> None:
    await db.accept(app.owner, 3)
    started = await app.answer("admin", START)
    assert (started["__typename"], started["state"]) == ("LedgerAudit", "RUNNING")
    done = await finished(app)
    assert (done["id"], done["holds"], done["percent"]) == (started["id"], True, 100)
    assert done["messagesChecked"] == 3
    await db.execute("UPDATE account SET held = held + 1 WHERE kind = 'GROUP'")
    assert await app.answer("admin", LAST) == done, "until there is another result"
    await app.answer("admin", START)
    broken = await finished(app)
    assert not broken["holds"]
    assert "the sum of 1 transfer is" in broken["violations"][0]
    assert await app.answer("admin", LAST) == broken
    assert [each["id"] for each in (await app.answer("admin", ALL))["nodes"]] == [
        broken["id"],
        done["id"],
    ]


async def test_the_first_query_runs_the_first_audit(app: App) -> None:
    await db.execute("UPDATE account SET held = held + 1 WHERE kind = 'GROUP'")
    found = await app.answer("admin", LAST)
    assert (found["state"], found["holds"]) == ("FINISHED", False)


async def test_a_query_during_the_first_audit_is_answered_with_its_result(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("domain.ledger.audit.FIRST_AUDIT_SECONDS", 0.2)
    run = await new_audit(store)
    assert await app.code("admin", LAST) == "RATE_LIMITED", "it is not finished yet"
    app.installation.auditor.add(run)
    await finished(app)
    assert (await app.answer("admin", LAST))["state"] == "FINISHED"


async def test_a_second_audit_is_refused(app: App) -> None:
    await new_audit(store)
    assert (await app.answer("admin", START))["__typename"] == "AlreadyRunning"
