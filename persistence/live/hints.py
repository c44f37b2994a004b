"""Notes what a transaction changes, and tells it to whoever listens once it is committed.

Noted where the rows are written, so that no operation can forget it, and told outside of the
transaction: a NOTIFY within it would make it a tenth as fast.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

from domain.live.hints import Topic

if TYPE_CHECKING:
    from persistence.database import Connection

Listener = Callable[[Collection[Topic]], None]
"""Told of changes, right after their commit. Must not block."""

log = logging.getLogger("ibiki.hints")
_listeners: list[Listener] = []
_noted: dict[Connection, set[Topic]] = {}


def note(tx: Connection, topics: Iterable[Topic]) -> None:
    """These have changed: told after the commit, or at once where no transaction is open."""
    noted = _noted.get(tx)
    if noted is None:
        _tell(set(topics))
    else:
        noted.update(topics)


def listen(listener: Listener) -> Callable[[], None]:
    """Has a listener told of all changes of this process, until what is returned is called."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


class ToldAfterwards:
    """Around a transaction: what is noted in it is told when it is over.

    Also where it failed: whether a commit that was lost on the way was kept is not known, and a
    hint too many costs one read.
    """

    __slots__ = ("_tx",)

    def __init__(self, tx: Connection) -> None:
        self._tx = tx

    def __enter__(self) -> None:
        _noted[self._tx] = set()

    def __exit__(self, *_: object) -> None:
        noted = _noted.pop(self._tx)
        if noted:
            _tell(noted)


def _tell(topics: Collection[Topic]) -> None:
    for listener in tuple(_listeners):
        try:
            listener(topics)
        except Exception:
            log.exception("a listener to changes failed")
