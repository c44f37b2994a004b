"""The behaviours of the simulator, and the magic numbers that select them.

The numbers are from the range that is reserved for fiction (+1 202 555 0100 to 0199).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

HTML: Final = b"<!DOCTYPE html><html><head><title>%s</title></head><body>%s</body></html>"
FAILED: Final = "failed"
# How a call ends. "hang": no response; "reset": the connection is reset at once; "cut": the
# connection is closed in the middle of the body.
Ending = Literal["response", "hang", "reset", "cut"]


@dataclass(frozen=True, slots=True)
class Callback:
    """A webhook call that a message causes.

    `report_status`: the status in a delivery report; None for an inbound message with the same
    text. `before_response`: make the call before the response; else `delay_seconds` after it.
    """

    report_status: str | None
    delay_seconds: float = 0.0
    before_response: bool = False


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the simulator responds to a call. If `status` is None, with the usual response.

    `accepts`: the messages are accepted. `seconds`: the wait before the response or, if it
    `asks_to_wait`, the Retry-After in it.
    """

    kind: str
    description: str
    accepts: bool = False
    status: int | None = None
    body: bytes | dict[str, object] = b""
    ending: Ending = "response"
    seconds: float = 0.0
    asks_to_wait: bool = False
    callbacks: tuple[Callback, ...] = ()


@dataclass(frozen=True, slots=True)
class MagicNumber:
    """A number that selects a behaviour. After `refusals` calls, one call is accepted."""

    number: str
    kind: str
    refusals: int | None = None


def _refused(
    kind: str, why: str, status: int, error: str, *, code: str | None = None, wait: float = 0.0
) -> Behaviour:
    """A response in JSON that accepts nothing. `wait`: the Retry-After in it."""
    body = {"success": False, "error": error, **({"code": code} if code else {})}
    return Behaviour(kind, why, status=status, body=body, seconds=wait, asks_to_wait=wait > 0)


def _accepted(kind: str, how: str, **more: Any) -> Behaviour:
    return Behaviour(kind, f"accepted; {how}", accepts=True, **more)


def _called_back(kind: str, how: str, *callbacks: Callback) -> Behaviour:
    return _accepted(kind, how, callbacks=callbacks)


_WRONG_TYPES = {"success": "yes", "messageId": {"id": 7}, "messageIds": "7", "results": True}
_UNAVAILABLE = HTML % (b"503 Service Unavailable", b"No server is available.")
_NOT_FOUND = HTML % (b"404 Not Found", b"Cannot find this page.")
_WELCOME = HTML % (b"Welcome", b"It works.")
# fmt: off
_LISTED = (
    Behaviour("accept", "accepted, with the usual response", accepts=True),
    _refused("invalid_recipient", "refused: the number is not valid",
             400, "Invalid recipient", code="INVALID_RECIPIENT"),
    _refused("invalid_params", "refused: the message is not valid",
             400, "Invalid parameters", code="INVALID_PARAMS"),
    _refused("no_credits", "refused: the account has no credits left",
             402, "Insufficient credits", code="INSUFFICIENT_CREDITS"),
    Behaviour("bad_key", "refused: the account's key is wrong",
              status=401, body={"error": "Invalid API key"}),
    _refused("duplicate", "refused: a message with this ID was accepted before", 409, "Duplicate"),
    _refused("forbidden", "refused: the account is not allowed to send", 403, "Forbidden"),
    _refused("rate_limited", "not accepted: 429 with Retry-After",
             429, "Too many requests", wait=1.0),
    _refused("unavailable", "not accepted: 503 that says so, with Retry-After",
             503, "Down for maintenance", wait=1.0),
    Behaviour("unavailable_html", "not accepted, but the response (503, HTML) does not say so",
              status=503, body=_UNAVAILABLE),
    _refused("broken", "not accepted, but the response (500) does not say so",
             500, "Internal server error"),
    Behaviour("not_found", "not accepted: the HTML page of a wrong path",
              status=404, body=_NOT_FOUND),
    Behaviour("hang_before", "not accepted; no response", ending="hang", seconds=60.0),
    _accepted("hang_after", "no response", ending="hang", seconds=60.0),
    Behaviour("reset_before", "not accepted; the connection is reset", ending="reset"),
    _accepted("reset_after", "the connection is reset", ending="reset"),
    _accepted("cut", "half a response", ending="cut"),
    _accepted("slow", "a late response", seconds=2.0),
    _accepted("html", "the response is HTML", status=200, body=_WELCOME),
    _accepted("empty", "the response is empty", status=200),
    _accepted("wrong_types", "the response is JSON with wrong types",
              status=200, body=_WRONG_TYPES),
    _accepted("no_reference", "the response has no ID",
              status=200, body={"success": True, "status": "queued"}),
    # These change only responses of EgoSMS.
    _accepted("extra_key", "the response has an undocumented key"),
    _accepted("lower_case", "the response has other capital letters"),
    _accepted("text_amounts", "the response has amounts as texts"),
    _accepted("currency_word", "a balance comes with its currency"),
    _accepted("thousands", "a balance comes with separators"),
    _called_back("phone", "the phone replies with the same text",
                 Callback("delivered"), Callback(None, delay_seconds=0.5)),
    _called_back("report_late", "reported as delivered 3 seconds later",
                 Callback("delivered", delay_seconds=3.0)),
    _called_back("report_twice", "reported as delivered, twice",
                 Callback("delivered"), Callback("delivered", delay_seconds=0.5)),
    _called_back("report_early", "reported as delivered before the response",
                 Callback("delivered", before_response=True)),
    _called_back("report_failed", "reported as not delivered", Callback(FAILED)),
)
# fmt: on
BEHAVIOURS: Final = {behaviour.kind: behaviour for behaviour in _LISTED}

MAGIC_NUMBERS: Final = {
    magic.number: magic
    for magic in (
        MagicNumber("+12025550160", "invalid_recipient"),
        MagicNumber("+12025550161", "invalid_params"),
        MagicNumber("+12025550162", "no_credits", refusals=1),
        MagicNumber("+12025550163", "hang_after"),
        MagicNumber("+12025550164", "hang_before"),
        MagicNumber("+12025550165", "reset_after"),
        MagicNumber("+12025550166", "reset_before"),
        MagicNumber("+12025550167", "rate_limited", refusals=2),
        MagicNumber("+12025550168", "unavailable", refusals=2),
        MagicNumber("+12025550169", "unavailable_html"),
        MagicNumber("+12025550170", "broken"),
        MagicNumber("+12025550171", "slow"),
        MagicNumber("+12025550172", "html"),
        MagicNumber("+12025550173", "empty"),
        MagicNumber("+12025550174", "cut"),
        MagicNumber("+12025550175", "wrong_types"),
        MagicNumber("+12025550176", "no_reference"),
        MagicNumber("+12025550177", "phone"),
        MagicNumber("+12025550178", "report_late"),
        MagicNumber("+12025550179", "report_twice"),
        MagicNumber("+12025550180", "report_early"),
        MagicNumber("+12025550181", "report_failed"),
    )
}


class CountedCalls:
    """The calls to the magic numbers that refuse a few times."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def refuses(self, magic: MagicNumber) -> bool:
        """False once after every `refusals` calls: then the number is accepted."""
        if magic.refusals is None:
            return True
        self._counts[magic.number] = (self._counts[magic.number] + 1) % (magic.refusals + 1)
        return self._counts[magic.number] != 0


def behaviour_of(
    fault: Behaviour | None,
    problem: str | None,
    by_numbers: Callable[[], Behaviour],
    can_pay: Callable[[], bool],
) -> Behaviour:
    """The next fault if there is one. A fault that accepts messages needs a valid request.

    `problem`: what is wrong with the request. `by_numbers`: that of the first magic number among
    the recipients. `can_pay`: whether the balance is enough for the messages.
    """
    if fault is not None and not fault.accepts:
        return fault
    if problem is not None:
        return BEHAVIOURS[problem]
    behaviour = fault or by_numbers()
    return behaviour if not behaviour.accepts or can_pay() else BEHAVIOURS["no_credits"]
