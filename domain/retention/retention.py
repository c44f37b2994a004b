"""Drops texts and whole months that are older than the rules say, and what belongs to one person.

A step is one transaction over some thousand rows, so that locks are short, and a run that is killed
continues where it was. What is not settled stays: a message that is QUEUED, SUBMITTING or UNKNOWN,
an event that waits for a decision. Transfers and sends stay. See docs/decisions/0198.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Protocol
from uuid import UUID

from domain.ids import FIRST_ID, LAST_ID, first_id_at
from domain.ledger.checkpoints import Checkpoint
from domain.ledger.runs import REST, Pace, persist
from domain.retention.rules import Clients, Limit, Retention, Rules, months_before


class RowKind(StrEnum):
    """The rows, or texts in them, that are dropped."""

    SENDS = "texts and rejected recipients of sends"
    MESSAGE_TEXTS = "texts of messages"
    INBOUND_TEXTS = "texts of inbound messages"
    EVENT_BODIES = "bodies of webhook events"
    MESSAGES = "messages"
    INBOUND = "inbound messages"
    CONVERSATIONS = "conversations"
    EVENTS = "webhook events"
    ATTEMPTS = "attempts"
    CONTACTS = "contacts"


TEXTS = (RowKind.SENDS, RowKind.MESSAGE_TEXTS, RowKind.INBOUND_TEXTS, RowKind.EVENT_BODIES)
# A conversation and the text of a send are dropped with their last message. The texts of sends are
# counted before the messages.
ROWS = (RowKind.SENDS, RowKind.MESSAGES, RowKind.INBOUND, RowKind.CONVERSATIONS, RowKind.EVENTS)
EXPORTED = (RowKind.MESSAGES, RowKind.INBOUND, RowKind.EVENTS, RowKind.ATTEMPTS)
OF_A_PERSON = (
    RowKind.MESSAGES,
    RowKind.INBOUND,
    RowKind.CONVERSATIONS,
    RowKind.CONTACTS,
    RowKind.SENDS,
    RowKind.MESSAGE_TEXTS,
    RowKind.INBOUND_TEXTS,
    RowKind.EVENT_BODIES,
)

OPEN_FOR = timedelta(minutes=10)
"""No transaction lasts longer: a row is visible this long after its `updated_at` at the latest."""

MOST = 2_000
"""Rows of one step: a transaction of about 50 ms."""


@dataclass(frozen=True, slots=True)
class Span:
    """Rows of some clients with IDs after one and before another.

    `unchanged_since`: only rows that were not changed since then, because they were exported then.
    `number`: only what belongs to this number.
    """

    clients: Clients
    after: UUID
    before: UUID
    unchanged_since: datetime | None = None
    number: str | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """The rows that an export wrote: of months closed by then, and not changed since."""

    closed_until: datetime
    unchanged_since: datetime


@dataclass(frozen=True, slots=True)
class Found:
    """What was dropped of a month and a client, or would be. `client_id`: None for no client."""

    kind: RowKind
    month: str
    client_id: UUID | None
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Step:
    """A page of a span. `last_id`: None at the end. `waiting`: rows that are not settled."""

    last_id: UUID | None
    waiting: int
    found: Sequence[Found]


@dataclass(frozen=True, slots=True)
class RowPage:
    """Rows as they are exported. `last_id`: None at the end."""

    last_id: UUID | None
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


class RetentionStore(Protocol):
    """What retention needs. Every function is safe to repeat."""

    async def read_clock(self) -> float:
        """The clock of the database, which sets `updated_at`, in seconds since 1970."""

    async def read_checkpoints(self) -> Sequence[Checkpoint]:
        """All checkpoints, oldest first."""

    async def read_rules(self, default: Retention) -> Rules:
        """The rules of all clients."""

    async def drop_rows(self, kind: RowKind, span: Span, *, most: int, dry_run: bool) -> Step:
        """Drops a step in one transaction; with `dry_run`, only says what it would drop.

        Locks its rows in the order of IDs, and leaves rows that others have locked.
        """

    async def read_rows(self, kind: RowKind, span: Span, *, most: int) -> RowPage:
        """The rows that a step would drop, whole."""

    async def first_of(self, kind: RowKind) -> datetime | None:
        """The time that the ID of the oldest row begins with. None if there is no row."""

    async def drop_empty_months(self, before: datetime) -> Sequence[str]:
        """Gives back the space of months that ended before then and have no rows any more."""

    async def read_progress(self, name: str) -> UUID:
        """The ID up to which a rule was applied."""

    async def write_progress(self, name: str, last_id: UUID) -> None:
        """Stores the ID up to which a rule was applied."""


@dataclass(frozen=True, slots=True)
class _Task:
    """A rule for one kind. `name`: of its progress; None: it begins at the first row each time."""

    kind: RowKind
    limit: Limit
    is_of_texts: bool = False

    @property
    def name(self) -> str | None:
        return None if self.kind is RowKind.CONVERSATIONS else f"{self.kind.name} {self.limit.name}"


class _Listed:
    """The sends that the rules of texts list in a dry run. Rules of months list them once more."""

    def __init__(self) -> None:
        self._rows: Counter[tuple[str, UUID | None]] = Counter()
        self._bytes: Counter[tuple[str, UUID | None]] = Counter()

    def rest_of(self, found: Found, task: _Task) -> Found:
        """What is not listed yet. Of a month and a client, one rule lists all of the other."""
        if task.kind is not RowKind.SENDS:
            return found
        key = (found.month, found.client_id)
        if task.is_of_texts:
            self._rows[key] += found.rows
            self._bytes[key] += found.bytes
            return found
        rows, size = min(found.rows, self._rows[key]), min(found.bytes, self._bytes[key])
        self._rows[key] -= rows
        self._bytes[key] -= size
        return replace(found, rows=found.rows - rows, bytes=found.bytes - size)


async def drop_old(
    store: RetentionStore,
    rules: Rules,
    now: datetime,
    *,
    dry_run: bool,
    exported: Exported | None = None,
    rest: float = REST,
) -> AsyncIterator[Found]:
    """Drops what is too old. Yields what was dropped, step by step. `dry_run`: changes nothing.

    `exported`: of months, drops only these rows; the rules must be those of the export. Safe to
    kill and run again, also in several processes at once.
    """
    listed = _Listed()
    for task in await _tasks(store, rules, now, exported):
        span = await _span(store, task, exported)
        is_blocked = False
        async for step in _steps(store, task.kind, span, dry_run=dry_run, rest=rest):
            for found in step.found:
                one = listed.rest_of(found, task) if dry_run else found
                if one.rows:
                    yield one
            is_blocked = is_blocked or step.waiting > 0
            # `before` is 0 if the limit is before 1970: a rule of 100 years.
            done_id = step.last_id or UUID(int=max(span.before.int - 1, 0))
            if task.name is not None and not is_blocked and not dry_run:
                await persist(partial(store.write_progress, task.name, done_id))
    if not dry_run and (ends := [each.ends_at for each in await store.read_checkpoints()]):
        await persist(partial(store.drop_empty_months, ends[-1]))


async def drop_person(
    store: RetentionStore, number: str, clients: Clients, *, dry_run: bool, rest: float = REST
) -> AsyncIterator[tuple[RowKind, Step]]:
    """Drops what is stored about a number in E.164. Yields each step, with what has to wait.

    The texts of other people stay, without the number. Opt-outs stay, so that nobody sends to the
    number again. Safe to repeat.
    """
    span = Span(clients, FIRST_ID, LAST_ID, number=number)
    for kind in OF_A_PERSON:
        async for step in _steps(store, kind, span, dry_run=dry_run, rest=rest):
            yield kind, step


async def begin_export(store: RetentionStore) -> Exported:
    """What an export that begins now will have in its files."""
    now = datetime.fromtimestamp(await persist(store.read_clock), UTC)
    closed = await persist(store.read_checkpoints)
    closed_until = closed[-1].ends_at if closed else datetime.fromtimestamp(0, UTC)
    return Exported(closed_until, now - OPEN_FOR)


async def months_to_export(
    store: RetentionStore, rules: Rules, now: datetime, exported: Exported
) -> AsyncIterator[tuple[str, RowKind, Sequence[Span]]]:
    """The spans that `drop_old` would drop, by month and kind, oldest first."""
    tasks = [each for each in await _tasks(store, rules, now, exported) if each.kind in EXPORTED]
    whole = [(each, await _span(store, each, None)) for each in tasks]
    firsts = [await persist(partial(store.first_of, kind)) for kind in EXPORTED]
    start = min((each for each in firsts if each is not None), default=now)
    for begins, ends in _months(start, max((each.limit.before for each in tasks), default=start)):
        first, end = first_id_at(begins), first_id_at(ends)
        for kind in EXPORTED:
            spans = [
                replace(span, after=max(first, span.after), before=end)
                for task, span in whole
                if task.kind is kind and task.limit.before >= ends and span.after.int < end.int - 1
            ]
            if spans:
                yield f"{begins:%Y-%m}", kind, spans


async def rows_of(
    store: RetentionStore, kind: RowKind, spans: Sequence[Span], *, rest: float = REST
) -> AsyncIterator[RowPage]:
    """All rows of the spans, page by page."""
    pace = Pace(rest)
    for span in spans:
        after: UUID | None = span.after
        while after is not None:
            rest_of_span = replace(span, after=after)
            page = await pace.read(partial(store.read_rows, kind, rest_of_span, most=MOST))
            yield page
            after = page.last_id


async def _steps(
    store: RetentionStore, kind: RowKind, span: Span, *, dry_run: bool, rest: float
) -> AsyncIterator[Step]:
    pace = Pace(rest)
    after: UUID | None = span.after
    while after is not None:
        rest_of_span = replace(span, after=after)
        step = await pace.read(
            partial(store.drop_rows, kind, rest_of_span, most=MOST, dry_run=dry_run)
        )
        yield step
        after = step.last_id


async def _tasks(
    store: RetentionStore, rules: Rules, now: datetime, exported: Exported | None
) -> list[_Task]:
    """Texts first. Months only up to the newest checkpoint, of the time of an export."""
    tasks = [_Task(kind, limit, True) for limit in rules.text_limits(now) for kind in TEXTS]
    closed = await persist(store.read_checkpoints)
    if closed:
        closed_until = exported.closed_until if exported else closed[-1].ends_at
        months = [_until(each, closed_until) for each in rules.month_limits(now)]
        tasks += [_Task(kind, limit) for limit in months for kind in ROWS]
        if (before := rules.all_months_before(now)) is not None:
            limit = _until(Limit(Clients(), before, "months"), closed_until)
            tasks.append(_Task(RowKind.ATTEMPTS, limit))
    return tasks


def _until(limit: Limit, latest: datetime) -> Limit:
    return replace(limit, before=min(limit.before, latest))


async def _span(store: RetentionStore, task: _Task, exported: Exported | None) -> Span:
    after = FIRST_ID
    if task.name is not None:
        after = await persist(partial(store.read_progress, task.name))
    before = first_id_at(task.limit.before)
    since = exported.unchanged_since if exported and task.kind in EXPORTED else None
    return Span(task.limit.clients, after, before, since)


def _months(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The beginning and the end of each month until `end`."""
    begins = months_before(start, 0)
    while begins < end:
        ends = months_before(begins, -1)
        yield begins, ends
        begins = ends
