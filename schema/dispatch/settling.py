"""Settling many UNKNOWN messages, as the API shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from domain.dispatch import messages
from resolvers.dispatch import settling
from schema import errors
from schema.fields import described, resolved_field
from schema.values import Units, represents


@strawberry.type(description="UNKNOWN messages of the accounts that have the same unit.")
@represents(messages.UnknownTotal)
class UnknownTotal:
    unit: str = described('The unit of these accounts, such as "credit".')
    messages: int = described("How many messages.")
    units: Units = described("What was charged for them. It is given back if they were not taken.")


@strawberry.type(
    description="The messages that settleUnknowns has settled, or in a dry run those that match."
)
@represents(messages.SettledUnknowns)
class SettledUnknowns:
    dry_run: bool = described("True if nothing was changed.")
    messages: int = described("How many messages, in all units.")
    totals: list[UnknownTotal] = described("The same messages by unit.")
    remaining: int = described(
        "UNKNOWN messages that match and are not settled. One call ends after 20"
        " seconds: if this is not 0, repeat the call."
    )
    attempted_before: datetime = described(
        "The filter's attemptedBefore; the present time if a dry run had none. Use it"
        " in the call that settles."
    )


SettleUnknownsResult = Annotated[
    SettledUnknowns | errors.InvalidInput | errors.NotFound,
    strawberry.union("SettleUnknownsResult", description="What was settled, or why nothing was."),
]


@strawberry.type
class DispatchMutation:
    settle_unknowns = resolved_field(
        settling.settle_unknowns,
        SettleUnknownsResult,
        description="Settles all UNKNOWN messages that match: the provider took them, or it did not"
        " (then their charges are given back). Begin with dryRun. Safe to repeat.",
    )
