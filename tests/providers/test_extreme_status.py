"""What ExtremeSMS says of a message that it took, and what says nothing."""

from __future__ import annotations

import pytest

from domain.errors import ProviderUnavailable
from domain.provider import ReportedStatus
from providers.extreme import ExtremeSMS
from providers.transport import Exchange, Lost, NotConnected
from tests.providers.scripted import CONFIG, HTML, ID, ScriptedTransport, account, answer


def said(word: object, **rest: object) -> Exchange:
    return answer(200, {"success": True, "messageId": ID, "status": word, **rest})


SAID = [
    ("queued", said("queued"), ReportedStatus.TAKEN),
    ("pending", said("pending"), ReportedStatus.TAKEN),
    ("sent", said("sent"), ReportedStatus.TAKEN),
    ("delivered", said("delivered", deliveredAt="2026-11-20T08:30:00Z"), ReportedStatus.DELIVERED),
    ("in capitals", said(" Delivered "), ReportedStatus.DELIVERED),
    ("failed", said("failed"), ReportedStatus.FAILED),
    ("expired", said("expired"), ReportedStatus.FAILED),
    ("a word of its own", said("seen"), None),
    ("no word", said(None), None),
    ("a number", said({}), None),
    ("not a success", answer(200, {"success": False, "status": "delivered"}), None),
    ("unknown there", answer(404, {"success": False, "error": "Message not found"}), None),
    ("a wrong path", answer(404, HTML), None),
    ("HTML", answer(200, HTML), None),
    ("nothing", answer(200), None),
    ("a bad request", answer(400, {"success": False, "status": "failed"}), None),
]
AWAY = [
    NotConnected("refused"),
    Lost("timeout"),
    answer(401, {"error": "Invalid API key"}),
    answer(402),
    answer(429, Retry_After="5"),
    answer(500),
    answer(503, HTML),
]


@pytest.mark.parametrize(
    ("exchange", "expected"), [pytest.param(each[1], each[2], id=each[0]) for each in SAID]
)
async def test_a_status_is_read(exchange: Exchange, expected: ReportedStatus | None) -> None:
    assert await account(exchange).status(ID) is expected


@pytest.mark.parametrize("exchange", AWAY, ids=str)
async def test_a_failed_status_query_raises_provider_unavailable(exchange: Exchange) -> None:
    with pytest.raises(ProviderUnavailable):
        await account(exchange).status(ID)


async def test_any_reference_is_escaped_in_the_path() -> None:
    transport = ScriptedTransport(said("sent"))
    await ExtremeSMS(CONFIG, transport).status("a/b?c=d")
    (asked,) = transport.asked
    assert (asked.method, asked.path) == ("GET", "/api/v2/sms/status/a%2Fb%3Fc%3Dd")
    assert asked.headers["Authorization"] == "Bearer not-to-be-seen"
