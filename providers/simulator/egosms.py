"""The EgoSMS accounts of the simulator: the plain API and the JSON API (see providers.egosms).

The vendor's clients work against it: it answers with the keys that they know, and without a
redirect if the last slash of a path is missing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import orjson

from providers.simulator.behaviours import (
    BEHAVIOURS,
    MAGIC_NUMBERS,
    Behaviour,
    CountedCalls,
    MagicNumber,
    behaviour_of,
)
from providers.simulator.calls import PendingCallback, PlannedResponse, json_call
from providers.simulator.faults import Faults
from providers.simulator.formats import LONGEST_TEXT, Endpoint, RequestedMessage, new_id
from providers.simulator.request_log import LoggedMessage, RequestLog

PLAIN_PATH: Final = "/api/v1/plain"
JSON_PATH: Final = "/api/v1/json"
PRICE: Final = 35
"""What a message costs, in the currency of the account."""

DEMO_USERNAME: Final = "school"
DEMO_PASSWORD: Final = "simulated-school"  # noqa: S105 - opens nothing but the simulator
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


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call asks for. `problem` is the kind of refusal if the call is not right."""

    is_json: bool
    username: str
    password: str
    messages: tuple[RequestedMessage, ...] = ()
    problem: str | None = None


def is_egosms(path: str) -> bool:
    """Whether a path is one of EgoSMS."""
    return path.rstrip("/") in (PLAIN_PATH, JSON_PATH)


def report_body(code: str, number: str, word: str) -> dict[str, object]:
    """A delivery report."""
    status = "Success" if word == "delivered" else "Failed"
    return {"MsgFollowUpUniqueCode": code, "number": number, "Status": status}


class EgoAccounts:
    """The EgoSMS accounts, which share the log and the faults of the other provider."""

    def __init__(self, log: RequestLog, faults: Faults) -> None:
        self._log = log
        self._faults = faults
        self._counted = CountedCalls()
        if DEMO_USERNAME not in log.wallets:
            log.open_wallet(DEMO_USERNAME, DEMO_PASSWORD, DEMO_BALANCE)

    def receive(self, endpoint: Endpoint, query: Mapping[str, str], body: bytes) -> PlannedResponse:
        """The response to a call. The call is in the log before anything is sent back."""
        method, path = endpoint
        is_json = path.rstrip("/") == JSON_PATH
        asked = _read_json(body) if is_json else _read_plain(query)
        fault = self._faults.next_for(path)
        right_method = method == ("POST" if is_json else "GET")
        behaviour = self._behaviour(asked, fault, right_method=right_method)
        code = new_id() if behaviour.accepts and asked.messages else None
        planned = self._planned(asked, behaviour, code)
        self._write(method, path, asked, planned, code)
        callbacks = tuple(_callbacks(asked, code)) if code is not None and is_json else ()
        return PlannedResponse(behaviour, planned.status, planned.body, callbacks)

    def _behaviour(self, asked: Asked, fault: Behaviour | None, *, right_method: bool) -> Behaviour:
        wallet = self._log.wallets.get(asked.username)
        is_known = wallet is not None and wallet.opens_with(asked.password)
        problem = asked.problem or (None if is_known else "bad_key")
        return behaviour_of(
            fault,
            problem if right_method else "not_found",
            lambda: self._magic(asked),
            lambda: wallet is not None and PRICE * len(asked.messages) <= wallet.balance,
        )

    def _magic(self, asked: Asked) -> Behaviour:
        """The behaviour of the whole call: that of the first magic number among its recipients."""
        for message in asked.messages:
            magic = _magic_number(message)
            if magic is not None and self._counted.refuses(magic):
                return BEHAVIOURS[magic.kind]
        return BEHAVIOURS["accept"]

    def _planned(self, asked: Asked, behaviour: Behaviour, code: str | None) -> PlannedResponse:
        kind = behaviour.kind
        if behaviour.ending in ("hang", "reset"):
            return PlannedResponse(behaviour, None)
        if kind in REFUSALS:
            plain, message = REFUSALS[kind]
            failed = orjson.dumps({"Status": "Failed", "Message": message})
            return PlannedResponse(behaviour, 200, failed if asked.is_json else plain.encode())
        if behaviour.status is not None and kind != "no_reference":
            body = behaviour.body
            return PlannedResponse(
                behaviour, behaviour.status, body if isinstance(body, bytes) else orjson.dumps(body)
            )
        if asked.is_json:
            return PlannedResponse(
                behaviour, 200, orjson.dumps(self._json_answer(asked, kind, code))
            )
        return PlannedResponse(behaviour, 200, self._plain_answer(asked, kind).encode())

    def _plain_answer(self, asked: Asked, kind: str) -> str:
        if asked.messages:
            return {"lower_case": "ok", "text_amounts": " Sent\r\n"}.get(kind, "Ok")
        return str(self._balance(asked, kind))

    def _json_answer(self, asked: Asked, kind: str, code: str | None) -> dict[str, object]:
        answer: dict[str, object] = {
            "Status": "ok" if kind == "lower_case" else "OK",
            "Message": "Success",
        }
        if asked.messages:
            cost = PRICE * len(asked.messages)
            answer["Cost"] = str(cost) if kind == "text_amounts" else cost
            if kind != "no_reference":
                answer["MsgFollowUpUniqueCode"] = code
        else:
            balance = self._balance(asked, kind)
            answer["Balance"] = str(balance) if kind == "text_amounts" else balance
        return answer | ({"Currency": "UGX"} if kind == "extra_key" else {})

    def _balance(self, asked: Asked, kind: str) -> int | str:
        balance = self._log.wallets[asked.username].balance
        return {"currency_word": f"UGX {balance}", "thousands": f"{balance:,}"}.get(kind, balance)

    def _write(
        self, method: str, path: str, asked: Asked, planned: PlannedResponse, code: str | None
    ) -> None:
        """Logs a call without its query and its body: they contain the password."""
        request: dict[str, object] = {
            "method": method,
            "path": path,
            "behaviour": planned.behaviour.kind,
            "status": planned.status,
        }
        if asked.username in self._log.wallets:
            cost = 0 if code is None else PRICE * len(asked.messages)
            request |= {"wallet": asked.username, "cost": cost}
        self._log.add_request(
            request,
            [
                LoggedMessage(
                    recipient=each.recipient, text=each.text, took=code is not None, id=code
                )
                for each in asked.messages
            ],
        )


def _magic_number(message: RequestedMessage) -> MagicNumber | None:
    """+1 202 555 01xx, or 256700000nnn with the same last three digits."""
    digits = message.recipient.removeprefix("+")
    if digits.startswith("256700000"):
        return MAGIC_NUMBERS.get(f"+12025550{digits[-3:]}")
    return MAGIC_NUMBERS.get(f"+{digits}")


def _callbacks(asked: Asked, code: str) -> Iterator[PendingCallback]:
    """The reports on accepted messages. Phones cannot reply through EgoSMS."""
    for message in asked.messages:
        magic = _magic_number(message)
        for callback in BEHAVIOURS[magic.kind].callbacks if magic else ():
            if callback.report_status is not None:
                body = report_body(code, message.recipient, callback.report_status)
                yield PendingCallback(callback, json_call(body), provider="egosms")


def _read_plain(query: Mapping[str, str]) -> Asked:
    username, password = query.get("username", ""), query.get("password", "")
    if query.get("method") == "Balance":
        problem = None if username and password else "invalid_params"
        return Asked(False, username, password, problem=problem)
    wanted = RequestedMessage(query.get("number", ""), query.get("message", ""))
    filled = all((username, password, wanted.recipient, wanted.text, query.get("sender")))
    problem = _problem(wanted, query.get("sender")) if filled else "invalid_params"
    return Asked(False, username, password, (wanted,), problem)


def _read_json(body: bytes) -> Asked:
    """What a body asks for. Never raises."""
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError:
        asked = None
    if not isinstance(asked, dict) or not isinstance(asked.get("userdata"), dict):
        return Asked(True, "", "", problem="invalid_params")
    username, password = (_text(asked["userdata"].get(key)) for key in ("username", "password"))
    known_wallet = "walletType" not in asked or asked["walletType"] in WALLETS
    if asked.get("method") == "Balance" and not asked.get("msgdata") and known_wallet:
        return Asked(True, username, password)
    items = asked.get("msgdata")
    if asked.get("method") != "SendSms" or not isinstance(items, list) or not known_wallet:
        return Asked(True, username, password, problem="invalid_params")
    read = [each if isinstance(each, dict) else {} for each in items]
    messages = tuple(
        RequestedMessage(_text(each.get("number")), _text(each.get("message"))) for each in read
    )
    numbers = {each.recipient for each in messages}
    problems = [
        _problem(wanted, each.get("senderid"))
        or (None if each.get("priority", "1") in tuple("01234") else "invalid_params")
        for wanted, each in zip(messages, read, strict=True)
    ]
    right = 0 < len(messages) == len(numbers) <= MOST_NUMBERS
    problem = next(filter(None, problems), None) if right else "invalid_params"
    return Asked(True, username, password, messages, problem)


def _problem(wanted: RequestedMessage, sender: object) -> str | None:
    if sender is not None and (not isinstance(sender, str) or len(sender) > LONGEST_SENDER):
        return "invalid_params"
    if not 0 < len(wanted.text) <= LONGEST_TEXT:
        return "invalid_params"
    digits = wanted.recipient
    return (
        None
        if digits.isascii() and digits.isdigit() and 7 <= len(digits) <= 15
        else ("invalid_recipient")
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
