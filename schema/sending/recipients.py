"""A rejected recipient, as sends, quotes, imports and errors show it."""

from __future__ import annotations

import strawberry

from domain import errors
from domain.errors import RejectionReason
from schema.fields import described
from schema.values import represents


@strawberry.type(description="A recipient that nothing is sent to and nothing is charged for.")
@represents(errors.RejectedRecipient)
class RejectedRecipient:
    input: str = described("What was given, cut to 64 characters.")
    position: int = described(
        "In a list, from 0. In a file: the line on which its row begins, from 1."
    )
    reason: RejectionReason = described("Why nothing is sent to it.")
    message: str = described("What is wrong and how to fix it, as a sentence for a person.")
