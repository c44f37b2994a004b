"""Reconciliations, as the API shows them."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain.ids import Kind
from domain.ledger import reconciliation
from resolvers.ledger import reconcile
from schema import errors
from schema.connections import connection_field
from schema.fields import described, mutation_field, resolved_field
from schema.identity.directory import Client
from schema.nodes import Node
from schema.values import Units, id_of, represents


@strawberry.type(
    description="A send, or an imported line, whose charge does not match its messages."
)
@represents(reconciliation.Difference)
class ReconciliationDifference:
    client = resolved_field(reconcile.clients_of, Client, description="The client of the send.")
    send_id: strawberry.ID | None = id_of(
        Kind.SEND, description="Null for a line that was imported from another system's log."
    )
    expected: Units = described(
        "The price of the messages that the provider accepted or that are not decided."
    )
    found: Units = described("What the client had paid: charge, refunds and earlier corrections.")
    corrected: bool = described("False in a dry run.")
    explanation: str = described("The difference and its correction in words.")


@strawberry.type(description="One comparison of all charges with their messages.")
@represents(reconciliation.Reconciliation)
class Reconciliation(Node):
    id: strawberry.ID = id_of(Kind.RECONCILIATION)
    started_at: datetime = described("When it started.")
    finished_at: datetime | None = described("When it finished; null while it runs.")
    interrupted: bool = described(
        "Whether its process ended before everything was compared. What it has "
        "corrected stays corrected."
    )
    dry_run: bool = described("Whether it only looks and corrects nothing.")
    sends_checked: int = described("Sends and imported lines that were compared so far.")
    messages_checked: int = described("Their messages.")
    charged_missing: Units = described(
        "Missing units that were charged. In a dry run: that would be charged."
    )
    refunded_excess: Units = described(
        "Excess units that were refunded. In a dry run: that would be refunded."
    )
    unknown_resolved: int = described(
        "Messages that were UNKNOWN at the start and were settled during the run."
    )
    unknown_left: int = described(
        "Messages that are UNKNOWN: nobody knows whether the provider accepted them."
    )
    differences = resolved_field(
        reconcile.differences_of,
        list[ReconciliationDifference],
        description="What was found; the first 1,000.",
    )


@strawberry.type
class ReconcileQuery:
    reconciliations = connection_field(
        reconcile.reconciliations, Reconciliation, description="All reconciliations, newest first."
    )


@strawberry.type
class ReconcileMutation:
    reconcile = mutation_field(
        reconcile.reconcile,
        Reconciliation,
        refusals=(errors.AlreadyRunning,),
        description="Finds charges that are missing or too high, and corrects each of them once. "
        "Answers when it is finished, or after 30 s with finishedAt null.",
    )
