"""The actors of credentials, cached until something about them changes.

Any code that changes what an actor may do writes the subject of the change (a session, key, user,
client or group) in the same transaction. Every process reads these changes five times a second and
forgets the actors that they concern. A process that has not read them for a second does not use its
cache: it reads each actor from the store.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from uuid import UUID
from weakref import WeakValueDictionary

from domain.errors import TryAgain, Unauthenticated
from domain.identity.access import Actor
from domain.identity.ports import ActorStore, CredentialStore, Tokens
from domain.loops import end_task
from domain.transactions import Failures, Transaction

LONGEST_CREDENTIAL = 2_048
POLL_SECONDS = 0.2
POLL_DEADLINE_SECONDS = 5.0
TRUST_SECONDS = 1.0
KEY_NOTE_SECONDS = 60.0

TASK = "reading changes of access"

MARK = "ibk_"
"""The beginning of the secret of each API key."""

_SECRET = re.compile(rf"{MARK}[0-9a-f]{{8}}_[\w-]{{43}}", re.ASCII)

log = logging.getLogger("ibiki.actors")

OnChange = Callable[[frozenset[UUID]], None]
"""Called with the changed subjects after they were forgotten: a socket reads its actor again."""


@dataclass(frozen=True, slots=True)
class _Cached:
    """An actor from the store. `read_at` is the time when the read began."""

    actor: Actor
    read_at: float
    ends_at: float


class Actors:
    """The cache of one process. Start it at boot: a task inherits the context of its request."""

    def __init__(self, store: ActorStore, tokens: Tokens, *, most: int = 20_000) -> None:
        self._store = store
        self._tokens = tokens
        self._most = most
        self._cached: dict[str, _Cached] = {}
        self._by_subject: dict[UUID, set[str]] = {}
        self._reads: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._used_keys: set[UUID] = set()
        self._changes = _Changes(store)
        self._on_change: list[OnChange] = []
        self._failures = Failures(log, TASK)
        self._task: asyncio.Task[None] | None = None

    async def actor_for(self, credential: str) -> Actor | None:
        """The actor of an access token or API key; None if it is not valid (any more)."""
        cached = self._cached.get(credential)
        if cached is None or not self._is_trusted(cached):
            cached = await self._read_once(credential)
            if cached is None:
                return None
        actor = cached.actor
        if actor.expires_at is None:
            self._used_keys.add(actor.credential_id)
        return actor

    def on_change(self, callback: OnChange) -> Callable[[], None]:
        """Calls the callback at each change, until the returned function is called."""
        self._on_change.append(callback)
        return lambda: self._on_change.remove(callback)

    async def catch_up(self) -> None:
        """Forgets what has changed until now. Call it after a change in this process."""
        try:
            await self._read_changes()
        except Exception as failure:  # noqa: BLE001 - the change itself is committed
            # The change is stored whatever happens here. The next poll reads it.
            self._failures.add(failure)

    def start(self) -> None:
        """Starts to read changes. Before the first read, the cache is not used."""
        self._task = asyncio.create_task(self._run(), name="actors")

    async def stop(self) -> None:
        """Stops, and stores the last uses of API keys."""
        task, self._task = self._task, None
        if task is None:
            return
        await end_task(task)
        self._failures.stop()
        self._changes = _Changes(self._store)
        with suppress(TryAgain):
            await self._note_used_keys(set())

    def _is_trusted(self, cached: _Cached) -> bool:
        return time.monotonic() < self._changes.read_until and time.time() < cached.ends_at

    async def _read_once(self, credential: str) -> _Cached | None:
        """Reads the actor from the store. Simultaneous requests share a few reads.

        A read answers the requests that were made before it began, and none that came later.
        """
        if len(credential) > LONGEST_CREDENTIAL:
            return None
        asked_at = time.monotonic()
        lock = self._reads.setdefault(credential, asyncio.Lock())
        async with lock:
            cached = self._cached.get(credential)
            if cached is not None and cached.read_at > asked_at and time.time() < cached.ends_at:
                return cached
            changes_before = self._changes.count
            self._forget(credential)
            cached = await self._read(credential)
            # A change that was read meanwhile may be newer than the row that was read.
            if cached is not None and changes_before == self._changes.count:
                self._remember(credential, cached)
            return cached

    async def _read(self, credential: str) -> _Cached | None:
        read_at = time.monotonic()
        if is_secret(credential):
            actor = await self._store.find_actor_of_key(hash_of_secret(credential))
            return _Cached(actor, read_at, float("inf")) if actor else None
        claims = self._tokens.read(credential)
        if claims is None:
            return None
        actor = await self._store.find_actor_of_session(claims.session_id, claims.user_id)
        if actor is None:
            return None
        actor = replace(actor, expires_at=claims.expires_at)
        return _Cached(actor, read_at, claims.expires_at.timestamp())

    def _remember(self, credential: str, cached: _Cached) -> None:
        if len(self._cached) >= self._most:
            self._forget(next(iter(self._cached)))
        self._cached[credential] = cached
        for subject_id in _subjects(cached.actor):
            self._by_subject.setdefault(subject_id, set()).add(credential)

    def _forget(self, credential: str) -> None:
        cached = self._cached.pop(credential, None)
        if cached is None:
            return
        for subject_id in _subjects(cached.actor):
            credentials = self._by_subject[subject_id]
            credentials.remove(credential)
            if not credentials:
                del self._by_subject[subject_id]

    async def _run(self) -> None:
        noted: set[UUID] = set()
        note_again_at = time.monotonic()
        while True:
            try:
                await self._read_changes()
                now = time.monotonic()
                if now >= note_again_at:
                    noted, note_again_at = set(), now + KEY_NOTE_SECONDS
                await self._note_used_keys(noted)
                self._failures.end()
            except Exception as failure:  # noqa: BLE001 - this task survives every failure
                self._failures.add(failure)
            await asyncio.sleep(POLL_SECONDS)

    async def _read_changes(self) -> None:
        subject_ids = await self._changes.read()
        if subject_ids is None:
            for credential in list(self._cached):
                self._forget(credential)
            return
        for subject_id in subject_ids:
            for credential in list(self._by_subject.get(subject_id, ())):
                self._forget(credential)
        if subject_ids:
            self._call_back(frozenset(subject_ids))

    def _call_back(self, subject_ids: frozenset[UUID]) -> None:
        for callback in list(self._on_change):
            try:
                callback(subject_ids)
            except Exception:
                log.exception("a callback for changes of access failed")

    async def _note_used_keys(self, noted: set[UUID]) -> None:
        used, self._used_keys = self._used_keys - noted, set()
        if used:
            await self._store.note_keys_used(sorted(used))
            noted |= used


class _Changes:
    """Reads each change of access once, in the order of the commits.

    `count` grows with each read that finds something. `read_until` is the time up to which the
    cache may be used.
    """

    def __init__(self, store: ActorStore) -> None:
        self._store = store
        self._snapshot: str | None = None
        self._lock = asyncio.Lock()
        self.count = 0
        self.read_until = float("-inf")

    async def read(self) -> Collection[UUID] | None:
        """The changed subjects since the last read. None at the first read: any subject."""
        async with self._lock:
            began_at = time.monotonic()
            is_first = self._snapshot is None
            try:
                async with asyncio.timeout(POLL_DEADLINE_SECONDS):
                    read = await self._store.read_access_changes(self._snapshot)
            except TimeoutError as late:
                raise TryAgain from late
            self._snapshot, subject_ids = read
            self.count += is_first or bool(subject_ids)
            self.read_until = began_at + TRUST_SECONDS
            return None if is_first else subject_ids


def is_secret(credential: str) -> bool:
    """Whether it has the form of a key's secret. If not, no look-up is needed."""
    return _SECRET.fullmatch(credential) is not None


async def check_credential(store: CredentialStore, tx: Transaction, actor: Actor | None) -> None:
    """Raises Unauthenticated if the credential has just ended. None: the command line.

    Until a process has read that change, the actor may still act. For what outlasts its credential,
    such as a password, a key or another user, that is too late.
    """
    if actor is not None and await store.has_ended(tx, actor):
        raise Unauthenticated


def hash_of_secret(secret: str) -> bytes:
    """The hash that is stored.

    A fast hash is enough: 256 random bits cannot be guessed, and a slow hash would slow down every
    request.
    """
    return sha256(secret.encode()).digest()


def _subjects(actor: Actor) -> set[UUID]:
    """Everything that can change the actor if it changes."""
    named = (actor.credential_id, actor.user_id, actor.client_id, actor.group_id)
    return {each for each in named if each is not None}
