"""How EgoSMS speaks: its JSON API as third-party callers use it, read 2026-11. Reports only."""

from __future__ import annotations

from typing import Final

from domain.inbox.webhooks import Malformed, Parsed, ReportCall
from domain.outcomes import ReportedStatus
from providers.replies import call_object, reference, word_of

# --- Constants

# "Success" was seen; the others are assumed. An unlisted word changes nothing.
STATUS_WORDS: Final = {
    "success": ReportedStatus.DELIVERED,
    "delivered": ReportedStatus.DELIVERED,
    "failed": ReportedStatus.FAILED,
    "undelivered": ReportedStatus.FAILED,
    "expired": ReportedStatus.FAILED,
}
LONGEST_WORD: Final = 128

# --- Inbound and report parsing


def read_call(body: bytes) -> Parsed:
    """What a delivery report says: one code covers a batch, so that the number tells of which."""
    said = call_object(body)
    code = reference(said.get("MsgFollowUpUniqueCode"))
    number, word = (
        word_of(said.get("number"), LONGEST_WORD),
        word_of(said.get("Status"), LONGEST_WORD),
    )
    if code is None:
        return Malformed("`MsgFollowUpUniqueCode` is missing: the code of the message.")
    if number is None:
        return Malformed("`number` is missing: whose message the report is about.")
    if word is None:
        return Malformed("`Status` is missing: what became of the message.")
    return ReportCall(code, word, STATUS_WORDS.get(word.strip().lower()), _international(number))


def _international(number: str) -> str:
    """This provider writes numbers without the plus."""
    digits = number.strip()
    return f"+{digits}" if digits.isascii() and digits.isdigit() else digits
