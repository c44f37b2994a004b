"""A wall clock that programs of a rig share, and that a test can change while they run."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")


@dataclass(frozen=True, slots=True)
class Clock:
    """`why_not`: why it cannot be changed. None if it can."""

    file: Path
    library: Path
    why_not: str | None

    @property
    def environment(self) -> Mapping[str, str]:
        """The environment of a program that uses this clock."""
        if self.why_not is not None:
            return {}
        return {"LD_PRELOAD": str(self.library), "MOVED_CLOCK": str(self.file)}

    def move(self, seconds: int) -> None:
        """Sets the clock ahead of the system's clock, or behind it if the value is below 0."""
        with self.file.open("r+b") as file:
            file.write(seconds.to_bytes(8, "little", signed=True))


def new_clock(directory: Path) -> Clock:
    """A clock that shows the system's time. It is compiled in the directory."""
    clock = Clock(directory / "clock", directory / "clock.so", _compiled(directory / "clock.so"))
    clock.file.write_bytes(bytes(8))
    clock.file.chmod(0o644)
    return clock


def _compiled(library: Path) -> str | None:
    """Why it could not be compiled. None if it was."""
    compiler = shutil.which("cc")
    if compiler is None:
        return "there is no C compiler: it is needed to change a clock"
    ran = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl"],
        capture_output=True,
        text=True,
        check=False,
    )
    return None if ran.returncode == 0 else f"the clock cannot be compiled: {ran.stderr}"
