"""The actors of live connections, and their present rights.

A connection ends when its token expires. If something about its actor changes, its rights are read
again, in every process, within a second (`domain.identity.actors`).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from domain.errors import TryAgain
from domain.identity.access import Actor
from domain.identity.actors import OnChange
from domain.identity.ports import Authenticator
from domain.live.subscriptions import Viewpoint

AGAIN_SECONDS = 0.2
ANONYMOUS_SECONDS = 60.0

log = logging.getLogger("ibiki.live")


class WatchedAuthenticator(Authenticator, Protocol):
    """Authenticates, and says when that must be repeated."""

    def on_change(self, listener: OnChange) -> Callable[[], None]:
        """Calls the listener with the IDs that changed. Returns the function that removes it."""


class Connected(Protocol):
    """A connection whose rights may change."""

    def rights_changed(self, actor: Actor) -> None:
        """The actor has other rights from now on."""

    def rights_ended(self, reason: str) -> None:
        """The connection must end at once."""

    def connect_again(self, reason: str) -> None:
        """The connection must end at once. Its client connects again."""


class NotAdmitted(Exception):
    """Too many connections: try again later."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections one process accepts. `anonymous`: without a sign-in."""

    most: int = 10_000
    per_user: int = 2_000
    anonymous: int = 200


class Rights:
    """The live connections of this process and their actors."""

    def __init__(
        self, authenticator: WatchedAuthenticator, limits: ConnectionLimits | None = None
    ) -> None:
        self.limits = limits or ConnectionLimits()
        self._authenticator = authenticator
        self._holders: set[Holder] = set()
        self._by_user: Counter[UUID | None] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._forget = authenticator.on_change(self._changed)

    def stop(self) -> None:
        """Stops listening to changes."""
        self._forget()

    def connect_again(self, reason: str) -> None:
        """Ends all connections. Their clients connect again."""
        for holder in list(self._holders):
            holder.connected.connect_again(reason)

    @property
    def is_full(self) -> bool:
        """Whether the limit of connections is reached."""
        return len(self._holders) >= self.limits.most

    async def admit(self, credential: str | None, connected: Connected) -> Holder | None:
        """Registers a connection; None if its credential is not valid.

        Raises NotAdmitted if there are too many connections, and TryAgain.
        """
        holder = Holder(self, credential, connected)
        self._holders.add(holder)
        try:
            actor = await self._read_actor(holder)
        except BaseException:
            self._holders.discard(holder)
            raise
        if credential is not None and actor is None:
            self._holders.discard(holder)
            return None
        self._assign(holder, actor)
        return holder

    def leave(self, holder: Holder) -> None:
        """Removes a connection that has ended."""
        if holder in self._holders:
            self._holders.discard(holder)
            holder.stop()
            user_id = holder.user_id
            self._by_user[user_id] -= 1
            if not self._by_user[user_id]:
                del self._by_user[user_id]

    def _assign(self, holder: Holder, actor: Actor | None) -> None:
        user_id = actor.user_id if actor else None
        most = self.limits.per_user if actor else self.limits.anonymous
        if self._by_user[user_id] >= most:
            self._holders.discard(holder)
            raise NotAdmitted
        self._by_user[user_id] += 1
        holder.assign(actor)

    async def _read_actor(self, holder: Holder) -> Actor | None:
        """The actor of the credential. Reads it again if it changed during the read."""
        while True:
            holder.is_stale = False
            if holder.credential is None:
                return None
            actor = await self._authenticator.actor_for(holder.credential)
            if not holder.is_stale:
                return actor

    def _changed(self, subject_ids: frozenset[UUID]) -> None:
        for holder in self._holders:
            holder.is_stale = True
            if holder.concerns(subject_ids):
                task = asyncio.create_task(self._refresh(holder))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _refresh(self, holder: Holder) -> None:
        while holder in self._holders:
            try:
                actor = await self._read_actor(holder)
            except TryAgain:
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            except Exception:
                # No connection keeps rights that cannot be confirmed.
                log.exception("a connection is closed: its rights could not be read")
                actor = None
            if holder in self._holders:
                holder.update(actor)
            return


class Holder:
    """One connection's rights."""

    def __init__(self, rights: Rights, credential: str | None, connected: Connected) -> None:
        self.credential = credential
        self.actor: Actor | None = None
        self.user_id: UUID | None = None
        self.is_stale = False
        self._rights = rights
        self.connected = connected
        self._timer: asyncio.TimerHandle | None = None

    def assign(self, actor: Actor | None) -> None:
        """Notes the actor, and ends the connection when its token expires."""
        self.actor = actor
        self.user_id = actor.user_id if actor else None
        if actor is None:
            self._end_in(ANONYMOUS_SECONDS, "Sign in")
        elif actor.expires_at is not None:
            self._end_in(actor.expires_at.timestamp() - time.time(), "The token has expired")

    def update(self, actor: Actor | None) -> None:
        """Applies the rights that were read again."""
        if actor is None or self.actor is None:
            self.connected.rights_ended("Signed out")
            return
        before, self.actor = Viewpoint.of(self.actor), actor
        if Viewpoint.of(actor) != before:
            self.connected.rights_changed(actor)

    def concerns(self, subject_ids: frozenset[UUID]) -> bool:
        """Whether a change of one of these IDs can change the actor."""
        actor = self.actor
        if actor is None:
            return False
        named = {actor.credential_id, actor.user_id, actor.client_id, actor.group_id}
        return not subject_ids.isdisjoint(each for each in named if each is not None)

    def leave(self) -> None:
        """Removes the connection. Safe to repeat."""
        self._rights.leave(self)

    def stop(self) -> None:
        """Stops the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _end_in(self, seconds: float, reason: str) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(
            max(0.0, seconds), lambda: self.connected.rights_ended(reason)
        )
