"""A volume of its own for a database, so that its disk can be full: a tmpfs, where one can be had.

Where not, the directory is as it is, and what needs a full disk is left out with the reason.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PREFIX = "ibiki-faults-"
LARGEST = "4g"


@dataclass(frozen=True, slots=True)
class Volume:
    """A directory. `why_not`: why its disk cannot be filled; None where it can."""

    path: Path
    why_not: str | None

    def fill(self, *, left_bytes: int) -> None:
        """Only so much more fits on it from now on."""
        used = shutil.disk_usage(self.path).used
        _mount("-o", f"remount,size={used + left_bytes}", str(self.path))

    def clear(self) -> None:
        """There is room again."""
        _mount("-o", f"remount,size={LARGEST}", str(self.path))


@contextmanager
def volume() -> Iterator[Volume]:
    """A new one, gone afterwards; those of runs that were killed are cleared away first."""
    for left_over in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if not _is_in_use(left_over):
            _unmount(left_over)
            shutil.rmtree(left_over, ignore_errors=True)
    path = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-"))
    why_not = _mounted(path)
    try:
        yield Volume(path, why_not)
    finally:
        if why_not is None:
            _unmount(path)
        shutil.rmtree(path, ignore_errors=True)


def _is_in_use(path: Path) -> bool:
    """Whether the run that made it, whose number its name bears, still runs."""
    maker = path.name.removeprefix(PREFIX).split("-")[0]
    return Path("/proc", maker).exists()


def _mounted(path: Path) -> str | None:
    """Mounts a tmpfs; why it could not, where it could not."""
    try:
        _mount("-t", "tmpfs", "-o", f"size={LARGEST}", "ibiki", str(path))
    except FileNotFoundError:
        return "there is no mount command"
    except subprocess.CalledProcessError as refused:
        return f"no volume can be mounted: {refused.stderr.strip()}"
    return None


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True, text=True)


def _unmount(path: Path) -> None:
    if path.is_mount():
        subprocess.run(["umount", "--lazy", str(path)], check=False, capture_output=True)
