"""Recipients that a request does not send to: a closed list of reasons, and a sentence for each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class RejectionReason(Enum):
    """Why nothing is sent to a recipient."""

    INVALID = "INVALID"
    DUPLICATE = "DUPLICATE"
    OPTED_OUT = "OPTED_OUT"
    NOT_ALLOWED = "NOT_ALLOWED"
    MISSING_VALUE = "MISSING_VALUE"


SENTENCES = {
    RejectionReason.INVALID: "This is not a valid phone number.",
    RejectionReason.DUPLICATE: "This is a duplicate. It is sent and charged once.",
    RejectionReason.OPTED_OUT: "This number has asked not to receive messages.",
    RejectionReason.NOT_ALLOWED: "This number cannot be sent to from here.",
    RejectionReason.MISSING_VALUE: "The row has no value for a placeholder of the text.",
}
"""The sentence for a reason, if nothing more exact is known."""


@dataclass(frozen=True, slots=True)
class RejectedRecipient:
    """A recipient that nothing is sent to and nothing is charged for.

    `input`: what was given, cut and made fit to be stored. `position`: from 0 in a list; for a
    file, the line on which the row begins, from 1. `message`: what is wrong, for a person to read.
    """

    input: str
    position: int
    reason: RejectionReason
    message: str
