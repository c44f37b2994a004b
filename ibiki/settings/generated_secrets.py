"""Secrets that are not set: generated once and stored in the data directory with mode 0600."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.fernet import Fernet

_EASY_TO_TYPE = "abcdefghjkmnpqrstuvwxyz23456789"  # without characters that look alike


def secret_key(directory: Path) -> str:
    """The key that signs tokens."""
    return _stored(directory, "secret-key", lambda: secrets.token_urlsafe(48))


def encryption_keys(directory: Path) -> tuple[str, ...]:
    """The keys that encrypt stored secrets, the newest first."""
    kept = _stored(directory, "encryption-keys", lambda: Fernet.generate_key().decode())
    return tuple(key.strip() for key in kept.split(","))


def demo_password(directory: Path) -> str:
    """The password of the demo's users: 12 characters, about 59 bits."""
    return _stored(directory, "demo-password", _password)


def has_demo_password(directory: Path) -> bool:
    """Whether `demo_password` returns the one of an earlier start."""
    return (directory / "demo-password").exists()


def keep_demo_password(directory: Path, password: str) -> None:
    """Stores the password, so that it stays valid if DEMO_PASSWORD is not set next time."""
    with _locked(directory):
        _write(directory / "demo-password", password)


def _password() -> str:
    groups = ("".join(secrets.choice(_EASY_TO_TYPE) for _ in range(4)) for _ in range(3))
    return "-".join(groups)


def _stored(directory: Path, name: str, make: Callable[[], str]) -> str:
    """The content of the file, which is created if missing. Concurrent calls get the same.

    It is empty if it is not the text that was written, for example after a failure of the disk.
    """
    path = directory / name
    with _locked(directory):
        if not path.exists():
            _write(path, make())
    content = path.read_bytes()
    return content.decode().strip() if content.isascii() else ""


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Creates the directory and locks it, so that no other program creates a key."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(directory / "keys.lock", os.O_RDWR | os.O_CREAT, 0o600), "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(path: Path, content: str) -> None:
    """Writes the file atomically and flushes it to disk."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{content}\n")
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
