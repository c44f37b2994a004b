"""If several checks of a send fail, the first decides the error.

The order: status, text, recipients, limits, balance.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain.identity.access import Actor
from tests import db
from tests.installations import App

BULK = """mutation ($input: BulkSendInput!) { bulkSend(input: $input) { __typename } }"""
MULTI = """mutation ($input: BulkSendMultiInput!) { bulkSendMulti(input: $input) { __typename } }"""

WRONG = {
    "AccountInactive": "status",
    "InvalidText": "text",
    "NoValidRecipients": "recipients",
    "TooManyRecipients": "limits",
    "InsufficientBalance": "balance",
}
MANY = 301  # more than the limit of 300, and more than any account holds


def requested(app: App, wrong: set[str]) -> tuple[Actor, list[str], str]:
    """A request for which these checks fail."""
    actor = app.owner.actor
    if "status" in wrong:
        actor = replace(actor, client_status="DORMANT")
    count = MANY if "limits" in wrong else 101
    to = ["12"] * count if "recipients" in wrong else db.generated_numbers(count)
    return actor, to, " " if "text" in wrong else "Good morning"


@pytest.mark.parametrize("expected", WRONG)
@pytest.mark.parametrize("query", [BULK, MULTI])
async def test_the_first_failing_check_decides_the_error(
    app: App, query: str, expected: str
) -> None:
    names = list(WRONG)
    wrong = {WRONG[each] for each in names[names.index(expected) :]}
    actor, to, text = requested(app, wrong)
    given: dict[str, Any] = {"to": to, "text": text}
    if query is MULTI:
        given = {"messages": [{"to": number, "text": text} for number in to]}
    answer = await app.answer(actor, query, input=given)
    assert answer == {"__typename": expected}
    assert await db.fetch("SELECT id FROM send") == []
    assert await db.held(app.owner.account_id) == 100


async def test_a_stored_success_is_the_answer_before_every_check(app: App) -> None:
    given = {"to": db.generated_numbers(1), "text": "Good morning", "idempotencyKey": "once"}
    first = await app.answer("owner", BULK, input=given)
    inactive, _, _ = requested(app, {"status"})
    assert await app.answer(inactive, BULK, input=given) == first == {"__typename": "Send"}
