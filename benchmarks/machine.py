"""How fast the machine is at this moment: a figure means little if others use the machine.

Neighbours on a shared machine show in two ways: time that the host gives to others (steal), and a
fixed loop that takes longer if the sibling of the core is busy.
"""

from __future__ import annotations

import multiprocessing
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.measurement import Measurement

TURNS = 200_000
ROUNDS = 5
STEAL = 8
"""The place of stolen time in the first line of /proc/stat, its name counted."""


def name() -> str:
    """The name of the machine."""
    return f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}"


@contextmanager
def watched() -> Iterator[list[Measurement]]:
    """Two figures about the machine while the block runs. The list is filled at its end."""
    measurements: list[Measurement] = []
    stolen, began = _stolen_seconds(), time.perf_counter()
    yield measurements
    share = (_stolen_seconds() - stolen) / (time.perf_counter() - began) / (os.cpu_count() or 1)
    measurements.append(Measurement("time that the host gave to others", 100 * share, "%"))
    measurements.append(
        Measurement("a fixed loop on all cores at once", _loops_ms(), "ms of CPU each")
    )


def _loops_ms() -> float:
    cores = os.cpu_count() or 1
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        taken = [pool.map(_loop_ms, range(cores), chunksize=1) for _ in range(ROUNDS)]
    return sorted(each for together in taken for each in together)[ROUNDS * cores // 2]


def _loop_ms(_: int) -> float:
    """CPU of a fixed piece of plain Python, in ms."""
    began = time.process_time()
    seen: dict[int, str] = {}
    for turn in range(TURNS):
        seen[turn & 255] = str(turn)
    return 1000 * (time.process_time() - began)


def _stolen_seconds() -> float:
    """Stolen seconds of all cores since the start. 0 if the kernel does not count them."""
    try:
        first = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    except OSError:
        return 0.0
    return int(first[STEAL]) / os.sysconf("SC_CLK_TCK")
