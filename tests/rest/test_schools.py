"""The endpoints for schools' programs: the figures of their answers, and the balance check."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from domain.identity.access import Actor
from tests import db
from tests.installations import App, KnownUsers
from tests.rest.test_rest import HELLO, TO, by, failure

CREDITS = "/api/v1/communications/credits"
SINGLE = "/api/v1/communications/single-sms"
BULK = "/api/v1/communications/bulk-sms"
SYNC = """
mutation { sync { __typename ... on UserError { message }
  ... on Synced { balances { account { balance unit } platform { providerBalance } } } } }"""


@pytest.fixture
async def school(app: App, monkeypatch: pytest.MonkeyPatch) -> db.Tenant:
    """A client with its own provider account, which makes all requests of the owner."""
    made = await db.add_school(held=1_000, price=50)
    known = KnownUsers.actor_for

    async def actor_for(users: KnownUsers, credential: str) -> Actor | None:
        if credential == "owner":
            return made.actor
        dormant = replace(made.actor, client_status=" dormant")
        return dormant if credential == "dormant" else await known(users, credential)

    monkeypatch.setattr(KnownUsers, "actor_for", actor_for)
    return made


@pytest.mark.usefixtures("school")
async def test_a_school_sends_to_one_and_to_many(web: httpx.AsyncClient) -> None:
    one = await web.post(SINGLE, json=HELLO)
    body = one.json()
    assert body.pop("messageId").startswith("msg_")
    assert (one.status_code, body) == (
        200,
        {
            "success": True,
            "status": "queued",
            "accepted": 1,
            "required": 50,
            "balance": 950,
            "unit": "UGX",
        },
    )
    to = ["2025550101", "nonsense", "2025550102"]
    many = (await web.post(BULK, json={"recipients": to, "message": "Hi"})).json()
    assert (many["accepted"], many["required"], many["balance"]) == (2, 100, 850)
    assert (len(many["messageIds"]), many["rejectedCount"]) == (2, 1)
    assert [(each["position"], each["reason"]) for each in many["rejected"]] == [(1, "INVALID")]


async def test_refusals_name_the_status_and_the_amounts(
    web: httpx.AsyncClient, school: db.Tenant
) -> None:
    for path, body in [(SINGLE, HELLO), (BULK, {"recipients": [TO], "message": "Hi"})]:
        dormant = await web.post(path, json=body, headers=by("dormant"))
        assert failure(dormant, 403, "ACCOUNT_INACTIVE") == {"status": "DORMANT"}
    to = [f"20255501{each:02}" for each in range(21)]
    poor = await web.post(BULK, json={"recipients": to, "message": "Hi"})
    assert failure(poor, 402, "INSUFFICIENT_CREDITS") == {
        "required": 1_050,
        "available": 1_000,
        "unit": "UGX",
    }
    assert await db.held(school.account_id) == 1_000


async def test_a_check_of_the_credits_is_a_sync(
    web: httpx.AsyncClient, app: App, school: db.Tenant
) -> None:
    await db.execute(
        "UPDATE provider_account SET valuation = 'EGOSMS_OWN' WHERE id = $1", school.pool.id
    )
    app.upstream.balance_word = "70000"
    body = (await web.get(CREDITS)).json()
    assert body.pop("checkedAt")
    by_graphql = await app.answer(school.actor, SYNC)
    account, platform = (by_graphql["balances"][each] for each in ("account", "platform"))
    assert body == {"success": True, "balance": 100_000, "unit": "UGX", "providerBalance": "70000"}
    assert (account, platform) == (
        {"balance": 100_000, "unit": "UGX"},
        {"providerBalance": "70000"},
    )
    app.upstream.balance_word = None
    refused = await web.get(CREDITS)
    error = refused.json()["error"]
    assert failure(refused, 503, "UNAVAILABLE") == {"retryAfterSeconds": 5}
    assert refused.headers["retry-after"] == "5"
    assert error == (await app.answer(school.actor, SYNC))["message"]
    lines = await db.fetch(
        "SELECT 1 FROM transfer WHERE kind = 'SYNC' AND $1 IN (source_id, destination_id)",
        school.account_id,
    )
    assert len(lines) == 2, "each check that got a reading is a line of the statement"


async def test_credits_that_the_operator_manages_are_shown_without_a_check(
    web: httpx.AsyncClient, app: App
) -> None:
    app.upstream.balance_word = "70000"
    assert (await web.get(CREDITS)).json() == {
        "success": True,
        "balance": 100,
        "unit": "credit",
        "providerBalance": None,
        "checkedAt": None,
    }
    assert await db.held(app.pool.account_id) == 500, "nothing was synced"


async def test_only_a_client_checks_its_credits(web: httpx.AsyncClient) -> None:
    expected = {"sibling": 200, "direct": 403, "supervisor": 403, "admin": 403, "nobody": 401}
    for who, status in expected.items():
        assert (await web.get(CREDITS, headers=by(who))).status_code == status
