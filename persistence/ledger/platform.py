"""The figures of a pool, as pieces of SQL: all figures of an answer share one snapshot."""

from __future__ import annotations

from domain.sending.messages import LATER, PRIORITY, SendKind
from persistence.ledger.singles import ALONE, SINGLES_WAITING
from persistence.sending.parts import QUEUED_APART, all_in, first_in

# Of each open send: what is queued, written or not. OPEN_SENDS: of a pool; `{0}`: its account.
ALL_OPEN_SENDS = """
open_send JOIN send ON send.id = open_send.send_id CROSS JOIN LATERAL (
    SELECT CASE WHEN tallied
        THEN accepted + coalesce((
            SELECT sum(queued) FROM send_tally WHERE send_tally.send_id = send.id), 0)
        ELSE (SELECT count(*) FROM message
              WHERE by_send AND message.send_id = send.id AND status = 'QUEUED')
            + coalesce((SELECT unwritten FROM send_job WHERE send_job.send_id = send.id), 0)
        END AS queued
) AS each
"""
OPEN_SENDS = f"{ALL_OPEN_SENDS} WHERE open_send.provider_account_id = {{0}}"

# What a pool has paid for messages that wait.
#
# Messages of large sends, written or not: from the counters of the open sends. So a million of them
# are not read. Others: see `singles`. They count for the account that they wait for. A routed one
# waits for one account and was charged in the pool of another: it counts there until it is taken,
# also while it is SUBMITTING, and not where it waits.
UNITS_WAITING = f"""
SELECT (
    (SELECT units FROM ({SINGLES_WAITING}) AS single)
    + (SELECT coalesce(sum(send.price * each.queued), 0) FROM {OPEN_SENDS})
    + (SELECT coalesce(sum(message.price), 0)
       FROM provider_route AS route JOIN message ON message.route_id = route.id
       WHERE route.pool_id = {{0}} AND message.status = 'SUBMITTING')
    + (SELECT coalesce(sum(message.price) FILTER (WHERE route.pool_id = {{0}}), 0)
            - coalesce(sum(message.price) FILTER (WHERE message.provider_account_id = {{0}}), 0)
       FROM provider_route AS route JOIN message ON message.route_id = route.id
       WHERE {{0}} IN (route.pool_id, route.provider_account_id, route.fallback_account_id)
         AND message.status = 'QUEUED' AND message.priority = ANY({ALONE}))
)::int8 AS units
"""  # noqa: S608 - numbers of our own

# How many written messages wait for an account. Large sends as above, without what a job has not
# written, and without what waits for another account than the send's.
MESSAGES_WAITING = f"""
SELECT (
    (SELECT messages FROM ({SINGLES_WAITING}) AS single)
    + (SELECT coalesce(sum(each.queued), 0) FROM {OPEN_SENDS})
    - (SELECT coalesce(sum(unwritten), 0) FROM send_job
       WHERE send_job.provider_account_id = {{0}} AND unwritten > 0)
    + (SELECT count(*) FILTER (WHERE message.provider_account_id = {{0}})
            - count(*) FILTER (WHERE route.pool_id = {{0}})
       FROM provider_route AS route JOIN message ON message.route_id = route.id
       WHERE {{0}} IN (route.pool_id, route.provider_account_id, route.fallback_account_id)
         AND message.status = 'QUEUED' AND message.priority <> ALL({ALONE}))
)::int8
"""  # noqa: S608 - numbers of our own
# Whether a client may send: see `domain.identity.access.is_active`. `{0}`: its ID. A look-up for
# each client, where a join could read all of them.
MAY_SEND = """
(SELECT upper(btrim(status, E' \\t\\r\\n')) = 'ACTIVE' FROM client WHERE client.id = {0})
"""

# `tenant`: the first message that waits for the account `upstream`, of each client and priority. Of
# a client with parts of bulks, there are several rows. `{{0}}`: a condition for all of it. Messages
# of clients that may not send are included: each statement that uses this leaves them out.
FIRST_OF_TENANTS = f"""
WITH RECURSIVE apart AS (
    (SELECT priority, client_id, due_at FROM message
     WHERE provider_account_id = upstream.id AND {QUEUED_APART} AND {{0}}
     ORDER BY priority, client_id, due_at, id LIMIT 1)
    UNION ALL
    SELECT next.* FROM apart CROSS JOIN LATERAL (
        SELECT priority, client_id, due_at FROM message
        WHERE provider_account_id = upstream.id AND {QUEUED_APART}
          AND (priority, client_id) > (apart.priority, apart.client_id)
        ORDER BY priority, client_id, due_at, id LIMIT 1) AS next
), tenant AS (
    SELECT * FROM apart
    UNION ALL
    SELECT {PRIORITY[SendKind.BULK]}::int2, client_id, due_at FROM queued_part AS part
    WHERE provider_account_id = upstream.id AND {{0}} AND EXISTS ({first_in("")}))
"""  # noqa: S608 - names of our own

# statement_timestamp() can be compared in an index, clock_timestamp() cannot.
LATE = "statement_timestamp() - interval '5 minutes'"
# Whether a call was started in the last five minutes. The newest attempts are enough: an account
# that works has one among them, or one open. They are read once, for all accounts.
IS_CALLING = """
EXISTS (
    SELECT FROM attempt
    WHERE attempt.provider_account_id = upstream.id AND ended_at IS NULL
      AND lease_until > clock_timestamp()
) OR upstream.id = ANY (ARRAY(
    SELECT DISTINCT provider_account_id
    FROM (SELECT * FROM attempt ORDER BY id DESC LIMIT 1000) AS newest
    WHERE started_at > clock_timestamp() - interval '5 minutes'))
"""

# Of the account `upstream`: what its pool holds, and what was paid for messages that wait.
_HOLDINGS = f"""
CROSS JOIN LATERAL (
    SELECT coalesce(sum(held), 0)::int8 AS pool,
           coalesce(sum(held) FILTER (WHERE kind = 'CLIENT'), 0)::int8 AS allocated
    FROM account WHERE account.provider_account_id = upstream.id
) AS holdings
CROSS JOIN LATERAL ({UNITS_WAITING.format("upstream.id")}) AS waiting
"""  # noqa: S608 - pieces of our own

# The messages that wait. `job`: those that are not written yet. `first`: the first one that is due,
# by one look-up for each tenant and priority, and for each part of a bulk. It is read only if no
# call was started. Messages are only counted if an alarm says how many there are. `overdue`: all
# messages, less those that are due later. OFFSET 0: evaluated once, and not for each message.
_QUEUE = f"""
CROSS JOIN LATERAL (
    SELECT coalesce(sum(unwritten), 0)::int8 AS messages,
           coalesce(sum(unwritten) FILTER (WHERE seen_at < {LATE}), 0)::int8 AS overdue,
           min(seen_at) FILTER (WHERE seen_at < {LATE}) AS due_at
    FROM send_job WHERE send_job.provider_account_id = upstream.id AND unwritten > 0
) AS job
CROSS JOIN LATERAL (SELECT {IS_CALLING} AS started OFFSET 0) AS call
CROSS JOIN LATERAL (
    {FIRST_OF_TENANTS.format("NOT call.started")}
    SELECT least(min(due_at), job.due_at) AS due_at, array_agg(priority) AS priorities,
           array_agg(client_id) AS clients
    FROM tenant WHERE {MAY_SEND.format("tenant.client_id")}
) AS first
CROSS JOIN LATERAL (
    SELECT call.started OR (first.due_at < {LATE}) IS NOT TRUE AS is_dispatching,
           paused_at IS NOT NULL OR stopped_at IS NOT NULL AS is_paused
) AS work
CROSS JOIN LATERAL (
    SELECT CASE WHEN is_paused OR NOT is_dispatching
           THEN ({MESSAGES_WAITING.format("upstream.id")}) END AS messages
) AS written
CROSS JOIN LATERAL (
    SELECT CASE WHEN is_paused THEN job.messages + written.messages - (
               SELECT count(*) FROM message
               WHERE provider_account_id = upstream.id AND status = 'QUEUED'
                 AND priority >= {LATER} AND due_at > statement_timestamp())
           ELSE 0 END AS messages,
           CASE WHEN is_dispatching THEN 0 ELSE job.overdue + written.messages - (
               SELECT count(*)
               FROM (SELECT DISTINCT * FROM unnest(first.priorities, first.clients))
                   AS each (priority, id)
               CROSS JOIN LATERAL (
                   SELECT FROM message
                   WHERE provider_account_id = upstream.id AND {QUEUED_APART}
                     AND message.priority = each.priority AND client_id = each.id
                     AND due_at >= {LATE}
                   OFFSET 0) AS later
           ) - (
               SELECT count(*) FROM queued_part AS part CROSS JOIN LATERAL ({all_in("")}) AS later
               WHERE provider_account_id = upstream.id AND due_at >= {LATE}
                 AND {MAY_SEND.format("part.client_id")})
           END AS overdue
) AS queued
"""  # noqa: S608 - pieces of our own

# `submitting`: what was paid for the messages of open calls. After its lease, a SUBMITTING message
# is UNKNOWN, and not included. `doubt`: when a call last ended in a way that may make the reading
# wrong.
_CALLS = """
CROSS JOIN LATERAL (
    SELECT coalesce(sum(message.price), 0)::int8 AS units
    FROM attempt JOIN message ON message.attempt_id = attempt.id
    WHERE attempt.provider_account_id = upstream.id AND attempt.ended_at IS NULL
      AND attempt.lease_until > clock_timestamp() AND message.status = 'SUBMITTING'
      AND message.route_id IS NULL
) AS submitting
CROSS JOIN LATERAL (
    SELECT max(ended_at) AS at FROM attempt
    WHERE attempt.provider_account_id = upstream.id
      AND outcome IN ('UNKNOWN', 'MIXED', 'ACCOUNT_REFUSED')
) AS doubt
"""

# What else an admin should look at: see `domain.ledger.alarms.PoolSigns`.
_SIGNS = """
CROSS JOIN LATERAL (
    SELECT count(*) AS messages, min(updated_at) AS at FROM message
    WHERE message.provider_account_id = upstream.id AND status = 'UNKNOWN'
      AND updated_at < statement_timestamp() - interval '1 hour'
) AS old_unknown
CROSS JOIN LATERAL (
    SELECT count(DISTINCT id) AS charges, min(created_at) AS at FROM (
        SELECT coalesce(send_id, imported_line_id) AS id, difference.created_at
        FROM reconciliation_difference AS difference
        LEFT JOIN send ON send.id = send_id
        LEFT JOIN imported_line AS line ON line.id = imported_line_id
        WHERE NOT corrected
          AND upstream.id = coalesce(send.provider_account_id, line.provider_account_id)
          AND difference.created_at > coalesce((
              SELECT max(started_at) FROM reconciliation
              WHERE since IS NULL AND NOT dry_run AND finished_at IS NOT NULL AND NOT interrupted
          ), '-infinity')
          AND NOT EXISTS (
              SELECT FROM reconciliation
              WHERE since <= coalesce(send.created_at, line.created_at)
                AND started_at > difference.created_at
                AND NOT dry_run AND finished_at IS NOT NULL AND NOT interrupted)
        LIMIT 1000
    ) AS open
) AS difference
CROSS JOIN LATERAL (
    SELECT count(*) AS clients, min(noticed_at) AS at
    FROM client JOIN account ON account.id = client.account_id
    LEFT JOIN low_balance ON low_balance.client_id = client.id AND ended_at IS NULL
    WHERE account.provider_account_id = upstream.id AND held < low_balance_threshold
) AS low
CROSS JOIN LATERAL (
    SELECT count(*) AS endpoints, min(failing_since) AS at
    FROM hook_endpoint JOIN client ON client.id = client_id
    JOIN account ON account.id = client.account_id
    WHERE account.provider_account_id = upstream.id
      AND failing_since < statement_timestamp() - interval '24 hours'
      AND deleted_at IS NULL AND NOT is_callback
) AS failing_hook
"""
PLATFORM_FIGURES = f"{_HOLDINGS}{_QUEUE}{_CALLS}{_SIGNS}"
PLATFORM_COLUMNS = """
upstream.id AS upstream_id, upstream.unit AS pool_unit, holdings.pool, holdings.allocated,
waiting.units + submitting.units AS in_flight,
upstream.reading_raw, clock_timestamp() AS seen_at,
upstream.created_at AS added_at, upstream.read_at, upstream.read_failed_at AS failed_at,
greatest(doubt.at, upstream.credentials_set_at) AS doubted_at,
difference.charges AS differences, difference.at AS differing_at,
upstream.paused_at, upstream.stopped_at,
queued.messages AS queued, queued.overdue, first.due_at AS overdue_at, is_dispatching,
old_unknown.messages AS unknown, old_unknown.at AS unknown_at,
low.clients AS low_clients, low.at AS low_at,
failing_hook.endpoints AS failing_hooks, failing_hook.at AS failing_hooks_at
"""
