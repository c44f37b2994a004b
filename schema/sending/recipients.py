"""Recipients that were not accepted, as quotes, sends and refusals show them."""

from __future__ import annotations

import strawberry

from domain import rejections
from domain.rejections import RejectionReason
from schema.binding import stands_for


@strawberry.type
@stands_for(rejections.RejectedRecipient)
class RejectedRecipient:
    input: str
    position: int = strawberry.field(
        description="In a list, from 0. In a file: the line on which its row begins, from 1."
    )
    reason: RejectionReason
