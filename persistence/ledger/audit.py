"""The audit: recomputes every balance from the transfers, and compares messages with charges.

Set-based SQL over whole tables. All checks see one snapshot, so that an audit under load reports no
difference that does not exist.
"""

from __future__ import annotations

from datetime import UTC, datetime

from domain.ledger.ports import AuditFindings
from persistence.database import connection

MOST_LISTED = 100
TIMEOUT_SECONDS = 900

COUNTS = """
SELECT (SELECT count(*) FROM account), (SELECT count(*) FROM transfer),
       (SELECT count(*) FROM message)
"""

# Both accounts of each transfer, with the signed amount.
ENDS = """
WITH ends AS (
    SELECT source_id AS account_id, source_version AS version, source_balance AS balance,
           -amount AS change
    FROM transfer WHERE source_id IS NOT NULL
    UNION ALL
    SELECT destination_id, destination_version, destination_balance, amount
    FROM transfer WHERE destination_id IS NOT NULL
)
"""

HOLDINGS = f"""
{ENDS}
SELECT format('account %s holds %s at version %s; its %s transfers say %s at version %s',
              account.id, held, account.version, coalesce(entries, 0), coalesce(total, 0),
              coalesce(last, 0))
FROM account LEFT JOIN (
    SELECT account_id, sum(change) AS total, count(*) AS entries, max(version) AS last
    FROM ends GROUP BY account_id
) AS proven ON proven.account_id = account.id
WHERE held <> coalesce(total, 0) OR account.version <> coalesce(entries, 0)
   OR account.version <> coalesce(last, 0)
"""  # noqa: S608 - a statement of our own

CHAINS = f"""
{ENDS}
SELECT format('account %s: version %s leaves %s, but %s %s were expected',
              account_id, version, balance, before, change)
FROM (
    SELECT *, lag(balance, 1, 0) OVER (PARTITION BY account_id ORDER BY version) AS before
    FROM ends
) AS chain
WHERE balance <> before + change
"""  # noqa: S608 - a statement of our own

POOLS = """
SELECT format('transfer %s leaves its pool', transfer.id)
FROM transfer JOIN account ON account.id IN (source_id, destination_id)
WHERE account.provider_account_id <> transfer.provider_account_id
"""

BELOW_ZERO = """
SELECT format('account %s holds %s, below its arrears of %s', id, held, arrears)
FROM account WHERE kind <> 'POOL' AND held < -arrears
"""

# Charged once, for exactly the messages there are; refunded once, for exactly those that were not
# accepted by the provider. Corrections by reconcile count, with or without a transfer.
SENDS = """
SELECT format('send %s: %s accepted at %s, %s messages, charged %s, refunded %s for %s,'
              ' corrected %s',
              send.id, accepted, send.price, coalesce(messages, 0), coalesce(charged, 0),
              coalesce(refunded, 0), coalesce(given_back, 0),
              coalesce(corrected, 0) + coalesce(in_reading, 0))
FROM send
LEFT JOIN (
    SELECT send_id, count(*) AS messages,
           count(*) FILTER (WHERE status IN ('REJECTED', 'CANCELLED') AND NOT in_reading)
               AS given_back,
           bool_and(price > 0) AS priced
    FROM message GROUP BY send_id
) AS written ON written.send_id = send.id
LEFT JOIN (
    SELECT send_id, sum(amount) FILTER (WHERE transfer.kind = 'SEND') AS charged,
           sum(amount) FILTER (WHERE transfer.kind = 'REFUND') AS refunded,
           sum(CASE WHEN source_id = account_id THEN amount ELSE -amount END)
               FILTER (WHERE transfer.kind = 'RECONCILE') AS corrected
    FROM transfer JOIN send ON send.id = send_id GROUP BY send_id
) AS moved ON moved.send_id = send.id
LEFT JOIN (
    SELECT send_id, sum(expected - found) AS in_reading
    FROM reconciliation_difference WHERE in_reading GROUP BY send_id
) AS read ON read.send_id = send.id
WHERE coalesce(messages, 0) <> accepted
   OR coalesce(charged, 0) - coalesce(refunded, 0) + coalesce(corrected, 0)
      + coalesce(in_reading, 0)
   <> (coalesce(messages, 0) - coalesce(given_back, 0)) * send.price
"""

STRAYS = """
SELECT format('message %s is of another tenant or pool than its send', message.id)
FROM message JOIN send ON send.id = message.send_id
WHERE message.client_id <> send.client_id
   OR message.provider_account_id <> send.provider_account_id OR message.price <> send.price
"""

CHARGES_OF_NOTHING = """
SELECT format('transfer %s charges for send %s, which is not there', transfer.id, send_id)
FROM transfer LEFT JOIN send ON send.id = transfer.send_id
WHERE transfer.send_id IS NOT NULL AND send.id IS NULL
"""

CHECKS = (HOLDINGS, CHAINS, POOLS, BELOW_ZERO, SENDS, STRAYS, CHARGES_OF_NOTHING)


async def audit() -> AuditFindings:
    """Recomputes every balance and compares every message with its charge, in one snapshot."""
    violations: list[str] = []
    async with (
        connection() as pooled,
        pooled.transaction(isolation="repeatable_read", readonly=True),
    ):
        await pooled.execute(f"SET LOCAL statement_timeout = '{TIMEOUT_SECONDS}s'")
        counts = await pooled.fetchrow(COUNTS, timeout=TIMEOUT_SECONDS)
        for check in CHECKS:
            rows = await pooled.fetch(f"{check} LIMIT {MOST_LISTED}", timeout=TIMEOUT_SECONDS)
            violations += [row[0] for row in rows]
    assert counts is not None
    accounts, transfers, messages = counts
    return AuditFindings(
        accounts, transfers, messages, violations[:MOST_LISTED], checked_at=datetime.now(UTC)
    )
