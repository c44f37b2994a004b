"""Tortoise models of the ledger tables. `persistence.identity.models` explains the rules."""

from __future__ import annotations

from tortoise import fields
from tortoise.fields.db_defaults import Now, SqlDefault
from tortoise.models import Model


class ProviderAccount(Model):
    """An account at an upstream provider, and the balance that the provider reported.

    `credentials`: encrypted; set at `credentials_set_at`. `configuration`: its other values; None
    if the settings have them. `reading_*`: see `domain.ledger.sync`. `paused_*`: the provider
    refused the account. `stopped_at`: a person has paused it. `restored_at`: the database was
    restored then, and does not know all that was submitted before.
    """

    id = fields.UUIDField(primary_key=True)
    provider = fields.TextField()
    name = fields.TextField(null=True)
    owner_client_id = fields.UUIDField(null=True)
    is_default = fields.BooleanField(db_default=False)
    account_id = fields.UUIDField()
    unit = fields.TextField()
    price = fields.BigIntField()
    valuation = fields.TextField(db_default="AS_IS")
    credentials = fields.BinaryField(null=True)
    credentials_set_at = fields.DatetimeField(null=True)
    configuration = fields.JSONField[dict[str, str]](null=True)
    epoch = fields.BigIntField(db_default=0)
    reading_until = fields.DatetimeField(null=True)
    reading_by = fields.UUIDField(null=True)
    reading_raw = fields.TextField(null=True)
    read_at = fields.DatetimeField(null=True)
    read_failed_at = fields.DatetimeField(null=True)
    paused_at = fields.DatetimeField(null=True)
    pause_reason = fields.TextField(null=True)
    stopped_at = fields.DatetimeField(null=True)
    restored_at = fields.DatetimeField(null=True)
    probe_at = fields.DatetimeField(null=True)
    rate_per_second = fields.IntField(null=True)
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "provider_account"


class Account(Model):
    """A node of the tree: what it holds itself, and its gapless version.

    `departed_version`: what moves of clients between groups add or subtract, so that the version
    of no figure ever decreases. `arrears`: how far below zero reconcile had to take it.
    """

    id = fields.UUIDField(primary_key=True)
    kind = fields.TextField()
    provider_account_id = fields.UUIDField()
    parent_id = fields.UUIDField(null=True)
    held = fields.BigIntField(db_default=0)
    version = fields.BigIntField(db_default=0)
    departed_version = fields.BigIntField(db_default=0)
    arrears = fields.BigIntField(db_default=0)
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "account"


class Transfer(Model):
    """A movement of units. The database refuses to change or delete a row."""

    id = fields.UUIDField(primary_key=True)
    provider_account_id = fields.UUIDField()
    kind = fields.TextField()
    source_id = fields.UUIDField(null=True)
    destination_id = fields.UUIDField(null=True)
    amount = fields.BigIntField()
    source_balance = fields.BigIntField(null=True)
    source_version = fields.BigIntField(null=True)
    destination_balance = fields.BigIntField(null=True)
    destination_version = fields.BigIntField(null=True)
    send_id = fields.UUIDField(null=True)
    message_id = fields.UUIDField(null=True)
    sync_id = fields.UUIDField(null=True)
    actor_id = fields.UUIDField(null=True)
    note = fields.TextField(null=True)
    rate_usd = fields.DecimalField(max_digits=18, decimal_places=6, null=True)
    value_usd = fields.DecimalField(max_digits=24, decimal_places=2, null=True)
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "transfer"


class Sync(Model):
    """One reading of a provider's balance and what it did to the pool."""

    id = fields.UUIDField(primary_key=True)
    provider_account_id = fields.UUIDField()
    reading_raw = fields.TextField()
    reading = fields.BigIntField()
    in_flight = fields.BigIntField()
    pool_before = fields.BigIntField()
    pool_after = fields.BigIntField()
    epoch = fields.BigIntField()
    actor_id = fields.UUIDField(null=True)
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "sync"


class IdempotencyKey(Model):
    """A key that was used, the hash of the input it came with, and the answer that was given."""

    scope_id = fields.UUIDField()
    key = fields.TextField()
    id = fields.UUIDField(primary_key=True)
    input_hash = fields.BinaryField()
    answer = fields.JSONField[dict[str, object]]()
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "idempotency_key"


class Reconciliation(Model):
    """One run of reconcile. `heartbeat_at`: when it last made progress."""

    id = fields.UUIDField(primary_key=True)
    actor_id = fields.UUIDField(null=True)
    dry_run = fields.BooleanField(db_default=False)
    since = fields.DatetimeField(null=True)
    started_at = fields.DatetimeField(db_default=Now())
    heartbeat_at = fields.DatetimeField(db_default=Now())
    finished_at = fields.DatetimeField(null=True)
    sends_checked = fields.BigIntField(db_default=0)
    messages_checked = fields.BigIntField(db_default=0)
    charged_missing = fields.BigIntField(db_default=0)
    refunded_excess = fields.BigIntField(db_default=0)
    unknown_before = fields.BigIntField(db_default=0)
    unknown_resolved = fields.BigIntField(db_default=0)
    unknown_left = fields.BigIntField(db_default=0)
    interrupted = fields.BooleanField(db_default=False)

    class Meta:
        table = "reconciliation"


class ReconciliationDifference(Model):
    """A send whose transfers did not match its messages, and what was done about it.

    `imported_line_id`, without a send: a line of another system's log. One transfer corrects many
    of them: `transfer_id`.
    """

    id = fields.UUIDField(primary_key=True)
    reconciliation_id = fields.UUIDField()
    client_id = fields.UUIDField()
    send_id = fields.UUIDField(null=True)
    imported_line_id = fields.UUIDField(null=True)
    transfer_id = fields.UUIDField(null=True)
    expected = fields.BigIntField()
    found = fields.BigIntField()
    corrected = fields.BooleanField()
    in_reading = fields.BooleanField(db_default=False)
    explanation = fields.TextField()
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "reconciliation_difference"


class LowBalance(Model):
    """A client held less than its threshold, until `ended_at`. An event for its webhooks."""

    id = fields.UUIDField(primary_key=True)
    client_id = fields.UUIDField()
    threshold = fields.BigIntField()
    balance = fields.BigIntField()
    noticed_at = fields.DatetimeField(db_default=Now())
    ended_at = fields.DatetimeField(null=True)

    class Meta:
        table = "low_balance"


class LedgerAudit(Model):
    """One audit. `checked_at`: when it finished or last made progress.

    `proven_until`: the end of the last closed month when it began; null for a full audit.
    """

    id = fields.UUIDField(primary_key=True)
    actor_id = fields.UUIDField(null=True)
    state = fields.TextField(db_default="RUNNING")
    started_at = fields.DatetimeField(db_default=Now())
    checked_at = fields.DatetimeField(db_default=Now())
    finished_at = fields.DatetimeField(null=True)
    rows_expected = fields.BigIntField(db_default=0)
    accounts_checked = fields.BigIntField(db_default=0)
    transfers_checked = fields.BigIntField(db_default=0)
    messages_checked = fields.BigIntField(db_default=0)
    violations = fields.JSONField[list[str]](db_default=SqlDefault("'[]'::jsonb"))
    proven_until = fields.DatetimeField(null=True)

    class Meta:
        table = "ledger_audit"


class LedgerCheckpoint(Model):
    """A closed month: see `domain.ledger.checkpoints`. The database refuses to change a row.

    The ID is the smallest UUIDv7 of `ends_at`.
    """

    id = fields.UUIDField(primary_key=True)
    ends_at = fields.DatetimeField()
    sends = fields.BigIntField()
    messages = fields.BigIntField()
    charged = fields.BigIntField()
    refunded = fields.BigIntField()
    corrected = fields.BigIntField()
    statuses = fields.JSONField[dict[str, int]](db_default=SqlDefault("'{}'::jsonb"))
    accounts_hash = fields.BinaryField()
    previous_hash = fields.BinaryField()
    audit_id = fields.UUIDField()
    hash = fields.BinaryField()
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "ledger_checkpoint"


class LedgerCheckpointAccount(Model):
    """An account in a closed month. The primary key is (checkpoint_id, account_id)."""

    checkpoint_id = fields.UUIDField(primary_key=True)
    account_id = fields.UUIDField()
    version = fields.BigIntField()
    balance = fields.BigIntField()
    moved = fields.JSONField[dict[str, int]](db_default=SqlDefault("'{}'::jsonb"))

    class Meta:
        table = "ledger_checkpoint_account"


class RetentionProgress(Model):
    """The ID up to which one rule has dropped old rows."""

    name = fields.CharField(max_length=120, primary_key=True)
    last_id = fields.UUIDField()

    class Meta:
        table = "retention_progress"


class ImportedLine(Model):
    """One line of the log of another system: what it sent for a client, and what it charged.

    `charged_total`: of all lines of the client so far. `found`: the whole units that this line
    brought to the total. `difference_id`: what reconcile has found, and corrected.
    """

    id = fields.UUIDField(primary_key=True)
    client_id = fields.UUIDField()
    account_id = fields.UUIDField()
    provider_account_id = fields.UUIDField()
    reference = fields.TextField()
    messages = fields.IntField()
    price = fields.BigIntField()
    charged = fields.DecimalField(max_digits=24, decimal_places=6)
    charged_total = fields.DecimalField(max_digits=30, decimal_places=6)
    found = fields.BigIntField()
    created_at = fields.DatetimeField()
    imported_at = fields.DatetimeField(db_default=Now())
    difference_id = fields.UUIDField(null=True)

    class Meta:
        table = "imported_line"


class OpeningBalance(Model):
    """What a client held in another system. The key is (client_id, reference).

    `transfer_id`: null for a balance of 0.
    """

    client_id = fields.UUIDField(primary_key=True)
    reference = fields.TextField()
    units = fields.BigIntField()
    transfer_id = fields.UUIDField(null=True)
    created_at = fields.DatetimeField(db_default=Now())

    class Meta:
        table = "opening_balance"


class ScheduledRun(Model):
    """Work that one process does at a time of the day, and when it was last started."""

    name = fields.CharField(max_length=50, primary_key=True)
    started_at = fields.DatetimeField(null=True)

    class Meta:
        table = "scheduled_run"
