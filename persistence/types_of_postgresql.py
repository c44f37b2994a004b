"""Connections that do not ask PostgreSQL again what its own types are.

asyncpg has codecs for single values, and asks each new connection about each type of an array: a
recursive query over the system catalog, 10 ms of CPU and two round trips, inside the transaction of
the first send of that connection. PostgreSQL's own types have the same OIDs in all databases.
"""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar

import asyncpg

if TYPE_CHECKING:
    Base = asyncpg.Connection[asyncpg.Record]
else:
    Base = asyncpg.Connection

FIRST_OID_OF_OTHERS = 16384
"""Types with smaller OIDs are PostgreSQL's own (its source, access/transam.h)."""

# asyncpg prepares its statement again if this read has used the unnamed one. It has used none.
_NO_STATEMENT = SimpleNamespace(name="none")


class Connection(Base):
    """Remembers for this process what PostgreSQL answered about its own types."""

    _known: ClassVar[dict[frozenset[int], Any]] = {}

    async def _introspect_types(self, typeoids: Iterable[int], timeout: float | None) -> Any:  # noqa: ASYNC109 - as in asyncpg
        # A private method of asyncpg 0.32: the test of it fails if another version lacks it.
        oids = frozenset(typeoids)
        if oids in self._known:
            return self._known[oids], _NO_STATEMENT
        types, statement = await super()._introspect_types(oids, timeout)  # type: ignore[misc]
        if all(oid < FIRST_OID_OF_OTHERS for oid in oids):
            self._known[oids] = types
        return types, statement
