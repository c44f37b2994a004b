"""Texts that are emptied and messages that are hidden: behind `domain.inbox.erasing.Erasing`.

Rows are locked in the order of all other code. Hand-written SQL: three changes that depend on the
row itself, and the last message of a conversation, which is in one of two tables.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from tortoise.queryset import QuerySet

from domain.errors import NotFound
from domain.identity.access import OfClient
from domain.inbox.messages import AnyMessage, InboundMessage
from domain.live import hints
from domain.sending.messages import Message
from persistence.database import Connection, note, orm
from persistence.inbox import models
from persistence.inbox.messages import find_messages
from persistence.sending.models import Message as MessageRow
from persistence.sending.models import Send
from persistence.sending.to_number import is_to
from persistence.sql import NOW

# updated_at stays: it is the time of the last status. So the version is counted here.
EMPTY_OUTBOUND = """
WITH before AS (SELECT text IS NULL AS shared FROM message WHERE id = $1)
UPDATE message SET text = '', version = version + 1,
    changed_xid = pg_current_xact_id()::text::bigint
FROM before WHERE id = $1 RETURNING send_id, shared
"""
# The text of a bulk is in its send until the last of its messages is emptied.
EMPTY_SEND = """
UPDATE send SET emptied = emptied + 1,
    text = CASE WHEN emptied + 1 >= accepted THEN '' ELSE text END
WHERE id = $1
"""

# An inbound message is unread if fewer messages than are unread came after it.
COUNT_READ = """
UPDATE conversation SET unread = unread - 1
WHERE client_id = $1 AND number = $2 AND unread > (
    SELECT count(*) FROM inbound
    WHERE inbound.client_id = $1 AND inbound.number = $2 AND inbound.id > $3
      AND deleted_at IS NULL)
"""
LAST_SHOWN = f"""
(SELECT id FROM inbound WHERE client_id = $1 AND number = $2 AND deleted_at IS NULL
 ORDER BY id DESC LIMIT 1)
UNION ALL
(SELECT message_id FROM open_sent_to AS sent_to JOIN message ON message.id = message_id
 WHERE {is_to("$2", "$1")} AND deleted_at IS NULL ORDER BY message_id DESC LIMIT 1)
UNION ALL
(SELECT message_id FROM closed_sent_to AS sent_to JOIN message ON message.id = message_id
 WHERE {is_to("$2", "$1")} AND deleted_at IS NULL ORDER BY message_id DESC LIMIT 1)
ORDER BY id DESC LIMIT 1
"""  # noqa: S608 - conditions of our own


async def lock_message(tx: Connection, scope: OfClient, message_id: UUID) -> AnyMessage:
    found = (await find_messages(scope, [message_id], tx=tx)).get(message_id)
    if found is None:
        raise NotFound("message")
    if isinstance(found, Message):
        # First, like capturing, which locks the send and then conversations: its text may be there.
        await Send.filter(id=found.send_id).using_db(orm(tx)).select_for_update(no_key=True)
    await _conversation(tx, found).select_for_update()
    await _row(tx, found).select_for_update()
    # Read again: it may have changed before it was locked.
    found = (await find_messages(scope, [message_id], tx=tx)).get(message_id)
    if found is None:
        raise NotFound("message")
    return found


async def empty_text(tx: Connection, message: AnyMessage) -> None:
    if isinstance(message, InboundMessage):
        await _row(tx, message).update(text="")
        await models.WebhookEvent.filter(id=message.id).using_db(orm(tx)).update(body=b"")
        return
    for send_id, shared in await tx.fetch(EMPTY_OUTBOUND, message.id):
        if shared:
            await tx.execute(EMPTY_SEND, send_id)
    note(tx, [hints.MESSAGE + message.id.bytes])


async def hide_message(tx: Connection, message: AnyMessage) -> None:
    key = message.client_id, message.number
    if isinstance(message, InboundMessage):
        await tx.execute(COUNT_READ, *key, message.id)
    await _row(tx, message).update(deleted_at=NOW)
    last = await tx.fetchval(LAST_SHOWN, *key)
    conversation = _conversation(tx, message)
    if last is None:
        await conversation.delete()
    elif found := await conversation.first():
        await conversation.update(last_message_id=last, updated_at=NOW)
        note(tx, [hints.CONVERSATION + found.id.bytes])


def _row(tx: Connection, message: AnyMessage) -> QuerySet[Any]:
    rows = models.Inbound if isinstance(message, InboundMessage) else MessageRow
    return rows.filter(id=message.id).using_db(orm(tx))


def _conversation(tx: Connection, message: AnyMessage) -> QuerySet[models.Conversation]:
    rows = models.Conversation.filter(client_id=message.client_id, number=message.number)
    return rows.using_db(orm(tx))
