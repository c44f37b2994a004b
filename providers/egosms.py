"""EgoSMS: delivery reports of its JSON API, as third-party callers receive them (read 2026-11)."""

from __future__ import annotations

from typing import Final

from domain.inbox.webhooks import Malformed, Parsed, ReportCall
from domain.outcomes import ReportedStatus
from providers.replies import reference_of, short_text_of, webhook_fields

# --- Constants

# "Success" was seen; the others are assumed. A status that is not listed changes nothing.
STATUSES: Final = {
    "success": ReportedStatus.DELIVERED,
    "delivered": ReportedStatus.DELIVERED,
    "failed": ReportedStatus.FAILED,
    "undelivered": ReportedStatus.FAILED,
    "expired": ReportedStatus.FAILED,
}
LONGEST_FIELD: Final = 128

# --- Inbound and report parsing


def parse_webhook(body: bytes) -> Parsed:
    """Parses a delivery report. One code covers a batch; the number identifies the message."""
    fields = webhook_fields(body)
    code = reference_of(fields.get("MsgFollowUpUniqueCode"))
    number = short_text_of(fields.get("number"), LONGEST_FIELD)
    status = short_text_of(fields.get("Status"), LONGEST_FIELD)
    if code is None:
        return Malformed("`MsgFollowUpUniqueCode` is missing: the code of the message.")
    if number is None:
        return Malformed("`number` is missing: the recipient of the message.")
    if status is None:
        return Malformed("`Status` is missing: the status of the message.")
    return ReportCall(code, status, STATUSES.get(status.strip().lower()), _international(number))


def _international(number: str) -> str:
    """The number with a plus: this provider omits it."""
    digits = number.strip()
    return f"+{digits}" if digits.isascii() and digits.isdigit() else digits
