"""The simulator's log: every request, the accepted messages and the balance.

The log is a file of JSON lines to which lines are only appended. Each request is written before its
response is sent, and the balance is the sum of the lines. So no accepted message is lost if the
simulator is killed. An incomplete last line belongs to a request that had no response yet; the next
start removes it.
"""

from __future__ import annotations

import fcntl
import hmac
import os
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Final, TypedDict

import orjson

LOG_NAME: Final = "simulator.jsonl"
# The status can be queried for this many of the latest messages.
REMEMBERED_IDS: Final = 50_000


class LoggedMessage(TypedDict):
    """One message of a request. `took`: whether it was accepted; only then it has an `id`."""

    recipient: str
    text: str
    took: bool
    id: str | None


@dataclass(slots=True)
class Wallet:
    """An EgoSMS account: the hash of its password, and its money."""

    password_hash: str
    balance: int

    def opens_with(self, password: str) -> bool:
        """Whether this is its password."""
        return hmac.compare_digest(self.password_hash, _hash_of(password))


class DirectoryInUse(Exception):
    """Another simulator is running in this directory."""


class RequestLog:
    """The log in one directory, with the balance that results from it."""

    def __init__(self, directory: Path, *, opening_balance: int) -> None:
        """`opening_balance` is used only for a new directory.

        Raises DirectoryInUse if another simulator has it open.
        """
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / LOG_NAME
        self.requests = self.opening = self.added = self.accepted = 0
        self.accepted_at: OrderedDict[str, str] = OrderedDict()
        self.wallets: dict[str, Wallet] = {}
        self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        self._lock()
        self._size_bytes = self._read_lines()
        os.ftruncate(self._file, self._size_bytes)
        if self._size_bytes == 0:
            self._append({"kind": "opening", "balance": opening_balance})

    @property
    def balance(self) -> int:
        """The opening balance plus the credits added, minus one for each accepted message."""
        return self.opening + self.added - self.accepted

    def add_request(self, request: dict[str, object], messages: list[LoggedMessage]) -> None:
        """Writes a request. Each accepted message costs one credit.

        A request with a `wallet` lowers the balance of that wallet by its `cost` instead.
        """
        self._append(
            {"kind": "request", "seq": self.requests + 1, "at": _now(), **request}
            | {"messages": messages}
        )

    def add_credits(self, credits_added: int) -> None:
        """Adds credits, or removes them if the number is negative."""
        self._append({"kind": "credits", "at": _now(), "added": credits_added})

    def open_wallet(self, username: str, password: str, balance: int) -> None:
        """Adds an EgoSMS account, or changes its password and balance. The password is hashed."""
        entry = {"username": username, "password_hash": _hash_of(password), "balance": balance}
        self._append({"kind": "wallet", "at": _now(), **entry})

    def lines(self, after: int = 0) -> Iterator[bytes]:
        """The requests whose `seq` is greater than `after`, oldest first. Each is a JSON object."""
        with self.path.open("rb") as file:
            for line in file:
                entry = orjson.loads(line) if line.endswith(b"\n") else {}
                if entry.get("kind") == "request" and entry["seq"] > after:
                    yield line.rstrip(b"\n")

    def close(self) -> None:
        """Closes the file, so that another simulator can use the directory."""
        os.close(self._file)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._file)
            raise DirectoryInUse(f"Another simulator is running in {self.path.parent}.") from None

    def _read_lines(self) -> int:
        """Counts the lines in the file. Returns the size of the complete ones."""
        size_bytes = 0
        with self.path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                size_bytes += len(line)
                self._count(orjson.loads(line))
        return size_bytes

    def _append(self, entry: dict[str, object]) -> None:
        """Writes a line, and counts it only if it could be written."""
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
            case {"kind": "wallet", "username": str(name), "password_hash": str(hashed)}:
                self.wallets[name] = Wallet(hashed, int(str(entry["balance"])))
            case {"kind": "request", "seq": int(seq), "wallet": str(name), "cost": int(cost)}:
                self.requests = seq
                self.wallets[name].balance -= cost
            case {"kind": "request", "seq": int(seq), "at": str(at), "messages": list(messages)}:
                self.requests = seq
                ids = [message["id"] for message in messages if message["took"]]
                self.accepted += len(ids)
                self.accepted_at.update(dict.fromkeys(ids, at))
                while len(self.accepted_at) > REMEMBERED_IDS:
                    self.accepted_at.popitem(last=False)


def _hash_of(password: str) -> str:
    return sha256(password.encode()).hexdigest()


def _write_whole(file: int, line: bytes) -> None:
    written = 0
    while written < len(line):
        written += os.write(file, line[written:])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
