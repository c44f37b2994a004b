"""Callbacks: URLs of single messages, which APIs for SDKs accept with a send.

SQL: it runs in the transaction that accepts the messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit
from uuid import UUID

from domain.ids import new_id
from persistence.database import Connection, columns

# One endpoint for all callbacks of a client to a host: a host that hangs delays only its own.
ADD_ENDPOINT = """
INSERT INTO hook_endpoint (id, client_id, url, events, is_callback, format)
VALUES ($1, $2, $3, ARRAY['message.updated'], true, $4)
ON CONFLICT (client_id, format, url) WHERE is_callback DO NOTHING
"""
FIND_ENDPOINT = """
SELECT id FROM hook_endpoint WHERE client_id = $1 AND url = $2 AND format = $3 AND is_callback
FOR KEY SHARE
"""
ADD_CALLBACKS = """
INSERT INTO hook_callback (message_id, endpoint_id, url)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[])
ON CONFLICT (message_id) DO UPDATE SET endpoint_id = excluded.endpoint_id, url = excluded.url
"""
QUEUE = """
INSERT INTO hook_delivery (id, endpoint_id, client_id, event_id, type, subject, facts, url)
SELECT uuid_by_time(), endpoint_id, client_id, uuid_by_time(), 'message.updated', message.id,
    jsonb_build_object('status', status, 'failure', failure, 'updated_at', updated_at), url
FROM message JOIN hook_callback ON message_id = message.id WHERE message.id = ANY($1::uuid[])
"""


async def enqueue_callback(
    tx: Connection, client_id: UUID, message_ids: Sequence[UUID], url: str, *, format: str
) -> None:
    """Posts each status change of these messages to the URL from now on, in this format.

    The URL must have been checked: `installation.hooks.addresses.checked_url`. The worker needs a
    `HookFormat` of that name. Repeats replace the URL.
    """
    parts = urlsplit(url)
    origin = f"{parts.scheme}://{parts.netloc}"
    await tx.execute(ADD_ENDPOINT, new_id(), client_id, origin, format)
    endpoint_id = await tx.fetchval(FIND_ENDPOINT, client_id, origin, format)
    rows = [(each, endpoint_id, url) for each in message_ids]
    await tx.execute(ADD_CALLBACKS, *columns(rows))


async def queue_callback_events(tx: Connection, message_ids: Sequence[UUID]) -> None:
    """Posts the present status of messages to their callbacks, for example QUEUED."""
    await tx.execute(QUEUE, list(message_ids))
