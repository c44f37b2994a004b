"""The part of Africa's Talking in the simulator: messages to many numbers, and webhook calls.

The vendor's SDK works against it. Only what `providers.africastalking` uses is there.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode

from providers.simulator.accounts import SIMULATED_ACCOUNTS, SIMULATED_SENDER
from providers.simulator.behaviours import FAILED, MAGIC_NUMBERS
from providers.simulator.calls import LONGEST_TEXT, NUMBER, RequestedMessage, WebhookCall
from providers.simulator.vendors import ReceivedCall, Request, Response, Sent, SimulatedVendor

OWN: Final = SIMULATED_ACCOUNTS["africastalking"]
PATHS: Final = ("/version1/messaging", "/version1/user")
COST: Final = "KES 0.8000"
# By the kind of a magic number: refused alone, while the other recipients are accepted.
ALONE: Final = {
    "invalid_recipient": (403, "InvalidPhoneNumber"),
    "invalid_params": (502, "RejectedByGateway"),
}
REFUSALS: Final = {
    "bad_key": (401, b"The supplied authentication is invalid"),
    "forbidden": (403, b"The account is not active"),
    "invalid_params": (400, b"Request is missing required form field 'message'"),
    "rate_limited": (429, b"Too many requests"),
    "broken": (500, b"Internal server error"),
    "not_found": (404, b"Not found"),
}


class SimulatedAfricasTalking(SimulatedVendor):
    """The account of `SIMULATED_ACCOUNTS`, at Africa's Talking."""

    provider = "africastalking"

    def owns(self, path: str) -> bool:
        return path in PATHS

    def new_id(self) -> str:
        return "ATXid_" + secrets.token_hex(16)

    def read(self, call: ReceivedCall) -> Request:
        if call.headers.get("apiKey") != OWN.password:
            return Request(problem="bad_key")
        if (call.method, call.path) == ("GET", PATHS[1]):
            own = call.query.get("username") == OWN.username
            return Request(problem=None if own else "bad_key")
        if (call.method, call.path) != ("POST", PATHS[0]):
            return Request(problem="not_found")
        try:
            form = dict(parse_qsl(call.body.decode(), keep_blank_values=True))
        except ValueError:
            form = {}
        return _read_form(form)

    def answer(self, request: Request, ids: list[str | None], kind: str) -> Response:
        if not request.messages:
            return 200, {"UserData": {"balance": f"KES {self.log.balance}.5000"}}
        pairs = list(zip(request.messages, ids, strict=True))
        sent = sum(own_id is not None for own_id in ids)
        words = f"Sent to {sent}/{len(ids)} Total Cost: {COST}"
        return 201, _listed(words, [_item(each, own_id) for each, own_id in pairs])

    def refusal(self, kind: str) -> Response | None:
        if kind == "no_credits":
            return 201, _listed("InsufficientBalance", [])
        return REFUSALS.get(kind)

    def refuses_alone(self, request: Request, message: RequestedMessage) -> bool:
        magic = MAGIC_NUMBERS.get(message.recipient)
        is_number = NUMBER.fullmatch(message.recipient) is not None
        return not is_number or (magic is not None and magic.kind in ALONE)

    def report(self, sent: Sent, word: str, url: str, secret: str | None) -> WebhookCall:
        fields = {"id": sent.id, "status": "Success", "phoneNumber": sent.message.recipient}
        if word == FAILED:
            fields |= {"status": "Failed", "failureReason": "DeliveryFailure"}
        return _form(url, secret, fields | {"networkCode": "63902", "retryCount": "0"})

    def inbound(
        self, sender: str, text: str, receiver: str, url: str, secret: str | None
    ) -> WebhookCall:
        date = datetime.now(UTC).isoformat(timespec="seconds")
        fields = {"from": sender, "to": receiver or SIMULATED_SENDER, "text": text, "date": date}
        more = {"id": secrets.token_hex(16), "linkId": secrets.token_hex(8)}
        return _form(url, secret, fields | more | {"networkCode": "63902"})


def _read_form(form: Mapping[str, str]) -> Request:
    if form.get("username") != OWN.username:
        return Request(problem="bad_key")
    text, numbers = form.get("message", ""), form.get("to", "")
    if not 0 < len(text) <= LONGEST_TEXT or not numbers:
        return Request(problem="invalid_params")
    messages = tuple(RequestedMessage(number, text) for number in numbers.split(","))
    return Request(messages, sender=form.get("from", SIMULATED_SENDER))


def _listed(words: str, recipients: list[dict[str, object]]) -> dict[str, object]:
    return {"SMSMessageData": {"Message": words, "Recipients": recipients}}


def _item(message: RequestedMessage, own_id: str | None) -> dict[str, object]:
    number = {"number": message.recipient}
    if own_id is not None:
        return {**number, "statusCode": 101, "status": "Success", "cost": COST, "messageId": own_id}
    magic = MAGIC_NUMBERS.get(message.recipient)
    code, status = ALONE[magic.kind if magic and magic.kind in ALONE else "invalid_recipient"]
    return {**number, "statusCode": code, "status": status, "cost": "0", "messageId": "None"}


def _form(url: str, secret: str | None, fields: Mapping[str, str]) -> WebhookCall:
    """A form. The vendor does not sign its calls and sends no header: the secret is in the URL."""
    called = url if secret is None else f"{url.rstrip('/')}/{quote(secret, safe='')}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return WebhookCall(called, headers, urlencode(fields).encode())
