"""Mistakes in reconcile."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

RECONCILE = "domain/ledger/reconcile.py"
RECONCILIATION = "domain/ledger/reconciliation.py"
SQL = "persistence/ledger/reconcile.py"
TESTS = ("ledger/test_reconcile.py",)

MUTANTS = (
    Mutant(
        "reconcile by the USD rate",
        RECONCILIATION,
        "        return (self.messages - self.given_back) * self.price\n",
        "        return int((self.messages - self.given_back) * (self.rate_usd or self.price))\n",
        TESTS,
    ),
    Mutant(
        "a page does not see that a refund is missing",
        SQL,
        "coalesce(unwritten, 0) - coalesce(given_back, 0)",
        "coalesce(unwritten, 0)",
        TESTS,
    ),
    Mutant(
        "two runs at once correct a send twice",
        SQL,
        "    WHERE send.id = $1)\nORDER BY id FOR UPDATE\n",
        "    WHERE send.id = $1)\nORDER BY id\n",
        ("ledger/test_lock_order.py",),
    ),
    Mutant(
        "the locks of reconcile are not ordered",
        SQL,
        "    WHERE send.id = $1)\nORDER BY id FOR UPDATE\n",
        "    WHERE send.id = $1)\nFOR UPDATE\n",
        ("ledger/test_lock_order.py",),
    ),
    Mutant(
        "a correction is not counted by the next run",
        RECONCILIATION,
        "        return self.charged - self.refunded + self.corrected\n",
        "        return self.charged - self.refunded\n",
        TESTS,
    ),
    Mutant(
        "reconcile only charges",
        RECONCILE,
        "    is_charge = send.units > 0\n",
        "    is_charge = True\n",
        TESTS,
    ),
    Mutant(
        "a dry run moves units",
        RECONCILE,
        "    if not run.dry_run and not in_reading:\n",
        "    if not in_reading:\n",
        TESTS,
    ),
    Mutant(
        "an error that a reading includes is corrected with outside",
        RECONCILIATION,
        "            return self.created_at < read_at\n",
        "            return False\n",
        TESTS,
    ),
    Mutant(
        "an error after the reading is corrected within the pool",
        RECONCILIATION,
        "            return self.created_at < read_at\n",
        "            return True\n",
        TESTS,
    ),
    Mutant(
        "a missing refund that a reading includes comes from outside",
        RECONCILIATION,
        "            return self.given_back_older or (\n"
        "                self.given_back_at is not None and self.given_back_at < read_at\n"
        "            )\n",
        "            return False\n",
        TESTS,
    ),
    Mutant(
        "a refund too much always goes outside",
        RECONCILIATION,
        "        return self.last_refund_from_pool or (\n",
        "        return (\n",
        TESTS,
    ),
    Mutant(
        "arrears are not marked", RECONCILE, "    if client.held < 0:\n", "    if False:\n", TESTS
    ),
    Mutant(
        "units are moved within an owned account",
        RECONCILE,
        "    in_reading = through_pool and send.account_id == upstream.account_id\n",
        "    in_reading = False\n",
        TESTS,
    ),
    Mutant(
        "UNKNOWN messages are refunded",
        SQL,
        "        SELECT status IN ('REJECTED', 'CANCELLED') AND NOT in_reading",
        "        SELECT status IN ('REJECTED', 'CANCELLED', 'UNKNOWN') AND NOT in_reading",
        TESTS,
    ),
    Mutant(
        "a run skips the sends after its first page",
        RECONCILE,
        "    while page := await persist(partial(store.check_sends, after, since=run.since)):\n",
        "    if page := await persist(partial(store.check_sends, after, since=run.since)):\n",
        TESTS,
    ),
    Mutant(
        "two runs begin at once",
        SQL,
        "    except asyncpg.UniqueViolationError as open_run:\n",
        "    except ZeroDivisionError as open_run:\n",
        TESTS,
    ),
    Mutant(
        "each node reconciles each night",
        SQL,
        "WHERE name = $1 AND (started_at IS NULL OR started_at < $2)\n",
        "WHERE name = $1 AND $2::timestamptz IS NOT NULL\n",
        ("ledger/test_reconcile_fields.py",),
    ),
)
