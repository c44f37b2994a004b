"""A wall clock that programs of a rig share and that can be moved under them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("clock.c")


@dataclass(frozen=True, slots=True)
class Clock:
    """`why_not`: why it cannot be moved; None where it can."""

    file: Path
    library: Path
    why_not: str | None

    @property
    def environment(self) -> Mapping[str, str]:
        """What a program is started with, for its wall clock to be this one."""
        if self.why_not is not None:
            return {}
        return {"LD_PRELOAD": str(self.library), "MOVED_CLOCK": str(self.file)}

    def move(self, seconds: int) -> None:
        """The clock goes before (or, below 0, behind) the system's by so much."""
        with self.file.open("r+b") as file:
            file.write(seconds.to_bytes(8, "little", signed=True))


def new_clock(directory: Path) -> Clock:
    """A clock that agrees with the system's; compiled in the directory, which others may read."""
    clock = Clock(directory / "clock", directory / "clock.so", _compiled(directory / "clock.so"))
    clock.file.write_bytes(bytes(8))
    clock.file.chmod(0o644)
    return clock


def _compiled(library: Path) -> str | None:
    """Why it could not be compiled; None where it could."""
    compiler = shutil.which("cc")
    if compiler is None:
        return "there is no C compiler, which moving a clock needs"
    ran = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(SOURCE), "-ldl"],
        capture_output=True,
        text=True,
        check=False,
    )
    return None if ran.returncode == 0 else f"the clock cannot be compiled: {ran.stderr}"
