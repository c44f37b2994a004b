"""Small sends, accepted in batches: behind `domain.sending.ports.AcceptStore`.

Set-based SQL instead of the ORM: in batches, a process accepts twelve times as many sends as one by
one (docs/measurements.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import repeat
from typing import Any
from uuid import UUID

import orjson

from domain.ledger.balances import value_usd
from domain.ledger.book import Book, Holding, NodeKind
from domain.ledger.idempotency import KeysTaken
from domain.live import hints
from domain.sending.messages import LATER, PRIORITY, NewSend, answer_of
from domain.sending.ports import AcceptedSends
from persistence.database import Connection, columns, milliseconds, note, topics_of
from persistence.ledger.transfers import find_answers

TYPES_OF_SEND = {
    "id": "uuid",
    "client_id": "uuid",
    "account_id": "uuid",
    "provider_account_id": "uuid",
    "actor_id": "uuid",
    "kind": "text",
    "text": "text",
    "price": "int8",
    "accepted": "int4",
    "rejected_count": "int4",
    "rejected": "jsonb",
    "rate_usd": "numeric",
    "value_usd": "numeric",
    "modem": "text",
    "port": "text",
    "warning": "text",
    "send_at": "timestamptz",
    "held": "int4",
    "due_until": "timestamptz",
    "quiet_hours": "jsonb",
}
SEND_COLUMNS = (*TYPES_OF_SEND, "created_at")
MESSAGE_COLUMNS = (
    "id",
    "send_id",
    "client_id",
    "provider_account_id",
    "route_id",
    "number",
    "text",
    "priority",
    "price",
    "send_at",
    "due_at",
    "created_at",
    "updated_at",
    "by_send",
)

WRITTEN = ", ".join(TYPES_OF_SEND)

# `turn` and `spent`: the sends of the same account so far, and their units.
_TYPES_OF_GIVEN = TYPES_OF_SEND | {
    "single": "text",
    "key_id": "uuid",
    "scope_id": "uuid",
    "key": "text",
    "input_hash": "bytea",
    "answer": "jsonb",
    "turn": "int8",
    "spent": "int8",
}
_ARRAYS = {
    name: f"(${number}::{of_type}[])"
    for number, (name, of_type) in enumerate(_TYPES_OF_GIVEN.items(), start=5)
}
"""The parameters of `ACCEPT_SENDS` with the values of the sends: an array for each column."""


def _values(*names: str) -> str:
    """The values of the send at `place`.

    By subscript: to unnest thirty arrays takes as long as to write one of the tables. A batch has
    at most 200 sends, but their messages may be many more: those are unnested.
    """
    return ", ".join(f"{_ARRAYS[name]}[place]" for name in names)


# A whole batch in one statement, with a row for each account that could be locked.
#
# found: the sends whose one number has opted out, or whose key has an answer.
# paying: the accounts that pay for all of their sends. `total` is NULL for one that must not.
# kept: the keys that are stored now. One that another transaction stores meanwhile is missing.
#
# Rows are looked up by LATERAL with OFFSET 0 or by = ANY, so that no plan reads a whole table. The
# time is PostgreSQL's, because the dispatchers compare `due_at` with that clock. `send_at` is NULL
# for a message that is not scheduled, and greatest() ignores NULL. coalesce() keeps IN from
# becoming a join of all pairs: PostgreSQL does not know how many messages there are.
ACCEPT_SENDS = f"""
WITH payer AS MATERIALIZED (
    SELECT id AS payer_id, provider_account_id AS pool_id, kind AS payer_kind, parent_id,
           held AS holding, version
    FROM account
    WHERE id = ANY ($2::uuid[]) AND (SELECT set_config('lock_timeout', $1, true)) <> ''
    ORDER BY id FOR UPDATE
), found AS MATERIALIZED (
    SELECT place, {_values("account_id")} AS account_id, opted_out, has_answer
    FROM generate_series(1, cardinality({_ARRAYS["id"]})) AS place
    LEFT JOIN LATERAL (
        SELECT true AS opted_out FROM opt_out
        WHERE client_id = {_values("client_id")} AND number = {_values("single")} OFFSET 0
    ) AS at_opt_outs ON true
    LEFT JOIN LATERAL (
        SELECT true AS has_answer FROM idempotency_key WHERE id = {_values("key_id")} OFFSET 0
    ) AS at_keys ON true
    WHERE opted_out OR has_answer
), paying AS MATERIALIZED (
    SELECT payer_id, pool_id, holding, version, total, sends
    FROM unnest($2::uuid[], $3::int8[], $4::int8[]) AS due (id, total, sends)
    JOIN payer ON payer_id = due.id
    WHERE holding >= total AND payer_id NOT IN (SELECT account_id FROM found)
), accepted AS MATERIALIZED (
    SELECT place, payer_id, pool_id, holding, version
    FROM generate_series(1, cardinality({_ARRAYS["id"]})) AS place
    JOIN paying ON payer_id = {_values("account_id")}
), kept AS (
    INSERT INTO idempotency_key (id, scope_id, key, input_hash, answer)
    SELECT {_values("key_id", "scope_id", "key", "input_hash", "answer")} FROM accepted
    WHERE {_values("key_id")} IS NOT NULL ORDER BY {_values("key_id")}
    ON CONFLICT (id) DO NOTHING RETURNING id
), charged AS (
    UPDATE account
    SET held = holding - total, version = paying.version + sends,
        arrears = least(arrears, greatest(total - holding, 0))
    FROM paying WHERE account.id = payer_id AND account.id = ANY ($2::uuid[])
), posted AS (
    INSERT INTO transfer (
        id, provider_account_id, kind, amount, source_id, source_balance,
        source_version, send_id, actor_id, rate_usd, value_usd, created_at)
    SELECT {_values("id")}, pool_id, 'SEND', {_values("price")} * {_values("accepted")},
           payer_id, holding - {_values("spent")}, version + {_values("turn")},
           {_values("id", "actor_id", "rate_usd", "value_usd")}, clock_timestamp()
    FROM accepted
), sent AS (
    INSERT INTO send ({WRITTEN}, created_at)
    SELECT {_values(*TYPES_OF_SEND)}, statement_timestamp() FROM accepted
), queued AS (
    INSERT INTO message ({", ".join(MESSAGE_COLUMNS)})
    SELECT new.id, {_values("id", "client_id")}, new.provider_account_id, route_id, number, text,
           priority, {_values("price")}, send_at, greatest(send_at, statement_timestamp()),
           statement_timestamp(), statement_timestamp(), NULL
    FROM unnest($33::uuid[], $34::int4[], $35::uuid[], $36::uuid[], $37::text[], $38::text[],
                $39::int2[], $40::timestamptz[])
        AS new (id, place, provider_account_id, route_id, number, text, priority, send_at)
    WHERE coalesce(place IN (SELECT place FROM accepted), false)
)
SELECT payer_id, pool_id, payer_kind, parent_id, holding, version,
       payer_id IN (SELECT payer_id FROM paying), statement_timestamp(),
       (SELECT array_agg(place) FROM found WHERE opted_out),
       (SELECT array_agg(place) FROM found WHERE has_answer),
       (SELECT array_agg({_values("key_id")}) FROM accepted
        WHERE {_values("key_id")} IS NOT NULL
          AND {_values("key_id")} NOT IN (SELECT id FROM kept))
FROM payer
"""  # noqa: S608 - column names of our own
ACCEPT_SENDS_OF_FREE = ACCEPT_SENDS.replace("FOR UPDATE\n)", "FOR UPDATE SKIP LOCKED\n)")


async def accept_sends(
    tx: Connection, sends: Sequence[NewSend], *, wait_seconds: float, skip_locked: bool = False
) -> AcceptedSends:
    of_account: dict[UUID, list[NewSend]] = {}
    spent: dict[UUID, int] = {}
    rows = []
    for send in sends:
        account_id = send.payer.account_id
        own = of_account.setdefault(account_id, [])
        own.append(send)
        spent[account_id] = spent.get(account_id, 0) + send.cost
        rows.append((*_batch_row(send), len(own), spent[account_id]))
    repeated = _accounts_of_repeated_keys(sends)
    found = await tx.fetch(
        ACCEPT_SENDS_OF_FREE if skip_locked else ACCEPT_SENDS,
        milliseconds(wait_seconds),
        list(of_account),
        [None if each in repeated else total for each, total in spent.items()],
        [len(own) for own in of_account.values()],
        *columns(rows),
        *columns([r for place, s in enumerate(sends, 1) for r in _message_rows(place, s)]),
    )
    done = AcceptedSends(Book({}))
    if not found:
        return done
    *_, opted_out, has_answer, taken = found[0]
    if taken:
        raise KeysTaken(set(taken))
    topics: set[hints.Topic] = set()
    for payer_id, pool_id, kind, parent_id, held, version, pays, at, *_ in found:
        holding = Holding(payer_id, pool_id, NodeKind(kind), parent_id, held, version)
        done.book.holdings[payer_id] = holding
        if pays:
            own = of_account[payer_id]
            holding.held -= spent[payer_id]
            holding.version += len(own)
            done.created_at.update((send.id, at) for send in own)
            topics.update(topics_of(holding))
    note(tx, topics)
    done.opted_out.update(sends[place - 1].id for place in opted_out or ())
    if has_answer:
        keys = [key for place in has_answer if (key := sends[place - 1].key)]
        done.stored.update(await find_answers(tx, keys))
    return done


def _accounts_of_repeated_keys(sends: Sequence[NewSend]) -> set[UUID]:
    """The accounts of sends whose key occurs earlier in the batch."""
    keys: set[UUID] = set()
    repeated: set[UUID] = set()
    for send in sends:
        if send.key is not None:
            if send.key.id in keys:
                repeated.add(send.payer.account_id)
            keys.add(send.key.id)
    return repeated


def _batch_row(send: NewSend) -> tuple[Any, ...]:
    """The values of a send for `ACCEPT_SENDS`, except those about its account."""
    key = send.key
    of_key: tuple[Any, ...] = (None,) * 5
    if key is not None:
        answer = orjson.dumps(answer_of(send)).decode()
        of_key = (key.id, key.scope_id, key.key, key.input_hash, answer)
    return (*send_row(send), send.numbers[0] if send.is_single else None, *of_key)


def send_row(send: NewSend) -> tuple[Any, ...]:
    """The values of `SEND_COLUMNS` without `created_at`."""
    payer = send.payer
    rejected = [
        (each.input, each.position, each.reason.value, each.message) for each in send.rejected
    ]
    return (
        send.id,
        payer.client_id,
        payer.account_id,
        payer.provider_account_id,
        send.actor_id,
        send.kind.value,
        send.text,
        payer.price,
        send.accepted,
        send.rejected_count,
        orjson.dumps(rejected).decode() if rejected else None,
        payer.rate_usd,
        value_usd(send.cost, payer.rate_usd),
        send.line.modem if send.line else None,
        send.line.port if send.line else None,
        send.warning,
        send.send_at,
        send.held,
        send.last_held_until or send.send_at,
        orjson.dumps(send.quiet_hours).decode() if send.quiet_hours else None,
    )


def _message_rows(place: int, send: NewSend) -> Iterator[tuple[Any, ...]]:
    """A row for each number of the send at that place of the batch, in order.

    It has what is not the same in all messages of a send. A shared text is only in the send.
    """
    held_until: Iterable[datetime | None] = send.held_until or repeat(None, len(send.numbers))
    texts: Iterable[str | None] = send.texts or repeat(None, len(send.numbers))
    routes = send.routes or repeat(None, len(send.numbers))
    for message_id, number, own_text, held, route in zip(
        send.message_ids, send.numbers, texts, held_until, routes, strict=True
    ):
        send_at = held or send.send_at
        yield (
            message_id,
            place,
            send.payer.provider_account_id if route is None else route.provider_account_id,
            None if route is None else route.id,
            number,
            own_text,
            priority_of(send, send_at),
            send_at,
        )


def priority_of(send: NewSend, send_at: datetime | None) -> int:
    return PRIORITY[send.kind] + (0 if send_at is None else LATER)
