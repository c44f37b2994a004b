"""A separate volume for a database, so that its disk can be full: a tmpfs, if it can be mounted.

If not, it is a plain directory, and faults that need a full disk are left out with the reason.
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
    """A directory. `why_not`: why its disk cannot be filled. None if it can."""

    path: Path
    why_not: str | None

    def fill(self, *, left_bytes: int) -> None:
        """Makes the volume so small that only this many bytes are free."""
        used = shutil.disk_usage(self.path).used
        _mount("-o", f"remount,size={used + left_bytes}", str(self.path))

    def clear(self) -> None:
        """Gives the volume its full size again."""
        _mount("-o", f"remount,size={LARGEST}", str(self.path))


@contextmanager
def volume() -> Iterator[Volume]:
    """A new volume, which is removed afterwards. First removes those of runs that were killed."""
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
    """Whether the process that made it still runs. Its name contains the process ID."""
    maker = path.name.removeprefix(PREFIX).split("-")[0]
    return Path("/proc", maker).exists()


def _mounted(path: Path) -> str | None:
    """Mounts a tmpfs. Returns why it could not be mounted, or None."""
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
