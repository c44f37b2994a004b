"""Audits of the ledger, as the API shows them."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain.ids import Kind
from domain.ledger import audits as domain
from domain.ledger.audits import AuditState
from resolvers.ledger import audits
from schema import errors
from schema.connections import connection_field
from schema.fields import described, mutation_field, resolved_field
from schema.nodes import Node
from schema.values import id_of, represents


@strawberry.type(
    description="An audit: it compares balances with transfers, and charges with messages."
)
@represents(domain.Audit)
class LedgerAudit(Node):
    id: strawberry.ID = id_of(Kind.AUDIT)
    state: AuditState = described("Only a FINISHED audit proves something.")
    started_at: datetime = described("When it started.")
    finished_at: datetime | None = described("When it finished; null if it has not.")
    proven_until: datetime | None = described(
        "The end of the closed month whose checkpoint it started from; null if it "
        "started from the beginning."
    )
    percent: int = described("About how much is checked; 100 at the end.")
    holds: bool = described("Whether no violation was found (so far).")
    accounts_checked: int = described("Number of accounts.")
    transfers_checked: int = described("Number of transfers.")
    messages_checked: int = described("Number of messages.")
    violations: list[str] = described("What is wrong, in words; the first 100.")
    checked_at: datetime = described(
        "When the audit was done; before that, when it last made progress."
    )


@strawberry.type
class AuditQuery:
    ledger_audit = resolved_field(
        audits.ledger_audit,
        LedgerAudit,
        description="The last finished audit of the ledger: every balance recomputed from the "
        "transfers, every message compared with its charge. startLedgerAudit runs a new one. If "
        "there was never one, this starts it: after 30 s it answers RATE_LIMITED, and the audit "
        "continues.",
    )
    ledger_audits = connection_field(
        audits.ledger_audits,
        LedgerAudit,
        description="All audits, newest first: also the one that is running.",
    )


@strawberry.type
class AuditMutation:
    start_ledger_audit = mutation_field(
        audits.start_ledger_audit,
        LedgerAudit,
        refusals=(errors.AlreadyRunning,),
        description="Starts an audit in the background: it recomputes every balance and changes "
        "nothing. It starts from the checkpoint of the last closed month; with full, it starts "
        "from the beginning and computes every checkpoint again. Only one audit runs at a time. "
        "Follow it with ledgerAuditProgress.",
    )
