"""A file that is too large to be in memory: checked row by row, charged, and then written in parts.

The check remembers which rows it has accepted: one byte for each, and a checksum of the numbers and
texts of each part. A process that writes the messages reads the file again, and compares. So what
is written is what was charged, also after a crash, a change of a setting or a new version.
See docs/decisions/0193.
"""

from __future__ import annotations

import zlib
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from itertools import compress
from typing import TYPE_CHECKING, Any, BinaryIO
from uuid import UUID

from domain.errors import InvalidInput, RejectedRecipient
from domain.identity.access import Payer
from domain.identity.quiet_hours import QuietHours
from domain.ids import new_send_id
from domain.long_work import Steps, in_child, in_steps
from domain.numbers import Normaliser
from domain.sending.csv_order import CsvOrder, RowPart, read_parts, row_format_of
from domain.sending.files.layout import Layout
from domain.sending.files.table import Upload
from domain.sending.messages import RowsToWrite
from domain.sending.recipients import Sorting
from domain.sending.schedule import schedule_of, time_to_send

if TYPE_CHECKING:
    from domain.installation import Installation

PART_ROWS = 10_000
"""Rows that are checked, and later written, at a time."""

PROCESS_FROM = 20_000
"""From this many rows on, a file is read in a separate process: it takes tenths of a second."""

MOST_SAMPLES = 5


@dataclass(frozen=True, slots=True)
class TextSample:
    """The text for one row of a file."""

    line: int
    number: str
    text: str


@dataclass(frozen=True, slots=True)
class JobPlan:
    """How the rows of a file become messages.

    `order`: with the text of its template. `accepted_at`: the moment that quiet hours are counted
    from. `send_at`: when the messages are due, None for now. `checksums`: one for each part of
    `part_rows` rows. `first_message_id`: the messages have consecutive IDs from here on.
    """

    order: CsvOrder
    first_message_id: UUID
    accepted_at: datetime
    send_at: datetime | None
    quiet: QuietHours | None
    part_rows: int
    checksums: Sequence[int]

    def as_json(self) -> Mapping[str, Any]:
        """The plan as it is stored."""
        order = {
            "text": self.order.text,
            "column": self.order.column,
            "text_column": self.order.text_column,
            "allow_missing_values": self.order.allow_missing_values,
        }
        return {
            "order": order,
            "first_message_id": str(self.first_message_id),
            "accepted_at": self.accepted_at.isoformat(),
            "send_at": self.send_at.isoformat() if self.send_at else None,
            "quiet": asdict(self.quiet) if self.quiet else None,
            "part_rows": self.part_rows,
            "checksums": list(self.checksums),
        }


def plan_of(stored: Mapping[str, Any]) -> JobPlan:
    """The plan that was stored."""
    send_at, quiet = stored["send_at"], stored["quiet"]
    return JobPlan(
        order=CsvOrder(**stored["order"]),
        first_message_id=UUID(stored["first_message_id"]),
        accepted_at=datetime.fromisoformat(stored["accepted_at"]),
        send_at=datetime.fromisoformat(send_at) if send_at else None,
        quiet=QuietHours(**quiet) if quiet else None,
        part_rows=stored["part_rows"],
        checksums=stored["checksums"],
    )


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """What was found in a file. `refusal`: why it cannot be sent at its time, else None.

    `send_id`: the ID of its send, if it is sent.
    """

    send_id: UUID
    rows: RowsToWrite
    rejected: Sequence[RejectedRecipient]
    rejected_count: int
    samples: Sequence[TextSample]
    send_at: datetime | None
    refusal: InvalidInput | None


async def check_file(
    installation: Installation, payer: Payer, upload: Upload, file: BinaryIO, order: CsvOrder
) -> CheckedFile:
    """Checks all rows. Raises InvalidText and InvalidFile, as for a small file."""
    now = await installation.store.read_clock()
    task = CheckTask(
        upload_id=upload.id,
        layout=upload.layout,
        order=order,
        most_segments=installation.limits.segments,
        normaliser=installation.normaliser,
        quiet=None if order.ignore_quiet_hours else payer.quiet_hours,
        now=datetime.fromtimestamp(now, UTC),
        part_rows=PART_ROWS,
    )
    opted_out = partial(installation.store.find_opted_out, payer.client_id)
    run = in_child if upload.layout.rows >= PROCESS_FROM else in_steps
    return await run(checked_rows, file, task, answer=opted_out)


async def read_file(
    installation: Installation, upload: Upload, file: BinaryIO, order: CsvOrder
) -> RowPart:
    """All rows in one part. Raises InvalidText, InvalidFile."""
    whole = RowPart()

    async def add(part: RowPart) -> None:
        whole.extend(part)

    layout, limits = upload.layout, installation.limits
    run = in_child if layout.rows >= PROCESS_FROM else in_steps
    given = (layout, order, limits.segments, installation.normaliser, PART_ROWS)
    await run(read_rows, file, *given, answer=add)
    return whole


def read_rows(
    file: BinaryIO,
    layout: Layout,
    order: CsvOrder,
    most_segments: int,
    normaliser: Normaliser,
    part_rows: int,
) -> Steps[None]:
    """Yields the rows part by part: the caller needs some time for each."""
    row_format = row_format_of(layout, order, most_segments=most_segments)
    yield from read_parts(file, row_format, normaliser, rows=part_rows)


@dataclass(frozen=True, slots=True)
class CheckTask:
    """What to check the rows of a file for. `quiet`: None if quiet hours do not matter."""

    upload_id: UUID
    layout: Layout
    order: CsvOrder
    most_segments: int
    normaliser: Normaliser
    quiet: QuietHours | None
    now: datetime
    part_rows: int


def checked_rows(file: BinaryIO, task: CheckTask) -> Steps[CheckedFile]:
    """Checks all rows. Asks which of the numbers of a part have opted out."""
    row_format = row_format_of(task.layout, task.order, most_segments=task.most_segments)
    check = _Check(task, has_texts=row_format.text_of is not None)
    for part in read_parts(file, row_format, task.normaliser, rows=task.part_rows):
        check.add(part, (yield list(filter(None, part.numbers))))
    return check.finished()


def accepted_of(part: RowPart, flags: bytes | bytearray) -> tuple[list[str], list[str] | None]:
    """The numbers and texts of the rows that were accepted. `flags`: one byte for each row."""
    numbers = [number or "" for number in compress(part.numbers, flags)]
    return numbers, list(compress(part.texts, flags)) if part.texts else None


def checksum(numbers: Sequence[str], texts: Sequence[str] | None) -> int:
    """A checksum. Other numbers or texts almost certainly have another one."""
    given = "\n".join(numbers) + "\0" + "\0".join(texts or ())
    return zlib.crc32(given.encode(errors="surrogatepass"))


class _Check:
    """The rows so far."""

    def __init__(self, task: CheckTask, *, has_texts: bool) -> None:
        self._task, self._order, self._has_texts = task, task.order, has_texts
        self._send_at: datetime | None = None
        self._refusal: InvalidInput | None = None
        self._sorting = Sorting(compact=True)
        self._flags = bytearray()
        self._checksums: list[int] = []
        self._samples: list[TextSample] = []
        self._held = 0
        self._last_held_until: datetime | None = None
        try:
            self._send_at = task.order.send_at and time_to_send(task.order.send_at, task.now)
        except InvalidInput as refusal:  # any other refusal is raised first
            self._refusal = refusal.with_traceback(None)  # else it would hold this object

    def add(self, part: RowPart, opted_out: Container[str]) -> None:
        numbers, positions = self._sorting.add(
            part.written,
            part.numbers,
            texts=part.texts if self._has_texts else None,
            opted_out=opted_out,
            missing=part.missing,
            listed_at=part.lines,
        )
        flags = bytearray(len(part.written))
        for at in positions:
            flags[at] = 1
        self._flags += flags
        self._checksums.append(checksum(*accepted_of(part, flags)))
        for at in positions[: MOST_SAMPLES - len(self._samples)]:
            text = part.texts[at] if part.texts else self._order.text or ""
            self._samples.append(TextSample(part.lines[at], part.numbers[at] or "", text))
        self._hold(numbers)

    def finished(self) -> CheckedFile:
        send_id = new_send_id()
        plan = JobPlan(
            order=self._order,
            first_message_id=UUID(int=send_id.int + 1),
            accepted_at=self._task.now,
            send_at=self._send_at,
            quiet=self._task.quiet,
            part_rows=self._task.part_rows,
            checksums=self._checksums,
        )
        rows = RowsToWrite(
            upload_id=self._task.upload_id,
            plan=plan.as_json(),
            accepted_rows=zlib.compress(bytes(self._flags)),
            accepted=sum(self._flags),
            held=self._held,
            last_held_until=self._last_held_until,
        )
        return CheckedFile(
            send_id,
            rows,
            self._sorting.rejected,
            self._sorting.rejected_count,
            self._samples,
            self._send_at,
            self._refusal,
        )

    def _hold(self, numbers: Sequence[str]) -> None:
        """Counts what is held during quiet hours."""
        if self._task.quiet is None:
            return
        schedule = schedule_of(numbers, self._send_at, self._task.quiet, self._task.now)
        self._held += schedule.held
        ends = [self._last_held_until, schedule.last_held_until]
        self._last_held_until = max(filter(None, ends), default=None)
