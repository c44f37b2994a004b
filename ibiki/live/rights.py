"""Who is connected for longer than a request, and with what rights at this moment.

A connection ends when its token does; it is asked about again when something about its actor has
changed, in every process, within a second (`domain.identity.actors`).
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

log = logging.getLogger("ibiki.live.rights")


class Watched(Authenticator, Protocol):
    """Authenticates, and says when that has to be done again."""

    def on_change(self, told: OnChange) -> Callable[[], None]:
        """Has a callback told whose rights have changed, until what is returned is called."""
        ...


class Connected(Protocol):
    """A connection whose rights may change."""

    def rights_changed(self, actor: Actor) -> None:
        """From now on the actor sees something else than before."""
        ...

    def rights_ended(self, reason: str) -> None:
        """The connection is to end at once."""
        ...


class NotAdmitted(Exception):
    """Too many connections: try again later."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """How many connections one process keeps. `anonymous`: of those that have not signed in."""

    most: int = 10_000
    per_user: int = 2_000
    anonymous: int = 200


class Rights:
    """The connections of this process and who they are of. Made at boot."""

    def __init__(self, authenticator: Watched, limits: ConnectionLimits | None = None) -> None:
        self.limits = limits or ConnectionLimits()
        self._authenticator = authenticator
        self._holders: set[Holder] = set()
        self._by_user: Counter[UUID | None] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._forget = authenticator.on_change(self._changed)

    def stop(self) -> None:
        """Hears of changes no more."""
        self._forget()

    @property
    def is_full(self) -> bool:
        """Whether another connection would be one too many."""
        return len(self._holders) >= self.limits.most

    async def admit(self, credential: str | None, connected: Connected) -> Holder | None:
        """The rights of a connection from now on; None where the credential is no good.

        Raises NotAdmitted where there are too many, and TryAgain.
        """
        holder = Holder(self, credential, connected)
        self._holders.add(holder)
        try:
            actor = await self._ask(holder)
        except BaseException:
            self._holders.discard(holder)
            raise
        if credential is not None and actor is None:
            self._holders.discard(holder)
            return None
        self._seat(holder, actor)
        return holder

    def leave(self, holder: Holder) -> None:
        """The connection has ended."""
        if holder in self._holders:
            self._holders.discard(holder)
            holder.stop()
            user_id = holder.user_id
            self._by_user[user_id] -= 1
            if not self._by_user[user_id]:
                del self._by_user[user_id]

    def _seat(self, holder: Holder, actor: Actor | None) -> None:
        user_id = actor.user_id if actor else None
        most = self.limits.per_user if actor else self.limits.anonymous
        if self._by_user[user_id] >= most:
            self._holders.discard(holder)
            raise NotAdmitted
        self._by_user[user_id] += 1
        holder.seat(actor)

    async def _ask(self, holder: Holder) -> Actor | None:
        """What the credential is good for; asked again where it changed while being asked."""
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
                task = asyncio.create_task(self._ask_again(holder))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _ask_again(self, holder: Holder) -> None:
        while holder in self._holders:
            try:
                actor = await self._ask(holder)
            except TryAgain:
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            except Exception:
                # Nobody keeps rights that nobody can confirm.
                log.exception("a connection ends: who it is of could not be asked")
                actor = None
            if holder in self._holders:
                holder.found(actor)
            return


class Holder:
    """One connection's rights."""

    def __init__(self, rights: Rights, credential: str | None, connected: Connected) -> None:
        self.credential = credential
        self.actor: Actor | None = None
        self.user_id: UUID | None = None
        self.is_stale = False
        self._rights = rights
        self._connected = connected
        self._timer: asyncio.TimerHandle | None = None

    def seat(self, actor: Actor | None) -> None:
        """It is this actor's, until its token ends."""
        self.actor = actor
        self.user_id = actor.user_id if actor else None
        if actor is None:
            self._end_in(ANONYMOUS_SECONDS, "Sign in")
        elif actor.expires_at is not None:
            self._end_in(actor.expires_at.timestamp() - time.time(), "The token has ended")

    def found(self, actor: Actor | None) -> None:
        """What asking again came to."""
        if actor is None or self.actor is None:
            self._connected.rights_ended("Signed out")
            return
        before, self.actor = Viewpoint.of(self.actor), actor
        if Viewpoint.of(actor) != before:
            self._connected.rights_changed(actor)

    def concerns(self, subject_ids: frozenset[UUID]) -> bool:
        """Whether a change of one of these could change the actor."""
        actor = self.actor
        if actor is None:
            return False
        named = {actor.credential_id, actor.user_id, actor.client_id, actor.group_id}
        return not subject_ids.isdisjoint(each for each in named if each is not None)

    def leave(self) -> None:
        """The connection has ended. Safe to repeat."""
        self._rights.leave(self)

    def stop(self) -> None:
        """No clock runs any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _end_in(self, seconds: float, reason: str) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(
            max(0.0, seconds), lambda: self._connected.rights_ended(reason)
        )
