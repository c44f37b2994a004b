"""No POST of the REST API needs the database between its COMMIT and its answer."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.commit_outage import CommitOutage
from tests.rest.test_parity import SCHOOL_BULK
from tests.rest.test_rest import BULK, HELLO, MANY, MULTI, SINGLE, TO, stored

OTHER = "+12025550102"


@pytest.mark.parametrize(
    ("path", "body", "numbers"),
    [
        (SINGLE, HELLO, [TO]),
        ("/api/v1/communications/single-sms", HELLO, [TO]),
        (BULK, MANY, [TO, OTHER]),
        (SCHOOL_BULK, {"recipients": [TO, OTHER], "message": "Hi"}, [TO, OTHER]),
        (
            MULTI,
            [
                {"recipient": TO, "content": "One"},
                {"recipient": "12", "content": "Two"},
                {"recipient": OTHER, "content": "Three"},
            ],
            [TO, OTHER],
        ),
    ],
)
async def test_a_send_answers_though_the_database_becomes_unavailable_after_its_commit(
    web: httpx.AsyncClient, path: str, body: Any, numbers: list[str]
) -> None:
    outage = CommitOutage()
    with pytest.MonkeyPatch.context() as patched:
        outage.install(patched)
        answer = await web.post(path, json=body)
        assert outage.has_begun
    assert answer.status_code == 200, answer.text
    assert answer.json().get("balance") is None, "it could not be read"
    assert [(await stored(web, each))[0] for each in named_by(answer.json())] == numbers


def named_by(answer: dict[str, Any]) -> list[str]:
    """The IDs of messages in the answer to a send, in order."""
    if "messageId" in answer:
        return [answer["messageId"]]
    if "messageIds" in answer:
        return list(answer["messageIds"])
    return [each["messageId"] for each in answer["results"] if "messageId" in each]
