"""Hints: that something has changed, never what it is now.

A topic is a kind and an id in 17 bytes, so that noting one costs next to nothing where messages
are accepted and handed over. A hint may come twice, late, or for nothing: who hears it reads.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Collection, Iterator
from typing import TypeAlias
from uuid import UUID

Topic: TypeAlias = bytes

ACCOUNT = b"a"
"""What a node holds itself, or the terms that its owner has."""
BELOW = b"b"
"""What a node right below this one holds."""
POOL = b"p"
"""The figures of a provider account: its pool, its reading, what is in flight."""
SEND = b"s"
"""The counts of a send."""
MESSAGE = b"m"
"""The status of a message that was there before."""
MESSAGES = b"n"
"""The statuses of many messages of a send."""
FEED = b"f"
"""A client has received something: the id is the client's."""
CONVERSATION = b"c"
"""What was written, read or asked for in a conversation."""
EVENT = b"w"
"""What became of a webhook event."""

EVERYTHING: Topic = b"*" + bytes(16)
"""Hints were lost: whatever is watched is to be read again."""

SIZE = 17


def id_of(topic: Topic) -> UUID:
    """The id that a topic is about."""
    return UUID(bytes=topic[1:])


def packed(topics: Collection[Topic], *, longest: int = 7_000) -> Iterator[str]:
    """The topics as texts of at most so many characters each."""
    joined = b"".join(topics)
    step = longest // 4 * 3 // SIZE * SIZE
    for start in range(0, len(joined), step):
        yield b64encode(joined[start : start + step]).decode()


def unpacked(text: str) -> set[Topic]:
    """The topics of one text; EVERYTHING where it cannot be read."""
    try:
        joined = b64decode(text, validate=True)
    except ValueError:
        return {EVERYTHING}
    if len(joined) % SIZE:
        return {EVERYTHING}
    return {joined[start : start + SIZE] for start in range(0, len(joined), SIZE)}
