"""What retention drops, in SQL: which rows of which table, which of them wait, and the statements.

`send.dropped` has the sums of the messages of a send that were dropped: the number in each status,
and what the audit and reconcile need. So a send always agrees with its transfers, also after a part
of its messages was dropped. NULL: none was dropped.

The bounds $1 and $2 are in each statement, so that a table by month opens only old months.
"""

# ruff: noqa: S608 - the statements are made of names of our own

from __future__ import annotations

from dataclasses import dataclass, replace

from domain.retention.retention import RowKind
from domain.sending.messages import TAKEN
from persistence.sending.of_send import messages_of
from persistence.sending.tallies import dropped
from persistence.sending.to_number import is_to


@dataclass(frozen=True, slots=True)
class Rows:
    """How the rows of a kind are found and dropped.

    `page`: the IDs of a page, before LIMIT; empty: all of the table. `has`: whether a row has
    something to drop. `would_have`: like `has`, for a dry run, in which the kinds before it are
    still there; empty: the same. `is_settled`: whether it may go; else it waits. `change`: CTEs
    that drop the rows of `chosen`. `columns`: of its export.
    """

    table: str
    size: str
    change: str
    has: str = "true"
    is_settled: str = "true"
    key: str = "id"
    client: str = "item.client_id"
    made_at: str = "created_at"
    changed_at: str = "updated_at"
    columns: str = ""
    page: str = ""
    would_have: str = ""


FINAL = ("SENT", "DELIVERED", "UNDELIVERED", "REJECTED", "CANCELLED")
NOT_FINAL = "('QUEUED', 'SUBMITTING', 'UNKNOWN')"
WHOLE_ROW = "pg_column_size(item.*)"

_TAKEN = ", ".join(f"'{status.value}'" for status in TAKEN)
_SUMS = {
    **{status: f"count(*) FILTER (WHERE status = '{status}')" for status in FINAL},
    "messages": "count(*)",
    "givenBack": "count(*) FILTER (WHERE status IN ('REJECTED', 'CANCELLED') AND NOT in_reading)",
    "routeCredit": f"sum(CASE WHEN route_id IS NOT NULL AND status IN ({_TAKEN})"
    " THEN -price ELSE 0 END)",
    "routeCost": "sum(-coalesce(route_charged, 0))",
}
_ADDED = ", ".join(f"'{name}', nullif({dropped(name)} + sums.\"{name}\", 0)" for name in _SUMS)
# The text of a send is dropped with its last message. Messages that a job never wrote do not count.
_IS_LAST = f"""
{dropped("messages")} + sums.messages + coalesce(
    (SELECT cancelled FROM send_job WHERE send_id = send.id), 0) >= send.accepted
"""
DROP_MESSAGES = f"""
deleted AS (
    DELETE FROM message USING chosen
    WHERE message.id = chosen.id AND message.id > $1 AND message.id < $2
), unlisted AS (
    DELETE FROM sent_to USING chosen
    WHERE sent_to.number = chosen.number AND sent_to.client_id = chosen.client_id
      AND sent_to.message_id = chosen.id AND sent_to.message_id > $1 AND sent_to.message_id < $2
), sums AS (
    SELECT send_id, {", ".join(f'{value}::int8 AS "{name}"' for name, value in _SUMS.items())}
    FROM chosen GROUP BY send_id
), changed AS (
    UPDATE send SET dropped = jsonb_strip_nulls(jsonb_build_object({_ADDED})),
        text = CASE WHEN send.text IS NOT NULL AND {_IS_LAST} THEN '' ELSE send.text END
    FROM sums WHERE send.id = sums.send_id
)
"""

# hide_message locks a conversation before its message, so this waits for no conversation.
DROP_INBOUND = """
deleted AS (DELETE FROM inbound USING chosen WHERE inbound.id = chosen.id),
talk AS (
    SELECT conversation.id, last_gone_id FROM conversation JOIN (
        SELECT client_id, number, (array_agg(id ORDER BY id DESC))[1] AS last_gone_id
        FROM chosen GROUP BY 1, 2) AS gone USING (client_id, number)
    WHERE unread > 0 FOR UPDATE OF conversation SKIP LOCKED
), changed AS (
    UPDATE conversation SET unread = least(conversation.unread, (
        SELECT count(*)::int FROM inbound
        WHERE inbound.client_id = conversation.client_id
          AND inbound.number = conversation.number AND inbound.id > last_gone_id))
    FROM talk WHERE conversation.id = talk.id
)
"""
ERASE_INBOUND = f"""
{DROP_INBOUND}, noted AS (
    INSERT INTO erased_inbound (id, client_id, feed) SELECT id, client_id, feed FROM chosen
)
"""
DECIDED = "item.due_at IS NULL AND NOT item.opt_out_pending"
EVENT_BODIES = Rows(
    "webhook_event",
    "octet_length(item.body)",
    "changed AS (UPDATE webhook_event SET body = '' FROM chosen"
    " WHERE webhook_event.id = chosen.id AND webhook_event.id > $1 AND webhook_event.id < $2)",
    # An event that can be assigned to a client needs its body.
    has="octet_length(item.body) > 0 AND item.outcome <> 'UNROUTED'",
    is_settled=DECIDED,
    made_at="received_at",
)
_IS_SETTLED = f"item.status NOT IN {NOT_FINAL}"
# A send whose numbers are not captured yet is read again.
MESSAGE_IS_SETTLED = f"{_IS_SETTLED} AND (SELECT captured FROM send WHERE send.id = item.send_id)"
INBOUND_IS_SETTLED = """
NOT EXISTS (SELECT FROM webhook_event AS event WHERE event.id = item.id
            AND (event.due_at IS NOT NULL OR event.opt_out_pending))
"""

IS_UNWRITTEN = "EXISTS (SELECT FROM send_job WHERE send_id = item.id AND unwritten > 0)"
"""The send is of a file that is not written yet. Any number can be in it."""


def _last_stays(table: str, is_settled: str) -> str:
    """The last messages of a page of conversations that wait."""
    return f"""ARRAY(SELECT item.id FROM {table} AS item
    WHERE item.id = ANY(ARRAY(SELECT id FROM page)) AND NOT ({is_settled}))"""


KINDS = {
    RowKind.SENDS: Rows(
        "send",
        "coalesce(octet_length(item.text), 0) + coalesce(pg_column_size(item.rejected), 0)",
        "changed AS (UPDATE send SET emptied = send.accepted, rejected = NULL,"
        " text = CASE WHEN send.text IS NOT NULL THEN '' END FROM chosen"
        " WHERE send.id = chosen.id)",
        has="(item.text <> '' OR item.rejected IS NOT NULL)",
        # A job needs the text of its send until all messages are written.
        is_settled=f"NOT EXISTS (SELECT FROM {messages_of('item.id', 'status')}"
        f" WHERE status IN {NOT_FINAL}) AND NOT {IS_UNWRITTEN}",
        changed_at="created_at",
    ),
    RowKind.MESSAGE_TEXTS: Rows(
        "message",
        "octet_length(item.text)",
        "changed AS (UPDATE message SET text = '', version = message.version + 1,"
        " changed_xid = pg_current_xact_id()::text::bigint FROM chosen"
        " WHERE message.id = chosen.id AND message.id > $1 AND message.id < $2)",
        has="item.text <> ''",
        is_settled=_IS_SETTLED,
    ),
    RowKind.INBOUND_TEXTS: Rows(
        "inbound",
        "octet_length(item.text)",
        "changed AS (UPDATE inbound SET text = '' FROM chosen WHERE inbound.id = chosen.id)",
        has="item.text <> ''",
        changed_at="created_at",
    ),
    RowKind.EVENT_BODIES: EVENT_BODIES,
    RowKind.MESSAGES: Rows(
        "message",
        WHOLE_ROW,
        DROP_MESSAGES,
        is_settled=MESSAGE_IS_SETTLED,
        columns="item.id, item.send_id, item.client_id, item.number, coalesce(item.text,"
        " (SELECT send.text FROM send WHERE send.id = item.send_id)) AS text, item.status,"
        " item.failure, item.price, item.provider_account_id, item.attempt_id, item.reference,"
        " item.created_at, item.updated_at, item.send_at, item.deleted_at",
    ),
    RowKind.INBOUND: Rows(
        "inbound",
        WHOLE_ROW,
        DROP_INBOUND,
        is_settled=INBOUND_IS_SETTLED,
        changed_at="created_at",
        columns="item.id, item.client_id, item.feed, item.number, item.text, item.receiver,"
        " item.modem, item.port, item.mentions_opt_out, item.created_at, item.deleted_at",
    ),
    RowKind.CONVERSATIONS: Rows(
        "conversation",
        WHOLE_ROW,
        "changed AS (DELETE FROM conversation USING chosen WHERE conversation.id = chosen.id)",
        has="NOT EXISTS (SELECT FROM message WHERE id = item.last_message_id)"
        " AND NOT EXISTS (SELECT FROM inbound WHERE id = item.last_message_id)",
        would_have=f"item.last_message_id <> ALL({_last_stays('message', MESSAGE_IS_SETTLED)})"
        f" AND item.last_message_id <> ALL({_last_stays('inbound', INBOUND_IS_SETTLED)})",
        key="last_message_id",
    ),
    RowKind.EVENTS: replace(
        EVENT_BODIES,
        size=WHOLE_ROW,
        # A key is dropped with its event. Its index has only ranges of events.
        change="deleted AS (DELETE FROM webhook_event USING chosen"
        " WHERE webhook_event.id = chosen.id AND webhook_event.id > $1 AND webhook_event.id < $2),"
        " changed AS (DELETE FROM webhook_event_key USING chosen WHERE event_id = chosen.id"
        " AND event_id >= (SELECT id FROM chosen ORDER BY id LIMIT 1)"
        " AND event_id <= (SELECT id FROM chosen ORDER BY id DESC LIMIT 1))",
        has="true",
        columns="item.id, item.provider, item.body, item.original_id, item.outcome,"
        " item.reason, item.client_id, item.inbound_id, item.modem, item.port, item.sender,"
        " item.times, item.received_at, item.updated_at",
    ),
    RowKind.ATTEMPTS: Rows(
        "attempt",
        WHOLE_ROW,
        "changed AS (DELETE FROM attempt USING chosen"
        " WHERE attempt.id = chosen.id AND attempt.id > $1 AND attempt.id < $2)",
        # The epoch of its attempt decides where a late refund comes from.
        is_settled="item.ended_at IS NOT NULL AND NOT EXISTS (SELECT FROM message"
        " WHERE attempt_id = item.id AND status IN ('SUBMITTING', 'UNKNOWN'))",
        client="NULL::uuid",
        made_at="started_at",
        changed_at="ended_at",
        columns="item.id, item.provider_account_id, item.epoch, item.messages,"
        " item.started_at, item.ended_at, item.outcome, item.detail",
    ),
}

NUMBER, DIGITS = "(SELECT number FROM person)", "(SELECT digits FROM person)"
# Callers and providers spell a number in several ways: its last digits are looked for.
IS_REJECTED = f"regexp_replace(one->>0, '[^0-9]', '', 'g') LIKE '%' || {DIGITS}"
IN_TEXT, IN_BODY = "(SELECT in_text FROM person)", "(SELECT in_body FROM person)"
ERASED = "[number erased]"


def _without_number(column: str) -> str:
    """A text that somebody else wrote or received: it stays, without the number."""
    return f"regexp_replace({column}, {IN_TEXT}, '{ERASED}', 'g')"


PERSON = {
    RowKind.MESSAGES: replace(
        KINDS[RowKind.MESSAGES],
        page="SELECT message_id AS id FROM all_sent_to AS sent_to"
        f" WHERE {is_to(NUMBER)} AND message_id > $1 AND message_id < $2",
    ),
    RowKind.INBOUND: replace(
        KINDS[RowKind.INBOUND],
        change=ERASE_INBOUND,
        page="SELECT inbound.id FROM client JOIN inbound ON inbound.client_id = client.id"
        f" AND inbound.number = {NUMBER} WHERE inbound.id > $1 AND inbound.id < $2",
    ),
    RowKind.CONVERSATIONS: replace(
        KINDS[RowKind.CONVERSATIONS],
        page="SELECT last_message_id AS id FROM conversation"
        f" WHERE number = {NUMBER} AND last_message_id > $1 AND last_message_id < $2",
    ),
    RowKind.CONTACTS: Rows(
        "contact",
        WHOLE_ROW,
        # A line can be there without a contact: clients delete contacts.
        "changed AS (DELETE FROM contact USING chosen WHERE contact.id = chosen.id), lines AS ("
        f"DELETE FROM conversation_line WHERE number = {NUMBER} AND"
        " ($4::uuid[] IS NULL OR client_id = ANY($4)) AND client_id <> ALL($5::uuid[]))",
        changed_at="created_at",
        page="SELECT contact.id FROM client JOIN contact ON contact.client_id = client.id"
        f" AND contact.number = {NUMBER} WHERE contact.id > $1 AND contact.id < $2",
    ),
    RowKind.SENDS: replace(
        KINDS[RowKind.SENDS],
        change="changed AS (UPDATE send SET rejected = (SELECT jsonb_agg(one)"
        f" FROM jsonb_array_elements(send.rejected) AS one WHERE NOT {IS_REJECTED}),"
        f" text = {_without_number('send.text')} FROM chosen WHERE send.id = chosen.id)",
        has=f"(item.text ~ {IN_TEXT} OR {IS_UNWRITTEN} OR EXISTS ("
        f"SELECT FROM jsonb_array_elements(item.rejected) AS one WHERE {IS_REJECTED}))",
        # What is sent must be what was accepted.
        is_settled=f"(NOT {IS_UNWRITTEN} AND (item.text ~ {IN_TEXT}) IS NOT true"
        f" OR {KINDS[RowKind.SENDS].is_settled})",
    ),
    RowKind.MESSAGE_TEXTS: replace(
        KINDS[RowKind.MESSAGE_TEXTS],
        change=f"changed AS (UPDATE message SET text = {_without_number('message.text')},"
        " version = message.version + 1, changed_xid = pg_current_xact_id()::text::bigint"
        " FROM chosen WHERE message.id = chosen.id AND message.id > $1 AND message.id < $2)",
        has=f"item.number <> {NUMBER} AND item.text ~ {IN_TEXT}",
    ),
    RowKind.INBOUND_TEXTS: replace(
        KINDS[RowKind.INBOUND_TEXTS],
        change=f"changed AS (UPDATE inbound SET text = {_without_number('inbound.text')}"
        " FROM chosen WHERE inbound.id = chosen.id)",
        has=f"item.number <> {NUMBER} AND item.text ~ {IN_TEXT}",
    ),
    RowKind.EVENT_BODIES: replace(
        EVENT_BODIES,
        change="changed AS (UPDATE webhook_event SET body = '', sender = NULL FROM chosen"
        " WHERE webhook_event.id = chosen.id)",
        has=f"(encode(item.body, 'escape') ~ {IN_BODY} OR item.sender LIKE '%' || {DIGITS})",
    ),
}
