"""Twilio's part of the simulator: the Messages resource and its signed webhook calls.

The vendor's SDKs work against it. Only what `providers.twilio` uses is there.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl, urlencode

from providers.simulator.accounts import SIMULATED_ACCOUNTS, SIMULATED_SENDER
from providers.simulator.behaviours import FAILED
from providers.simulator.calls import LONGEST_TEXT, NUMBER, RequestedMessage, WebhookCall
from providers.simulator.vendors import (
    DELIVERED,
    ReceivedCall,
    Request,
    Response,
    Sent,
    SimulatedVendor,
)
from providers.twilio import SIGNATURE_HEADER, signature_of

OWN: Final = SIMULATED_ACCOUNTS["twilio"]
PATH: Final = "/2010-04-01/Accounts/"
# HTTP status, code and sentence by the kind of the behaviour.
REFUSALS: Final = {
    "bad_key": (401, 20003, "Authenticate"),
    "forbidden": (403, 20005, "Account not active"),
    "no_credits": (402, 20005, "The account has no money left"),
    "invalid_recipient": (400, 21211, "Invalid 'To' Phone Number"),
    "invalid_params": (400, 21617, "The message body exceeds the limit"),
    "rate_limited": (429, 20429, "Too Many Requests"),
    "unavailable": (503, 20503, "Service Unavailable"),
    "broken": (500, 20500, "Internal Server Error"),
    "not_found": (404, 20404, "The requested resource was not found"),
}


class SimulatedTwilio(SimulatedVendor):
    """The account of `SIMULATED_ACCOUNTS`, at Twilio."""

    provider = "twilio"

    def owns(self, path: str) -> bool:
        return path.startswith(PATH)

    def new_id(self) -> str:
        return "SM" + secrets.token_hex(16)

    def read(self, call: ReceivedCall) -> Request:
        pair = base64.b64encode(f"{OWN.username}:{OWN.password}".encode()).decode()
        if call.headers.get("Authorization") != f"Basic {pair}":
            return Request(problem="bad_key")
        own_path = f"{PATH}{OWN.username}/"
        match call.method, call.path.removeprefix(own_path).removesuffix(".json").split("/"):
            case "POST", ["Messages"]:
                return _read_message(call.body)
            case "GET", ["Messages", sid]:
                known = self.status_word(sid) is not None
                return Request(reference=sid, problem=None if known else "not_found")
            case "GET", ["Balance"]:
                return Request()
        return Request(problem="not_found")

    def answer(self, request: Request, ids: list[str | None], kind: str) -> Response:
        if request.reference is not None:
            word = "undelivered" if self.status_word(request.reference) == FAILED else DELIVERED
            return 200, {"sid": request.reference, "status": word, "error_code": None}
        if not ids:
            money = {"balance": f"{self.log.balance}.5", "currency": "USD"}
            return 200, {"account_sid": OWN.username, **money}
        message = request.messages[0]
        shown = {"to": message.recipient, "from": request.sender, "body": message.text}
        return 201, {"sid": ids[0], "account_sid": OWN.username, "status": "queued", **shown}

    def refusal(self, kind: str) -> Response | None:
        if kind not in REFUSALS:
            return None
        status, code, sentence = REFUSALS[kind]
        more = f"https://www.twilio.com/docs/errors/{code}"
        return status, {"code": code, "message": sentence, "more_info": more, "status": status}

    def report(self, sent: Sent, word: str, url: str, secret: str | None) -> WebhookCall:
        fields = {"MessageSid": sent.id, "SmsSid": sent.id, "AccountSid": OWN.username}
        fields |= {"From": sent.request.sender, "To": sent.message.recipient}
        fields |= {"ApiVersion": "2010-04-01", "MessageStatus": word, "SmsStatus": word}
        if word == FAILED:
            fields |= {"MessageStatus": "undelivered", "SmsStatus": "undelivered"}
            fields["ErrorCode"] = "30003"
        return _signed(sent.request.report_url or url, fields)

    def inbound(
        self, sender: str, text: str, receiver: str, url: str, secret: str | None
    ) -> WebhookCall:
        sid = self.new_id()
        fields = {"ToCountry": "US", "MessageSid": sid, "SmsSid": sid, "SmsStatus": "received"}
        fields |= {"AccountSid": OWN.username, "From": sender, "To": receiver or SIMULATED_SENDER}
        fields |= {"Body": text, "NumMedia": "0", "NumSegments": "1", "ApiVersion": "2010-04-01"}
        if text.strip().upper() in ("STOP", "START"):
            fields["OptOutType"] = text.strip().upper()
        return _signed(url, fields)


def _read_message(body: bytes) -> Request:
    try:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True))
    except ValueError:
        form = {}
    message = RequestedMessage(form.get("To", ""), form.get("Body", ""))
    if not NUMBER.fullmatch(message.recipient):
        return Request(problem="invalid_recipient")
    sender = form.get("From") or form.get("MessagingServiceSid")
    if not sender or not 0 < len(message.text) <= LONGEST_TEXT:
        return Request(problem="invalid_params")
    from_number = form.get("From", SIMULATED_SENDER)
    return Request((message,), report_url=form.get("StatusCallback"), sender=from_number)


def _signed(url: str, fields: Mapping[str, str]) -> WebhookCall:
    headers = {
        "Content-Type": "application/x-www-form-urlencoded; charset=UTF-8",
        SIGNATURE_HEADER: signature_of(url, list(fields.items()), OWN.password),
    }
    return WebhookCall(url, headers, urlencode(fields).encode())
