"""Who a credential stands for, remembered until something about it changes.

Whoever changes what an actor may do writes down the subject (a session, key, user, client or
group) in the same transaction; every process reads these changes several times a second and
forgets whom they concern. A process that has not been able to read them for a second trusts
nothing that it remembers and asks the store.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID
from weakref import WeakValueDictionary

from domain.errors import TryAgain
from domain.identity.access import Actor
from domain.identity.api_keys import hash_of_secret, is_secret
from domain.identity.ports import AccessChange, ActorStore, Tokens
from domain.loops import log_failure

LONGEST_CREDENTIAL = 2_048
POLL_SECONDS = 0.2
POLL_DEADLINE_SECONDS = 5.0
TRUST_SECONDS = 1.0
KEY_NOTE_SECONDS = 60.0

WATCH = "reading changes of access"

log = logging.getLogger("ibiki.actors")

OnChange = Callable[[frozenset[UUID]], None]
"""Told whose rights have changed, after they were forgotten: a socket then asks anew."""


@dataclass(frozen=True, slots=True)
class _Known:
    """An actor as it was read from the store, by a read that began at `read_at`."""

    actor: Actor
    read_at: float
    ends_at: float


class Actors:
    """The actors that one process remembers. Started at boot, never from inside a request."""

    def __init__(self, store: ActorStore, tokens: Tokens, *, most: int = 20_000) -> None:
        self._store = store
        self._tokens = tokens
        self._most = most
        self._known: dict[str, _Known] = {}
        self._by_subject: dict[UUID, set[str]] = {}
        self._reading: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._used_keys: set[UUID] = set()
        self._changes = _Changes(store)
        self._on_change: list[OnChange] = []
        self._task: asyncio.Task[None] | None = None

    async def actor_for(self, credential: str) -> Actor | None:
        """The actor of an access token or an API key; None where it is none, or not any more."""
        known = self._known.get(credential)
        if known is None or not self._is_trusted(known):
            known = await self._ask(credential)
            if known is None:
                return None
        actor = known.actor
        if actor.expires_at is None:
            self._used_keys.add(actor.credential_id)
        return actor

    def on_change(self, told: OnChange) -> Callable[[], None]:
        """Has a callback told of every change from now on, until what is returned is called."""
        self._on_change.append(told)
        return lambda: self._on_change.remove(told)

    async def catch_up(self) -> None:
        """Forgets what has changed until now: for whoever has just changed it in this process."""
        try:
            await self._read_changes()
        except Exception as failure:  # noqa: BLE001 - what was changed stands
            # The change is made whatever happens here; those who watch will read it in a moment.
            log_failure(log, WATCH, failure, 1)

    def start(self) -> None:
        """Begins to read changes. Until then nothing that is remembered is trusted."""
        self._task = asyncio.create_task(self._watch(), name="actors")

    async def stop(self) -> None:
        """Ends it, and notes the last uses of API keys."""
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        self._changes = _Changes(self._store)
        with suppress(TryAgain):
            await self._note_used_keys(set())

    def _is_trusted(self, known: _Known) -> bool:
        return time.monotonic() < self._changes.read_until and time.time() < known.ends_at

    async def _ask(self, credential: str) -> _Known | None:
        """What the store says now. Many who ask for one credential at once share a few reads.

        A read answers those who asked before it began, and nobody who asked later.
        """
        if len(credential) > LONGEST_CREDENTIAL:
            return None
        asked_at = time.monotonic()
        lock = self._reading.setdefault(credential, asyncio.Lock())
        async with lock:
            known = self._known.get(credential)
            if known is not None and known.read_at > asked_at and time.time() < known.ends_at:
                return known
            changes_before = self._changes.count
            self._forget(credential)
            known = await self._read(credential)
            # A change that was read meanwhile may be newer than the row that was read.
            if known is not None and changes_before == self._changes.count:
                self._remember(credential, known)
            return known

    async def _read(self, credential: str) -> _Known | None:
        read_at = time.monotonic()
        if is_secret(credential):
            actor = await self._store.find_actor_of_key(hash_of_secret(credential))
            return _Known(actor, read_at, float("inf")) if actor else None
        claims = self._tokens.read(credential)
        if claims is None:
            return None
        actor = await self._store.find_actor_of_session(claims.session_id, claims.user_id)
        if actor is None:
            return None
        actor = replace(actor, expires_at=claims.expires_at)
        return _Known(actor, read_at, claims.expires_at.timestamp())

    def _remember(self, credential: str, known: _Known) -> None:
        if len(self._known) >= self._most:
            self._forget(next(iter(self._known)))
        self._known[credential] = known
        for subject_id in _subjects(known.actor):
            self._by_subject.setdefault(subject_id, set()).add(credential)

    def _forget(self, credential: str) -> None:
        known = self._known.pop(credential, None)
        if known is None:
            return
        for subject_id in _subjects(known.actor):
            credentials = self._by_subject[subject_id]
            credentials.remove(credential)
            if not credentials:
                del self._by_subject[subject_id]

    async def _watch(self) -> None:
        noted: set[UUID] = set()
        note_again_at = time.monotonic()
        failures = 0
        while True:
            try:
                await self._read_changes()
                now = time.monotonic()
                if now >= note_again_at:
                    noted, note_again_at = set(), now + KEY_NOTE_SECONDS
                await self._note_used_keys(noted)
                failures = 0
            except Exception as failure:  # noqa: BLE001 - watching outlives any failure
                failures += 1
                log_failure(log, WATCH, failure, failures)
            await asyncio.sleep(POLL_SECONDS)

    async def _read_changes(self) -> None:
        subject_ids = await self._changes.read()
        if subject_ids is None:
            for credential in list(self._known):
                self._forget(credential)
            return
        for subject_id in subject_ids:
            for credential in list(self._by_subject.get(subject_id, ())):
                self._forget(credential)
        if subject_ids:
            self._tell(frozenset(subject_ids))

    def _tell(self, subject_ids: frozenset[UUID]) -> None:
        for told in list(self._on_change):
            try:
                told(subject_ids)
            except Exception:
                log.exception("a reader of changes of access failed")

    async def _note_used_keys(self, noted: set[UUID]) -> None:
        used, self._used_keys = self._used_keys - noted, set()
        if used:
            await self._store.note_keys_used(sorted(used))
            noted |= used


class _Changes:
    """Reads changes of access once each, in whatever order they are committed."""

    def __init__(self, store: ActorStore) -> None:
        self._store = store
        self._since: datetime | None = None
        self._seen: set[UUID] = set()
        self._turn = asyncio.Lock()
        self.count = 0
        self.read_until = float("-inf")

    async def read(self) -> Collection[UUID] | None:
        """Whose rights have changed since the last read; None at the first one: anybody's."""
        async with self._turn:
            began_at = time.monotonic()
            now, changes = await self._asked()
            is_first = self._since is None
            new = {each.subject_id for each in changes if each.id not in self._seen}
            # The store reads back a little further each time than the last one went: a change
            # counts from when it was written, and may be committed after a later one.
            self._seen = {each.id for each in changes}
            self._since = now
            self.count += is_first or bool(new)
            self.read_until = began_at + TRUST_SECONDS
            return None if is_first else new

    async def _asked(self) -> tuple[datetime, Sequence[AccessChange]]:
        try:
            async with asyncio.timeout(POLL_DEADLINE_SECONDS):
                return await self._store.access_changes(self._since)
        except TimeoutError as late:
            raise TryAgain from late


def _subjects(actor: Actor) -> set[UUID]:
    """Whatever a change of could change the actor."""
    named = (actor.credential_id, actor.user_id, actor.client_id, actor.group_id)
    return {each for each in named if each is not None}
