"""The EgoSMS accounts of the simulator: the plain API and the JSON API (see providers.egosms).

The vendor's clients work against them: they answer with the keys that these know, and without a
redirect if the last slash of a path is missing. All accounts of both APIs are in the log.
"""

from __future__ import annotations

import secrets
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Final

import orjson

from providers.simulator.behaviours import MAGIC_NUMBERS, MagicNumber
from providers.simulator.calls import (
    LONGEST_TEXT,
    PendingCallback,
    RequestedMessage,
    WebhookCall,
    json_call,
)
from providers.simulator.faults import Faults
from providers.simulator.request_log import RequestLog
from providers.simulator.vendors import ReceivedCall, Request, Response, Sent, SimulatedVendor

PRICE: Final = 35
"""What a message costs, in the currency of the account."""

DEMO_USERNAME: Final = "school"
DEMO_PASSWORD: Final = "simulated-school"  # noqa: S105 - opens only the simulator
DEMO_BALANCE: Final = 70_000

LONGEST_SENDER: Final = 11
MOST_NUMBERS: Final = 1_000
WALLETS: Final = ("Local", "International")

# What the plain API and the JSON API say, by the kind of the behaviour. The rest is answered as
# for any other provider.
REFUSALS: Final = {
    "bad_key": ("Wrong UserName Or Password", "Invalid credentials"),
    "no_credits": ("Money Not Enough To Send This Batch of Msgs.", "Insufficient balance"),
    "forbidden": ("That user does not exist or user not active.", "User not active"),
    "invalid_params": ("One Of The Values Is Empty", "One of the values is empty"),
    "invalid_recipient": ("Invalid number", "Invalid number"),
}


class _SimulatedEgoSms(SimulatedVendor):
    """What both APIs have in common."""

    provider = "egosms"
    own_kinds = frozenset({"no_reference"})
    method: str
    path: str

    def __init__(self, log: RequestLog, faults: Faults) -> None:
        super().__init__(log, faults)
        if DEMO_USERNAME not in log.wallets:
            log.open_wallet(DEMO_USERNAME, DEMO_PASSWORD, DEMO_BALANCE)

    @abstractmethod
    def read_call(self, call: ReceivedCall) -> Request:
        """What a call with the right method requests. Never raises."""

    def owns(self, path: str) -> bool:
        return path.rstrip("/") == self.path

    def read(self, call: ReceivedCall) -> Request:
        return self.read_call(call) if call.method == self.method else Request(problem="not_found")

    def new_id(self) -> str:
        return secrets.token_hex(12)

    def ids(self, request: Request, *, accepts: bool) -> list[str | None]:
        """One code for all messages of a call."""
        return [self.new_id() if accepts else None] * len(request.messages)

    def magic_number(self, recipient: str) -> MagicNumber | None:
        """+1 202 555 01xx, or 256700000nnn with the same last three digits."""
        digits = recipient.removeprefix("+")
        if digits.startswith("256700000"):
            return MAGIC_NUMBERS.get(f"+12025550{digits[-3:]}")
        return MAGIC_NUMBERS.get(f"+{digits}")

    def can_pay(self, request: Request) -> bool:
        return PRICE * len(request.messages) <= self.log.wallets[request.username].balance

    def logged(self, request: Request, ids: list[str | None]) -> Mapping[str, object]:
        """Without the query and the body: they contain the password."""
        if request.username not in self.log.wallets:
            return {}
        return {"wallet": request.username, "cost": PRICE * sum(each is not None for each in ids)}

    def inbound(
        self, sender: str, text: str, receiver: str, url: str, secret: str | None
    ) -> WebhookCall:
        raise NotImplementedError("Phones cannot write through EgoSMS.")

    def report(self, sent: Sent, word: str, url: str, secret: str | None) -> WebhookCall:
        status = "Success" if word == "delivered" else "Failed"
        names = {"MsgFollowUpUniqueCode": sent.id, "number": sent.message.recipient}
        return json_call(url, secret, {**names, "Status": status})

    def request(
        self,
        username: str,
        password: str,
        messages: tuple[RequestedMessage, ...] = (),
        problem: str | None = None,
    ) -> Request:
        """What a call requests. A wrong value is refused before a wrong password."""
        wallet = self.log.wallets.get(username)
        is_known = wallet is not None and wallet.opens_with(password)
        return Request(messages, problem or (None if is_known else "bad_key"), username=username)

    def balance(self, request: Request, kind: str) -> int | str:
        balance = self.log.wallets[request.username].balance
        return {"currency_word": f"UGX {balance}", "thousands": f"{balance:,}"}.get(kind, balance)


class SimulatedEgoSmsPlain(_SimulatedEgoSms):
    """The plain API. It makes no webhook calls."""

    method, path = "GET", "/api/v1/plain"

    def read_call(self, call: ReceivedCall) -> Request:
        query = call.query
        username, password = query.get("username", ""), query.get("password", "")
        if query.get("method") == "Balance":
            problem = None if username and password else "invalid_params"
            return self.request(username, password, problem=problem)
        wanted = RequestedMessage(query.get("number", ""), query.get("message", ""))
        filled = all((username, password, wanted.recipient, wanted.text, query.get("sender")))
        problem = _problem(wanted, query.get("sender")) if filled else "invalid_params"
        return self.request(username, password, (wanted,), problem)

    def answer(self, request: Request, ids: list[str | None], kind: str) -> Response:
        word = {"lower_case": "ok", "text_amounts": " Sent\r\n"}.get(kind, "Ok")
        return 200, (word if request.messages else str(self.balance(request, kind))).encode()

    def refusal(self, kind: str) -> Response | None:
        return (200, REFUSALS[kind][0].encode()) if kind in REFUSALS else None

    def callbacks(self, request: Request, ids: list[str | None]) -> Iterator[PendingCallback]:
        return iter(())


class SimulatedEgoSmsJson(_SimulatedEgoSms):
    """The JSON API. It reports deliveries, and phones cannot reply."""

    method, path = "POST", "/api/v1/json"

    def read_call(self, call: ReceivedCall) -> Request:
        try:
            given = orjson.loads(call.body)
        except orjson.JSONDecodeError:
            given = None
        if not isinstance(given, dict) or not isinstance(given.get("userdata"), dict):
            return Request(problem="invalid_params")
        user = given["userdata"]
        username, password = _text(user.get("username")), _text(user.get("password"))
        known_wallet = "walletType" not in given or given["walletType"] in WALLETS
        items = given.get("msgdata")
        if given.get("method") == "Balance" and not items and known_wallet:
            return self.request(username, password)
        if given.get("method") != "SendSms" or not isinstance(items, list) or not known_wallet:
            return self.request(username, password, problem="invalid_params")
        messages, problem = _read_items(items)
        return self.request(username, password, messages, problem)

    def answer(self, request: Request, ids: list[str | None], kind: str) -> Response:
        answer: dict[str, object] = {
            "Status": "ok" if kind == "lower_case" else "OK",
            "Message": "Success",
        }
        amount = PRICE * len(ids) if request.messages else self.balance(request, kind)
        answer["Cost" if request.messages else "Balance"] = (
            str(amount) if kind == "text_amounts" else amount
        )
        if request.messages and kind != "no_reference":
            answer["MsgFollowUpUniqueCode"] = ids[0]
        return 200, answer | ({"Currency": "UGX"} if kind == "extra_key" else {})

    def refusal(self, kind: str) -> Response | None:
        if kind not in REFUSALS:
            return None
        return 200, {"Status": "Failed", "Message": REFUSALS[kind][1]}

    def callbacks(self, request: Request, ids: list[str | None]) -> Iterator[PendingCallback]:
        for each in super().callbacks(request, ids):
            if each.callback.report_status is not None:
                yield each


def _read_items(items: list[object]) -> tuple[tuple[RequestedMessage, ...], str | None]:
    """The messages of a call, and what is wrong with the first that is not right."""
    read = [each if isinstance(each, dict) else {} for each in items]
    messages = tuple(
        RequestedMessage(_text(each.get("number")), _text(each.get("message"))) for each in read
    )
    problems = [
        _problem(wanted, each.get("senderid"))
        or (None if each.get("priority", "1") in tuple("01234") else "invalid_params")
        for wanted, each in zip(messages, read, strict=True)
    ]
    numbers = {each.recipient for each in messages}
    right = 0 < len(messages) == len(numbers) <= MOST_NUMBERS
    return messages, next(filter(None, problems), None) if right else "invalid_params"


def _problem(wanted: RequestedMessage, sender: object) -> str | None:
    if sender is not None and (not isinstance(sender, str) or len(sender) > LONGEST_SENDER):
        return "invalid_params"
    if not 0 < len(wanted.text) <= LONGEST_TEXT:
        return "invalid_params"
    digits = wanted.recipient
    is_number = digits.isascii() and digits.isdigit() and 7 <= len(digits) <= 15
    return None if is_number else "invalid_recipient"


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
