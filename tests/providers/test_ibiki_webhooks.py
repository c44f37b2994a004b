"""Client webhooks of another installation, as the adapter for it reads them."""

from __future__ import annotations

import json

import pytest

from domain.inbox.webhooks import DeliveryReport, Malformed, Parsed, ReceivedMessage
from domain.provider import (
    Accepted,
    NotSent,
    Outcome,
    OutgoingMessage,
    Rejected,
    ReportedStatus,
    Unknown,
)
from domain.sending.messages import BY_MESSAGE, Line
from providers.ibiki import NOT_ANSWERABLE, Ibiki, parse_webhook
from providers.transport import Answer
from tests.providers.scripted import CONFIG, ScriptedTransport, answer

MESSAGE = {
    "id": "msg_1",
    "clientId": "cli_1",
    "direction": "INBOUND",
    "number": "+12025550143",
    "text": "Good morning",
    "status": None,
}
LINE = Line(BY_MESSAGE, "msg_1")
SENT = {**MESSAGE, "direction": "OUTBOUND", "status": "DELIVERED"}
NO_MESSAGE = Malformed("`data` must be an object: the message.")
NO_EVENT = Malformed("`id` and `type` are required: the event.")
NO_TEXT = Malformed("`data.number` and `data.text` are required: the inbound message.")
NO_STATUS = Malformed("`data.id` and `data.status` are required: the message.")


def event(type_: object, data: object) -> dict[str, object]:
    return {"id": "evt_1", "type": type_, "createdAt": "2026-11-20T08:30:00Z", "data": data}


def report(word: str, status: ReportedStatus | None) -> DeliveryReport:
    return DeliveryReport("msg_1", word, status, "+12025550143")


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (
            event("message.received", MESSAGE),
            ReceivedMessage("+12025550143", "Good morning", key="msg_1", line=LINE),
        ),
        (
            event("message.received", {**MESSAGE, "number": "SUPPORT"}),
            ReceivedMessage("SUPPORT", "Good morning", key="msg_1", line=LINE),
        ),
        (
            event("message.received", {**MESSAGE, "id": None}),
            ReceivedMessage("+12025550143", "Good morning"),
        ),
        (event("message.updated", SENT), report("DELIVERED", ReportedStatus.DELIVERED)),
        *(
            (event("message.updated", {**SENT, "status": word}), report(word, status))
            for word, status in [
                ("SENT", ReportedStatus.TAKEN),
                ("UNDELIVERED", ReportedStatus.FAILED),
                ("REJECTED", ReportedStatus.RETURNED),
                ("CANCELLED", ReportedStatus.RETURNED),
                ("UNKNOWN", None),
                ("LATER", None),
            ]
        ),
        (
            event("webhook.test", {"endpointId": "hok_1"}),
            DeliveryReport("evt_1", "webhook.test", None),
        ),
        (event("balance.low", None), DeliveryReport("evt_1", "balance.low", None)),
        (event("message.received", None), NO_MESSAGE),
        (event("message.updated", []), NO_MESSAGE),
        (event("message.received", {**MESSAGE, "text": {}}), NO_TEXT),
        (event("message.received", {**MESSAGE, "number": None}), NO_TEXT),
        (event("message.updated", MESSAGE), NO_STATUS),
        (event("message.updated", {**SENT, "id": ["msg_1"]}), NO_STATUS),
        (event(7, MESSAGE), NO_EVENT),
        ({"type": "message.received", "data": MESSAGE}, NO_EVENT),
        ([], NO_EVENT),
    ],
)
def test_an_event_is_read(call: object, expected: Parsed) -> None:
    assert parse_webhook(json.dumps(call).encode()) == expected


@pytest.mark.parametrize(
    ("answered", "expected"),
    [
        (answer(200, {"success": True, "messageId": "m1", "warning": None}), Accepted("m1")),
        (
            answer(404, {"success": False, "code": "NOT_FOUND", "error": "Not found."}),
            Rejected(NOT_ANSWERABLE),
        ),
        (answer(404, {"error": "Not found."}), Unknown),
        (answer(402, {"success": False, "code": "INSUFFICIENT_CREDITS"}), NotSent),
    ],
)
async def test_a_reply_names_the_message_that_it_answers(
    answered: Answer, expected: Outcome | type[Outcome]
) -> None:
    transport = ScriptedTransport(answered)
    reply = OutgoingMessage("+12025550143", "And to you", BY_MESSAGE, "msg_1")
    outcome = await Ibiki(CONFIG, transport).send(reply)
    assert outcome == expected or (isinstance(expected, type) and isinstance(outcome, expected))
    [requested] = transport.requests
    assert (requested.method, requested.path) == ("POST", "/api/sms/reply")
    assert requested.body == {"inboundMessageId": "msg_1", "message": "And to you"}
