"""Our own adapters as clients of the REST API: an Ibiki that sends through another one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from decimal import Decimal

import httpx
import pytest

from domain import ids
from domain.errors import ProviderUnavailable
from domain.ids import Kind, new_id
from domain.provider import (
    Accepted,
    NotSent,
    Outcome,
    OutgoingMessage,
    Reading,
    Rejected,
    ReportedStatus,
)
from providers.config import ProviderConfig
from providers.extreme import ExtremeSMS
from providers.ibiki import Ibiki
from tests import db
from tests.installations import App
from tests.rest.test_rest import TO

Open = Callable[[str], Awaitable[ExtremeSMS]]
OPTED_OUT = "+12025550199"
ONE, TWO = OutgoingMessage(TO, "Hello"), OutgoingMessage("+12025550102", "Hello")


@pytest.fixture(params=[ExtremeSMS, Ibiki])
async def account(
    request: pytest.FixtureRequest, web: httpx.AsyncClient, app: App
) -> AsyncIterator[Open]:
    """Opens an account at the server. Its key is the name of a user of the app."""
    await db.opt_out(app.owner.client_id, OPTED_OUT)
    async with AsyncExitStack() as opened:

        async def open_account(key: str) -> ExtremeSMS:
            config = ProviderConfig(base_url=str(web.base_url), api_key=key, loopback_only=True)
            made: ExtremeSMS = request.param(config)
            opened.push_async_callback(made.close)
            return made

        yield open_account


def accepted(outcome: Outcome) -> str:
    assert isinstance(outcome, Accepted), outcome
    assert outcome.reference is not None
    return outcome.reference


async def numbers_of(references: list[str]) -> list[str]:
    keys = [ids.decode(Kind.MESSAGE, each) for each in references]
    rows = await db.fetch("SELECT id, number FROM message WHERE id = ANY($1)", keys)
    found = {row["id"]: row["number"] for row in rows}
    return [found[each] for each in keys]


async def test_each_message_of_a_call_gets_its_own_outcome(account: Open, app: App) -> None:
    owner = await account("owner")
    sent = accepted(await owner.send(ONE))
    refused = Rejected("The network refused the number as invalid.")
    assert await owner.send(OutgoingMessage(OPTED_OUT, "Hello")) == refused
    out, again = OutgoingMessage(OPTED_OUT, "Hello"), OutgoingMessage(TO, "Hello")
    for batch in (
        [ONE, out, TWO, again],
        [ONE, out, OutgoingMessage(TWO.number, "Another"), again],
    ):
        first, opted_out, second, twice = await owner.send_many(batch)
        references = [accepted(first), accepted(second)]
        assert await numbers_of(references) == [TO, TWO.number]
        assert sent not in references
        assert opted_out == Rejected("The network refused this message.")
        assert isinstance(twice, NotSent)
        assert twice.alone, "it may be of another client"
    whole = await owner.send_many([out, OutgoingMessage(OPTED_OUT, "Other")])
    assert all(isinstance(each, NotSent) and each.alone for each in whole)
    assert await db.held(app.owner.account_id) == 95


async def test_refusals_of_the_account_keep_the_messages(account: Open, app: App) -> None:
    sibling, stranger = await account("sibling"), await account("nobody")
    many = [OutgoingMessage(f"+120255501{each:02}", "Hello") for each in range(21)]
    for outcomes in (
        await sibling.send_many(many),
        await stranger.send_many([ONE, TWO]),
        [await stranger.send(ONE)],
    ):
        assert all(isinstance(each, NotSent) and each.refuses_account for each in outcomes)
    app.rate_limiter.requests_left = 0
    limited = await sibling.send(ONE)
    assert isinstance(limited, NotSent)
    assert limited.retry_after_seconds == 7
    with pytest.raises(ProviderUnavailable):
        await stranger.balance()
    assert await db.held(app.sibling.account_id) == 20
    assert await sibling.balance() == Reading("20", Decimal(20))


async def test_each_status_has_its_meaning(account: Open) -> None:
    owner = await account("owner")
    reference = accepted(await owner.send(ONE))
    refused = ReportedStatus.RETURNED if isinstance(owner, Ibiki) else ReportedStatus.FAILED
    meanings = {
        "QUEUED": ReportedStatus.TAKEN,
        "SENT": ReportedStatus.TAKEN,
        "DELIVERED": ReportedStatus.DELIVERED,
        "UNDELIVERED": ReportedStatus.FAILED,
        "UNKNOWN": None,
        "REJECTED": refused,
        "CANCELLED": refused,
    }
    for status, meaning in meanings.items():
        await db.execute("UPDATE message SET status = $1, attempt_id = $2", status, new_id())
        assert await owner.status(reference) is meaning, status
    assert await owner.status("msg_1") is None
