"""What the simulator can be made to do with a call: a closed list, and the numbers that ask for it.

The numbers are of the range that is kept for fiction (+1 202 555 0100 to 0199).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

HTML: Final = b"<!DOCTYPE html><html><head><title>%s</title></head><body>%s</body></html>"
FAILED: Final = "failed"
# A line that "answers" ends as HTTP says; "hangs" is silent until it is dropped; "resets" is broken
# off at once; "cuts" breaks off in the middle of the body.
Line = Literal["answers", "hangs", "resets", "cuts"]


@dataclass(frozen=True, slots=True)
class Telling:
    """Something that a message makes the simulator call a webhook with.

    `word`: of a delivery report; None for a phone that answers with the text that it was sent.
    `early`: it is told before the call is answered; else so many seconds after that.
    """

    word: str | None
    seconds: float = 0.0
    early: bool = False


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One thing to do with a call. Where `status` is None the format's own answer is given.

    `seconds` is the wait before that; where it `asks_to_wait`, the Retry-After in its answer.
    """

    kind: str
    about: str
    takes: bool = False
    status: int | None = None
    body: bytes | dict[str, object] = b""
    line: Line = "answers"
    seconds: float = 0.0
    asks_to_wait: bool = False
    tells: tuple[Telling, ...] = ()


@dataclass(frozen=True, slots=True)
class MagicNumber:
    """A number that asks for a behaviour; after `refusals` of it in a row it is taken once."""

    number: str
    kind: str
    refusals: int | None = None


def _refusal(error: str, code: str) -> dict[str, object]:
    return {"success": False, "error": error, "code": code}


BEHAVIOURS: Final = {
    behaviour.kind: behaviour
    for behaviour in (
        Behaviour("accept", "taken and answered as it should be", takes=True),
        Behaviour(
            "invalid_recipient",
            "refused: the number cannot be reached",
            status=400,
            body=_refusal("Invalid recipient", "INVALID_RECIPIENT"),
        ),
        Behaviour(
            "invalid_params",
            "refused: the message cannot be sent as it stands",
            status=400,
            body=_refusal("Invalid parameters", "INVALID_PARAMS"),
        ),
        Behaviour(
            "no_credits",
            "refused: the account has no credits left",
            status=402,
            body=_refusal("Insufficient credits", "INSUFFICIENT_CREDITS"),
        ),
        Behaviour(
            "bad_key",
            "refused: the account's key is wrong",
            status=401,
            body={"error": "Invalid API key"},
        ),
        Behaviour(
            "forbidden",
            "refused: the account is not allowed to send",
            status=403,
            body={"success": False, "error": "Forbidden"},
        ),
        Behaviour(
            "rate_limited",
            "not taken: 429 with Retry-After",
            status=429,
            body={"success": False, "error": "Too many requests"},
            seconds=1.0,
            asks_to_wait=True,
        ),
        Behaviour(
            "unavailable",
            "not taken: 503 that says so, with Retry-After",
            status=503,
            body={"success": False, "error": "Down for maintenance"},
            seconds=1.0,
            asks_to_wait=True,
        ),
        Behaviour(
            "unavailable_html",
            "not taken, but the answer (503, HTML) does not say so",
            status=503,
            body=HTML % (b"503 Service Unavailable", b"No server is available."),
        ),
        Behaviour(
            "broken",
            "not taken, but the answer (500) does not say so",
            status=500,
            body={"success": False, "error": "Internal server error"},
        ),
        Behaviour(
            "not_found",
            "not taken: the HTML of a wrong path",
            status=404,
            body=HTML % (b"404 Not Found", b"Cannot find this page."),
        ),
        Behaviour("hang_before", "not taken, never answered", line="hangs", seconds=60.0),
        Behaviour("hang_after", "taken, never answered", takes=True, line="hangs", seconds=60.0),
        Behaviour("reset_before", "not taken, the line is reset", line="resets"),
        Behaviour("reset_after", "taken, then the line is reset", takes=True, line="resets"),
        Behaviour("cut", "taken, the answer breaks off in the middle", takes=True, line="cuts"),
        Behaviour("slow", "taken, answered late", takes=True, seconds=2.0),
        Behaviour(
            "html",
            "taken, answered with HTML",
            takes=True,
            status=200,
            body=HTML % (b"Welcome", b"It works."),
        ),
        Behaviour("empty", "taken, answered with nothing", takes=True, status=200),
        Behaviour(
            "wrong_types",
            "taken, answered with JSON of wrong types",
            takes=True,
            status=200,
            body={"success": "yes", "messageId": {"id": 7}, "messageIds": "7", "results": True},
        ),
        Behaviour(
            "no_reference",
            "taken, answered without an id",
            takes=True,
            status=200,
            body={"success": True, "status": "queued"},
        ),
        Behaviour(
            "phone",
            "taken, and the phone answers with the same text",
            takes=True,
            tells=(Telling("delivered"), Telling(None, seconds=0.5)),
        ),
        Behaviour(
            "report_late",
            "taken; reported as delivered 3 seconds later",
            takes=True,
            tells=(Telling("delivered", seconds=3.0),),
        ),
        Behaviour(
            "report_twice",
            "taken; reported as delivered, twice",
            takes=True,
            tells=(Telling("delivered"), Telling("delivered", seconds=0.5)),
        ),
        Behaviour(
            "report_early",
            "taken; reported as delivered before the answer",
            takes=True,
            tells=(Telling("delivered", early=True),),
        ),
        Behaviour(
            "report_failed",
            "taken; reported as not delivered",
            takes=True,
            tells=(Telling(FAILED),),
        ),
    )
}

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


def table_of_numbers() -> str:
    """The magic numbers as a Markdown table, for the documents to quote."""
    rows = [_row(magic) for magic in MAGIC_NUMBERS.values()]
    return "\n".join(["| number | what becomes of a message to it |", "|---|---|", *rows])


def _row(magic: MagicNumber) -> str:
    often = {None: "", 1: "; the next one passes", 2: " twice; the third one passes"}
    number = f"{magic.number[:2]} {magic.number[2:5]} {magic.number[5:8]} {magic.number[8:]}"
    return f"| {number} | {BEHAVIOURS[magic.kind].about}{often[magic.refusals]} |"
