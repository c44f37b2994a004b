"""Texts that are emptied and messages that are hidden: behind `domain.inbox.erasing.Erasing`.

SQL by hand: the rows are locked in the order of all other code, and a conversation finds its last
message in two tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from domain.errors import NotFound
from domain.identity.access import OfClient
from domain.inbox.messages import AnyMessage, InboundMessage
from domain.live import hints
from domain.sending.messages import Message
from persistence.database import note
from persistence.inbox.messages import find_messages

if TYPE_CHECKING:
    from persistence.database import Connection

# First, like capturing, which locks the send and then conversations: the text may be in the send.
LOCK_SEND = "SELECT FROM send WHERE id = $1 FOR NO KEY UPDATE"
LOCK_CONVERSATION = "SELECT FROM conversation WHERE client_id = $1 AND number = $2 FOR UPDATE"
LOCK_OUTBOUND = "SELECT FROM message WHERE id = $1 FOR UPDATE"
LOCK_INBOUND = "SELECT FROM inbound WHERE id = $1 FOR UPDATE"

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
EMPTY_INBOUND = "UPDATE inbound SET text = '' WHERE id = $1"
EMPTY_EVENT = "UPDATE webhook_event SET body = '' WHERE id = $1"

HIDE_OUTBOUND = "UPDATE message SET deleted_at = clock_timestamp() WHERE id = $1"
HIDE_INBOUND = "UPDATE inbound SET deleted_at = clock_timestamp() WHERE id = $1"

# An inbound message is unread if fewer messages than are unread came after it.
COUNT_READ = """
UPDATE conversation SET unread = unread - 1
WHERE client_id = $1 AND number = $2 AND unread > (
    SELECT count(*) FROM inbound
    WHERE inbound.client_id = $1 AND inbound.number = $2 AND inbound.id > $3
      AND deleted_at IS NULL)
"""
LAST_SHOWN = """
(SELECT id FROM inbound WHERE client_id = $1 AND number = $2 AND deleted_at IS NULL
 ORDER BY id DESC LIMIT 1)
UNION ALL
(SELECT message_id FROM sent_to JOIN message ON message.id = message_id
 WHERE sent_to.client_id = $1 AND sent_to.number = $2 AND deleted_at IS NULL
 ORDER BY message_id DESC LIMIT 1)
ORDER BY id DESC LIMIT 1
"""
SHOW_LAST = """
UPDATE conversation SET last_message_id = $3, updated_at = clock_timestamp()
WHERE client_id = $1 AND number = $2 RETURNING id
"""
END_CONVERSATION = "DELETE FROM conversation WHERE client_id = $1 AND number = $2"


async def lock_message(tx: Connection, scope: OfClient, message_id: UUID) -> AnyMessage:
    found = (await find_messages(scope, [message_id], tx=tx)).get(message_id)
    if found is None:
        raise NotFound("message")
    if isinstance(found, Message):
        await tx.execute(LOCK_SEND, found.send_id)
    await tx.execute(LOCK_CONVERSATION, found.client_id, found.number)
    await tx.execute(LOCK_OUTBOUND if isinstance(found, Message) else LOCK_INBOUND, message_id)
    # Read again: it may have changed before it was locked.
    found = (await find_messages(scope, [message_id], tx=tx)).get(message_id)
    if found is None:
        raise NotFound("message")
    return found


async def empty_text(tx: Connection, message: AnyMessage) -> None:
    if isinstance(message, InboundMessage):
        await tx.execute(EMPTY_INBOUND, message.id)
        await tx.execute(EMPTY_EVENT, message.id)
        return
    for send_id, shared in await tx.fetch(EMPTY_OUTBOUND, message.id):
        if shared:
            await tx.execute(EMPTY_SEND, send_id)
    note(tx, [hints.MESSAGE + message.id.bytes])


async def hide_message(tx: Connection, message: AnyMessage) -> None:
    key = message.client_id, message.number
    if isinstance(message, InboundMessage):
        await tx.execute(COUNT_READ, *key, message.id)
    await tx.execute(
        HIDE_INBOUND if isinstance(message, InboundMessage) else HIDE_OUTBOUND, message.id
    )
    last = await tx.fetchval(LAST_SHOWN, *key)
    if last is None:
        await tx.execute(END_CONVERSATION, *key)
    elif conversation_id := await tx.fetchval(SHOW_LAST, *key, last):
        note(tx, [hints.CONVERSATION + conversation_id.bytes])
