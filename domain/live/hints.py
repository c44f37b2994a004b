"""Hints say that something has changed, never what it is now.

A topic is a kind and an ID in 17 bytes: noting one costs almost nothing on the path of a send. A
hint may come twice, late, or without a change: its receiver reads the rows.
"""

from __future__ import annotations

from typing import TypeAlias
from uuid import UUID

Topic: TypeAlias = bytes

ACCOUNT = b"a"
"""The holding of an account, or the rate and group of its owner."""
BELOW = b"b"
"""The holding of an account directly below this one."""
POOL = b"p"
"""The figures of a provider account: its pool, its reading, the units in flight."""
SEND = b"s"
"""The counts of a send."""
MESSAGE = b"m"
"""The status of a message."""
MESSAGES = b"n"
"""The statuses of many messages of a send; the ID is the send's."""
FEED = b"f"
"""A new inbound message; the ID is the client's."""
CONVERSATION = b"c"
"""A conversation: a new message, read, opted out."""
EVENT = b"w"
"""The outcome of a webhook event."""
RECONCILIATION = b"r"
"""The progress of a reconciliation."""
AUDIT = b"l"
"""The progress of an audit of the ledger."""

HOOK = b"h"
"""A webhook endpoint of a client, or one of its deliveries."""

EVERYTHING: Topic = b"*" + bytes(16)
"""Hints were lost: read everything that is watched again."""


def id_of(topic: Topic) -> UUID:
    """The ID in a topic."""
    return UUID(bytes=topic[1:])
