"""The simulator's own book: every request it saw, which messages it took, what is left.

A file of JSON lines that is only ever added to, each line before its request is answered; a
balance is what the lines add up to. What was written survives the end of the simulator however it
ends; a line that was being written then was never answered, and is cut off at the next start.
"""

from __future__ import annotations

import fcntl
import os
from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypedDict

import orjson

LOG_NAME: Final = "simulator.jsonl"
# Ids of messages whose status can be asked for; older ones are forgotten.
REMEMBERED_IDS: Final = 50_000


class LoggedMessage(TypedDict):
    """One message of a request; `id` is what it was named if the simulator `took` it."""

    recipient: str
    text: str
    took: bool
    id: str | None


class BookInUse(Exception):
    """Another simulator is running in this directory."""


class Book:
    """The balance and the log in one directory. Raises BookInUse where it is already open."""

    def __init__(self, directory: Path, *, opening_balance: int) -> None:
        """`opening_balance` counts for a new directory only."""
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / LOG_NAME
        self.requests = self.opening = self.added = self.taken = 0
        self.taken_at: OrderedDict[str, str] = OrderedDict()
        self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        self._lock()
        self._size_bytes = self._recall()
        os.ftruncate(self._file, self._size_bytes)
        if self._size_bytes == 0:
            self._enter({"kind": "opening", "balance": opening_balance})

    @property
    def balance(self) -> int:
        """Credits left: the opening balance and what was added, less one for each message taken."""
        return self.opening + self.added - self.taken

    def record(self, request: dict[str, object], messages: list[LoggedMessage]) -> None:
        """Writes down a request; the messages that were taken are paid from now on."""
        self._enter(
            {"kind": "request", "seq": self.requests + 1, "at": _now(), **request}
            | {"messages": messages}
        )

    def add(self, credits_added: int) -> None:
        """Adds credits; a negative figure takes them away."""
        self._enter({"kind": "credits", "at": _now(), "added": credits_added})

    def lines(self, after: int = 0) -> Iterator[bytes]:
        """The requests whose `seq` is greater than `after`, oldest first, a JSON object each."""
        with self.path.open("rb") as file:
            for line in file:
                entry = orjson.loads(line) if line.endswith(b"\n") else {}
                if entry.get("kind") == "request" and entry["seq"] > after:
                    yield line.rstrip(b"\n")

    def close(self) -> None:
        """Lets another simulator have the directory."""
        os.close(self._file)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise BookInUse(f"Another simulator is running in {self.path.parent}.") from None

    def _recall(self) -> int:
        """Adds up the lines that are there. Returns the size of the whole ones."""
        size_bytes = 0
        with self.path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                size_bytes += len(line)
                self._count(orjson.loads(line))
        return size_bytes

    def _enter(self, entry: dict[str, object]) -> None:
        """Writes a line, then counts it: what could not be written has not happened."""
        line = orjson.dumps(entry) + b"\n"
        try:
            _write_whole(self._file, line)
        except OSError:
            os.ftruncate(self._file, self._size_bytes)
            raise
        self._size_bytes += len(line)
        self._count(entry)

    def _count(self, entry: dict[str, object]) -> None:
        match entry:
            case {"kind": "opening", "balance": int(balance)}:
                self.opening = balance
            case {"kind": "credits", "added": int(added)}:
                self.added += added
            case {"kind": "request", "seq": int(seq), "at": str(at), "messages": list(messages)}:
                self.requests = seq
                ids = [message["id"] for message in messages if message["took"]]
                self.taken += len(ids)
                self.taken_at.update(dict.fromkeys(ids, at))
                while len(self.taken_at) > REMEMBERED_IDS:
                    self.taken_at.popitem(last=False)


def _write_whole(file: int, line: bytes) -> None:
    written = 0
    while written < len(line):
        written += os.write(file, line[written:])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
