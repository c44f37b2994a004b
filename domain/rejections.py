"""What is said of a recipient that nothing is sent to: a closed list of reasons."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class RejectionReason(Enum):
    """Why nothing is sent to a recipient."""

    INVALID = "INVALID"
    DUPLICATE = "DUPLICATE"
    OPTED_OUT = "OPTED_OUT"
    NOT_ALLOWED = "NOT_ALLOWED"


@dataclass(frozen=True, slots=True)
class RejectedRecipient:
    """A recipient that nothing is sent to and nothing is charged for.

    `input` is what was given, cut and made fit to be stored. `position` counts from 0 in a list;
    of a file it is the line on which the row begins, which counts from 1.
    """

    input: str
    position: int
    reason: RejectionReason
