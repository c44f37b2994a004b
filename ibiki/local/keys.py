"""Secrets that nobody set: made once, kept in the data directory, readable by their owner alone."""

from __future__ import annotations

import fcntl
import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cryptography.fernet import Fernet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_EASY_TO_TYPE = "abcdefghjkmnpqrstuvwxyz23456789"  # nothing that looks like something else


def secret_key(directory: Path) -> str:
    """The key that signs tokens."""
    return _kept(directory, "secret-key", lambda: secrets.token_urlsafe(48))


def encryption_keys(directory: Path) -> tuple[str, ...]:
    """The keys of secrets at rest, the newest first."""
    kept = _kept(directory, "encryption-keys", lambda: Fernet.generate_key().decode())
    return tuple(key.strip() for key in kept.split(","))


def demo_password(directory: Path) -> str:
    """The password of the demo's users: 12 characters, some 59 bits."""
    return _kept(directory, "demo-password", _password)


def keep_demo_password(directory: Path, password: str) -> None:
    """From now on the demo's users sign in with this one, also where it is not set again."""
    with _locked(directory):
        _write(directory / "demo-password", password)


def _password() -> str:
    groups = ("".join(secrets.choice(_EASY_TO_TYPE) for _ in range(4)) for _ in range(3))
    return "-".join(groups)


def _kept(directory: Path, name: str, make: Callable[[], str]) -> str:
    """What the file holds. Whoever comes first makes it; all that come at once get the same."""
    path = directory / name
    with _locked(directory):
        if not path.exists():
            _write(path, make())
    return path.read_text().strip()


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """The directory is there, and no other program makes a key in it meanwhile."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(os.open(directory / "keys.lock", os.O_RDWR | os.O_CREAT, 0o600), "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(path: Path, content: str) -> None:
    """The file is there whole and on disk, or not at all."""
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{content}\n")
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
