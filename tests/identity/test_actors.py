"""The cache of actors: what it keeps, and for how long it is used."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from uuid import UUID

import pytest

from domain.errors import TryAgain
from domain.identity import actors
from domain.identity.access import Actor, Role
from domain.identity.actors import Actors
from domain.identity.ports import Claims
from domain.ids import new_id
from tests.clocks import PATIENCE_SECONDS

KEY = "ibk_0a1b2c3d_" + "A" * 43
USER, CLIENT, GROUP = new_id(), new_id(), new_id()


async def nothing() -> None:
    """Runs between a read and its answer. A test may replace it."""


@dataclass
class FakeStore:
    """A store with answers set by the test. `reads` counts the reads of actors."""

    actors: dict[UUID, Actor] = field(default_factory=dict)
    key_actor: Actor | None = None
    changes: list[UUID] = field(default_factory=list)
    reads: int = 0
    polls: int = 0
    failed_polls: int = 0
    is_unavailable: bool = False
    used_keys: list[UUID] = field(default_factory=list)
    meanwhile: Callable[[], Awaitable[None]] = nothing

    async def find_actor_of_session(self, session_id: UUID, user_id: UUID) -> Actor | None:
        self.reads += 1
        actor = self.actors.get(session_id)
        await self.meanwhile()
        return actor

    async def find_actor_of_key(self, secret_hash: bytes) -> Actor | None:
        self.reads += 1
        return self.key_actor

    async def read_access_changes(self, since: str | None) -> tuple[str, Collection[UUID]]:
        if self.is_unavailable:
            self.failed_polls += 1
            raise TryAgain
        self.polls += 1
        already_read = len(self.changes) if since is None else int(since)
        return str(len(self.changes)), set(self.changes[already_read:])

    async def note_keys_used(self, key_ids: Sequence[UUID]) -> None:
        self.used_keys += key_ids

    def change(self, subject_id: UUID) -> None:
        self.changes.append(subject_id)


class FakeTokens:
    """A token is the ID of its session and expires at a time set by the test."""

    def __init__(self) -> None:
        self.ends_at = datetime.now(UTC) + timedelta(minutes=15)

    def issue(self, *, user_id: UUID, session_id: UUID) -> tuple[str, datetime]:
        return str(session_id), self.ends_at

    def read(self, token: str) -> Claims | None:
        if datetime.now(UTC) >= self.ends_at:
            return None
        try:
            return Claims(USER, UUID(token), self.ends_at)
        except ValueError:
            return None


@dataclass
class Setup:
    store: FakeStore
    tokens: FakeTokens
    actors: Actors

    def sign_in(self) -> str:
        session_id = new_id()
        self.store.actors[session_id] = Actor(
            user_id=USER,
            role=Role.CLIENT,
            credential_id=session_id,
            client_id=CLIENT,
            group_id=GROUP,
        )
        return str(session_id)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.01)


@pytest.fixture
async def setup() -> AsyncIterator[Setup]:
    """Started: the first read of changes is done."""
    store, tokens = FakeStore(), FakeTokens()
    actors = Actors(store, tokens, most=100)
    actors.start()
    await until(lambda: store.polls > 0)
    yield Setup(store, tokens, actors)
    await actors.stop()


async def test_an_actor_is_read_once_and_cached_until_its_token_expires(setup: Setup) -> None:
    token = setup.sign_in()
    first = await setup.actors.actor_for(token)
    assert first is not None
    assert first.expires_at is not None
    assert await setup.actors.actor_for(token) is first
    assert setup.store.reads == 1


@pytest.mark.parametrize("other", ["", "nonsense", "x" * 100_000, "\ud800", "ibk_short"])
async def test_text_that_is_not_a_credential_is_not_looked_up(setup: Setup, other: str) -> None:
    assert await setup.actors.actor_for(other) is None
    assert setup.store.reads == 0


async def test_a_missing_actor_is_not_cached(setup: Setup) -> None:
    token = str(new_id())
    assert await setup.actors.actor_for(token) is None
    setup.store.actors[UUID(token)] = Actor(USER, Role.ADMIN, UUID(token))
    assert await setup.actors.actor_for(token) is not None


@pytest.mark.parametrize("subject", ["session", "user", "client", "group"])
async def test_an_actor_is_read_again_after_any_change_that_concerns_it(
    setup: Setup, subject: str
) -> None:
    token, other = setup.sign_in(), setup.sign_in()
    setup.store.actors[UUID(other)] = Actor(new_id(), Role.ADMIN, UUID(other))
    await setup.actors.actor_for(token)
    await setup.actors.actor_for(other)
    ids = {"session": UUID(token), "user": USER, "client": CLIENT, "group": GROUP}
    setup.store.actors[UUID(token)] = Actor(USER, Role.SUPERVISOR, UUID(token))
    setup.store.change(ids[subject])
    await setup.actors.catch_up()
    changed = await setup.actors.actor_for(token)
    assert changed is not None
    assert changed.role is Role.SUPERVISOR
    await setup.actors.actor_for(other)
    assert setup.store.reads == 3


async def test_changes_are_polled(setup: Setup) -> None:
    token = setup.sign_in()
    await setup.actors.actor_for(token)
    del setup.store.actors[UUID(token)]
    setup.store.change(UUID(token))
    polls = setup.store.polls
    await until(lambda: setup.store.polls > polls + 1)
    assert await setup.actors.actor_for(token) is None


async def test_a_change_is_reported_once(setup: Setup) -> None:
    reported: list[frozenset[UUID]] = []
    setup.actors.on_change(reported.append)
    await setup.actors.catch_up()
    setup.store.change(USER)
    await setup.actors.catch_up()
    await setup.actors.catch_up()
    assert reported == [frozenset({USER})]


async def test_an_actor_that_was_read_before_a_change_is_not_cached_after_it(setup: Setup) -> None:
    token = setup.sign_in()

    async def revoked_meanwhile() -> None:
        del setup.store.actors[UUID(token)]
        setup.store.change(UUID(token))
        setup.store.meanwhile = nothing
        await setup.actors.catch_up()

    setup.store.meanwhile = revoked_meanwhile
    await setup.actors.actor_for(token)
    assert await setup.actors.actor_for(token) is None


async def test_the_cache_is_not_used_while_changes_cannot_be_read(setup: Setup) -> None:
    token = setup.sign_in()
    await setup.actors.actor_for(token)
    setup.store.is_unavailable = True
    async with asyncio.timeout(PATIENCE_SECONDS):
        while setup.store.reads == 1:
            await setup.actors.actor_for(token)
            await asyncio.sleep(0.01)
    del setup.store.actors[UUID(token)]
    assert await setup.actors.actor_for(token) is None


async def test_the_cache_is_used_for_one_second_after_a_read_of_changes_began(setup: Setup) -> None:
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    await setup.actors.catch_up()
    assert began_at + 1.0 <= setup.actors._changes.read_until <= loop.time() + 1.0


async def test_changes_are_read_again_after_a_failure(
    setup: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    setup.store.is_unavailable = True
    await until(lambda: "noticed by: reading changes of access" in caplog.text)
    polls = setup.store.polls
    setup.store.is_unavailable = False
    await until(lambda: setup.store.polls > polls)


async def test_a_long_outage_of_the_database_is_logged_once(
    setup: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    setup.store.is_unavailable = True
    await until(lambda: setup.store.failed_polls >= 4)
    (reported,) = caplog.records
    assert reported.exc_info is None
    assert reported.getMessage().startswith("the database is unavailable")


async def test_before_the_start_every_actor_is_read_from_the_store() -> None:
    setup = Setup(store := FakeStore(), tokens := FakeTokens(), Actors(store, tokens))
    token = setup.sign_in()
    await setup.actors.actor_for(token)
    await setup.actors.actor_for(token)
    assert store.reads == 2


async def test_the_first_read_of_changes_empties_the_cache() -> None:
    setup = Setup(store := FakeStore(), tokens := FakeTokens(), Actors(store, tokens))
    token = setup.sign_in()
    await setup.actors.actor_for(token)
    del store.actors[UUID(token)]
    await setup.actors.catch_up()
    assert await setup.actors.actor_for(token) is None


async def test_simultaneous_requests_share_a_few_reads_while_the_cache_is_not_used() -> None:
    setup = Setup(store := FakeStore(), tokens := FakeTokens(), Actors(store, tokens))
    token = setup.sign_in()
    store.meanwhile = partial(asyncio.sleep, 0.01)
    answers = await asyncio.gather(*(setup.actors.actor_for(token) for _ in range(100)))
    assert all(answers)
    assert setup.store.reads <= 2


async def test_a_token_is_refused_after_it_expires(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, ends_at = setup.sign_in(), setup.tokens.ends_at.timestamp()
    assert await setup.actors.actor_for(token) is not None
    setup.tokens.ends_at = datetime.now(UTC)
    for seconds, is_accepted in ((-1, True), (0, False)):
        now = SimpleNamespace(time=lambda at=ends_at + seconds: at, monotonic=time.monotonic)
        monkeypatch.setattr(actors, "time", now)
        assert (await setup.actors.actor_for(token) is not None) is is_accepted


async def test_the_cache_has_a_largest_size(setup: Setup) -> None:
    tokens = [setup.sign_in() for _ in range(150)]
    for token in tokens:
        await setup.actors.actor_for(token)
    assert len(setup.actors._cached) == 100
    assert sum(len(each) for each in setup.actors._by_subject.values()) == 400
    reads = setup.store.reads
    await setup.actors.actor_for(tokens[-1])
    assert setup.store.reads == reads


async def test_the_use_of_an_api_key_is_stored_once_a_minute(setup: Setup) -> None:
    key_id = new_id()
    setup.store.key_actor = Actor(USER, Role.CLIENT, key_id)
    for _ in range(50):
        await setup.actors.actor_for(KEY)
    await until(lambda: bool(setup.store.used_keys))
    await setup.actors.actor_for(KEY)
    polls = setup.store.polls
    await until(lambda: setup.store.polls > polls + 1)
    assert setup.store.used_keys == [key_id]
    assert setup.store.reads == 1


async def test_a_use_just_before_the_stop_is_stored_too() -> None:
    store, tokens = FakeStore(), FakeTokens()
    actors = Actors(store, tokens)
    actors.start()
    store.key_actor = Actor(USER, Role.CLIENT, new_id())
    await actors.actor_for(KEY)
    await actors.stop()
    assert store.used_keys == [store.key_actor.credential_id]


async def test_callbacks_get_changes_and_a_failing_callback_does_not_stop_the_next(
    setup: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    reported: list[frozenset[UUID]] = []

    def fail(_: frozenset[UUID]) -> None:
        raise RuntimeError

    setup.actors.on_change(fail)
    leave = setup.actors.on_change(reported.append)
    setup.store.change(USER)
    await setup.actors.catch_up()
    leave()
    setup.store.change(CLIENT)
    await setup.actors.catch_up()
    assert reported == [frozenset({USER})]
