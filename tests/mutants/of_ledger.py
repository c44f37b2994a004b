"""Mistakes in charges, keys, holdings, allocations, syncs and the tables of the ledger."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

ACCEPT = "domain/sending/accept.py"
SYNC = "domain/ledger/sync.py"
POOLS_SQL = "persistence/ledger/pools.py"
PLATFORM_SQL = "persistence/ledger/platform.py"
SINGLES_SQL = "persistence/ledger/singles.py"
CONSTRAINTS = "persistence/migrations/sql/0002_constraints.sql"

MUTANTS = (
    # Charges
    Mutant(
        "a charge without a condition",
        ACCEPT,
        "    if not can_pay(holding, send.cost):\n",
        "    if False:\n",
        ("sending/test_accept.py",),
    ),
    Mutant(
        "the last unit cannot be spent",
        "domain/ledger/book.py",
        "return holding.held >= amount",
        "return holding.held > amount",
        ("ledger/test_book.py",),
    ),
    Mutant(
        "a send of many is kept although it cannot be paid",
        ACCEPT,
        "            raise _RolledBack(decision)\n",
        "            return decision\n",
        ("sending/test_accept.py",),
    ),
    # Keys
    Mutant(
        "the same key charges again",
        ACCEPT,
        "        if send.key and send.key.id in answers:\n",
        "        if False:\n",
        ("sending/test_idempotency_keys.py",),
    ),
    Mutant(
        "the same key charges a large send again",
        ACCEPT,
        "        if key.id not in stored:\n            return None\n        repeated",
        "        if True:\n            return None\n        repeated",
        ("sending/test_idempotency_keys.py",),
    ),
    Mutant(
        "a key answers for another input",
        "domain/ledger/idempotency.py",
        "    if stored_hash != key.input_hash:\n",
        "    if False:\n",
        ("sending/test_idempotency_keys.py",),
    ),
    Mutant(
        "a command whose COMMIT was lost is done again",
        "domain/ledger/idempotency.py",
        "        if key.id in stored:\n            return stored_answer(key, stored[key.id])\n"
        "        answer",
        "        answer",
        ("ledger/test_allocate_again.py",),
    ),
    Mutant(
        # Without the lock of a key, nothing is wrong: the work of a large send is done twice.
        "a key that another transaction has stored meanwhile is not noticed",
        "persistence/ledger/transfers.py",
        "    if taken:\n        raise KeysTaken(taken)\n",
        "",
        ("sending/test_idempotency_keys.py",),
    ),
    # Holdings
    Mutant(
        "locks are not ordered",
        "persistence/ledger/transfers.py",
        "FROM account WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE",
        "FROM account WHERE id = ANY($1::uuid[]) FOR UPDATE",
        ("ledger/test_lock_order.py",),
    ),
    Mutant(
        "the locks of a batch of sends are not ordered",
        "persistence/sending/batches.py",
        "    ORDER BY id FOR UPDATE\n",
        "    FOR UPDATE\n",
        ("ledger/test_lock_order.py",),
    ),
    Mutant(
        "accounts are not locked",
        "persistence/ledger/transfers.py",
        "FROM account WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE",
        "FROM account WHERE id = ANY($1::uuid[]) ORDER BY id",
        ("ledger/test_allocate_again.py",),
    ),
    Mutant(
        "the version of a holding does not grow",
        "domain/ledger/book.py",
        "        holding.version += 1\n",
        "",
        ("ledger/test_book.py",),
    ),
    Mutant(
        "arrears do not shrink when units come in",
        "persistence/ledger/transfers.py",
        "arrears = least(arrears, greatest(-changed.held, 0))",
        "arrears = arrears",
        ("ledger/test_reconcile.py",),
    ),
    Mutant(
        "an acknowledged send may be lost: synchronous_commit is off",
        "persistence/opening.py",
        '        "jit": "off",\n',
        '        "jit": "off",\n        "synchronous_commit": "off",\n',
        ("sending/test_accept.py",),
    ),
    # Allocations
    Mutant(
        "more is allocated than there is",
        "domain/ledger/allocate.py",
        "    if not can_pay(source, abs(requested.units)):\n",
        "    if not can_pay(source, 0):\n",
        ("ledger/test_allocate.py",),
    ),
    Mutant(
        "a client that has left the group gets the units of the group",
        "domain/ledger/allocate.py",
        "    if isinstance(scope, OfGroup) and taker.parent_id != giver.account_id:\n",
        "    if False:\n",
        ("ledger/test_allocate_again.py",),
    ),
    # Sync
    Mutant(
        "a raw sync, without what is in flight",
        SYNC,
        "change = units - figures.in_flight - figures.pool",
        "change = units - figures.pool",
        ("ledger/test_sync.py",),
    ),
    Mutant(
        "a message of a bulk and of a crashed call counts as in flight",
        PLATFORM_SQL,
        "SELECT sum(queued) FROM send_tally",
        "SELECT sum(queued + submitting) FROM send_tally",
        ("ledger/test_sync.py",),
    ),
    Mutant(
        "a message of a crashed call counts as in flight",
        SINGLES_SQL,
        "status = 'QUEUED' AND priority = ANY({ALONE})\n  AND changed_xid {{1}}",
        "status IN ('QUEUED', 'SUBMITTING') AND priority = ANY({ALONE})\n  AND changed_xid {{1}}",
        ("ledger/test_sync.py",),
    ),
    Mutant(
        "a reading does not wait for open calls",
        SYNC,
        "    while await store.open_calls(account_id):\n",
        "    while False:\n",
        ("ledger/test_sync_pause.py",),
    ),
    Mutant(
        "two syncs read at once",
        POOLS_SQL,
        "WHERE id = $1 AND (reading_until IS NULL OR reading_until < clock_timestamp())",
        "WHERE id = $1",
        ("ledger/test_sync_pause.py",),
    ),
    Mutant(
        "a reading is written although its pause has expired",
        POOLS_SQL,
        "WHERE id = $1 AND reading_by = $2 AND reading_until > clock_timestamp()\n",
        "WHERE id = $1 AND reading_by = $2\n",
        ("ledger/test_sync_pause.py",),
    ),
    Mutant(
        "a reading is written in the pause of another sync",
        POOLS_SQL,
        "WHERE id = $1 AND reading_by = $2 AND reading_until > clock_timestamp()\n",
        "WHERE id = $1 AND $2::uuid IS NOT NULL AND reading_until > clock_timestamp()\n",
        ("ledger/test_sync_pause.py",),
    ),
    Mutant(
        "a sync does not begin a new epoch",
        SYNC,
        "        epoch=account.epoch + 1,\n",
        "        epoch=account.epoch,\n",
        ("ledger/test_sync.py",),
    ),
    Mutant(
        "a failed sync leaves marking paused",
        SYNC,
        "            with suppress(TryAgain):\n"
        "                await asyncio.shield(store.lift_pause(account.id, reader_id=reader_id))\n",
        "            pass\n",
        ("ledger/test_sync.py", "ledger/test_sync_pause.py"),
    ),
    Mutant(
        "the first reading is no OPENING",
        SYNC,
        "    first = account.read_at is None and change > 0 and",
        "    first = False and",
        ("ledger/test_sync.py",),
    ),
    # Valuation
    Mutant(
        "10/7 by float",
        "domain/ledger/balances.py",
        "    tens = Fraction(reading) * Fraction(10, 7) / 10\n",
        "    tens = Fraction(float(reading) * (10 / 7) / 10)\n",
        ("ledger/test_valuation.py",),
    ),
    Mutant(
        "a half is rounded down",
        "domain/ledger/balances.py",
        "    return 10 * ((tens + Fraction(1, 2)).__floor__())",
        "    return 10 * ((tens - Fraction(1, 2)).__ceil__())",
        ("ledger/test_valuation.py",),
    ),
    Mutant(
        "10/7 by the rounding of Python",
        "domain/ledger/balances.py",
        "    tens = Fraction(reading) * Fraction(10, 7) / 10\n",
        "    return 10 * round(reading * 10 / 7 / 10)\n    tens = Fraction(0)\n",
        ("ledger/test_valuation.py",),
    ),
    # Schools
    Mutant(
        "a status is compared with its case",
        "domain/identity/access.py",
        'return (status or "").strip().upper() == "ACTIVE"',
        'return (status or "").strip() == "ACTIVE"',
        ("sending/test_schools.py",),
    ),
    Mutant(
        "a status is compared with its blanks",
        "domain/identity/access.py",
        'return (status or "").strip().upper() == "ACTIVE"',
        'return (status or "").upper() == "ACTIVE"',
        ("sending/test_schools.py",),
    ),
    Mutant(
        "a school sends before its balance was ever read",
        "domain/sending/send.py",
        "    if new_send.payer.is_unread:\n",
        "    if False:\n",
        ("sending/test_schools.py",),
    ),
    # Tables
    Mutant(
        "a dropped unique index: two charges for one send",
        "persistence/migrations/0074_charges.py",
        "            unique=True,\n",
        "            unique=False,\n",
        ("ledger/test_refused_transfers.py",),
    ),
    Mutant(
        "a dropped unique index: two transfers with one version",
        CONSTRAINTS,
        "CREATE UNIQUE INDEX transfer_by_source",
        "CREATE INDEX transfer_by_source",
        ("persistence/test_constraints.py",),
    ),
    Mutant(
        "a dropped CHECK: an account below zero",
        CONSTRAINTS,
        "CHECK (kind = 'POOL' OR held >= -arrears)",
        "CHECK (true)",
        ("ledger/test_refused_transfers.py",),
    ),
    Mutant(
        "a dropped CHECK: a message that is sent without an attempt",
        CONSTRAINTS,
        "        status IN ('QUEUED', 'CANCELLED', 'REJECTED') OR attempt_id IS NOT NULL);",
        "        true);",
        ("persistence/test_refused_rows.py", "persistence/test_constraints.py"),
    ),
    Mutant(
        "a transfer may be changed",
        CONSTRAINTS,
        "CREATE TRIGGER transfer_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON transfer",
        "CREATE TRIGGER transfer_append_only BEFORE TRUNCATE ON transfer",
        ("persistence/test_constraints.py",),
    ),
)
