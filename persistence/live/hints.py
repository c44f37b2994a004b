"""Collects the hints of a transaction, and passes them to the listeners after its commit.

Hints are noted next to the statements that write the rows, so that no operation can forget them.
They are published outside of the transaction: a NOTIFY inside makes it ten times slower.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING

from domain.live.hints import Topic

if TYPE_CHECKING:
    from persistence.database import Connection

Listener = Callable[[Collection[Topic]], None]
"""Receives the topics that changed, right after the commit. It must not block."""

log = logging.getLogger("ibiki.hints")
_listeners: list[Listener] = []
_noted: dict[Connection, set[Topic]] = {}


def note(tx: Connection, topics: Iterable[Topic]) -> None:
    """Notes changes: published after the commit, or at once if no transaction is open."""
    noted = _noted.get(tx)
    if noted is None:
        _publish(set(topics))
    else:
        noted.update(topics)


def listen(listener: Listener) -> Callable[[], None]:
    """Adds a listener to all changes of this process. Returns the function that removes it."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


class PublishAfterwards:
    """Wraps a transaction: the hints noted in it are published when it has ended.

    Also if it failed: after a lost connection the commit may have happened, and a needless hint
    costs only one read.
    """

    __slots__ = ("_tx",)

    def __init__(self, tx: Connection) -> None:
        self._tx = tx

    def __enter__(self) -> None:
        _noted[self._tx] = set()

    def __exit__(self, *_: object) -> None:
        noted = _noted.pop(self._tx)
        if noted:
            _publish(noted)


def _publish(topics: Collection[Topic]) -> None:
    for listener in tuple(_listeners):
        try:
            listener(topics)
        except Exception:
            log.exception("a listener to hints failed")
