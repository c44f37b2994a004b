"""Settings of the embedded PostgreSQL that depend on the memory and the disk of the machine.

With the defaults of PostgreSQL, a queue of a million messages does not fit into its buffers, and
their log fills up while they drain: each checkpoint then delays the sends of everybody.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

MIB = 1024**2
GIB = 1024**3
CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def settings_for(memory_bytes: int, free_disk_bytes: int) -> Mapping[str, str]:
    """The settings for a machine or container of this size.

    A quarter of the memory for the buffers, at most 8 GiB. The log may grow to an eighth of the
    memory and a tenth of the free disk, at most 4 GiB: the recovery after a kill reads all of it,
    and that must not take a minute.

    Half of the files of the log are kept and used again. With PostgreSQL's 80 MB, a large send
    after a quiet time makes new files of 16 MB each, and every commit waits until one is filled
    with zeros and flushed.
    """
    buffers = _between(128 * MIB, memory_bytes // 4, 8 * GIB)
    log = _between(GIB // 2, min(memory_bytes // 8, free_disk_bytes // 10), 4 * GIB)
    return {
        "shared_buffers": _megabytes(buffers),
        "effective_cache_size": _megabytes(max(memory_bytes // 2, buffers)),
        "maintenance_work_mem": _megabytes(_between(64 * MIB, memory_bytes // 32, GIB // 2)),
        "max_wal_size": _megabytes(log),
        "min_wal_size": _megabytes(log // 2),
        "checkpoint_timeout": "15min",
    }


def memory_bytes() -> int:
    """The memory that this machine has, or that its container may use."""
    most = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in CONTAINER_LIMITS:
        with suppress(OSError, ValueError):  # "max" means that there is no limit
            most = min(most, int(path.read_text()))
    return most


def free_disk_bytes(directory: Path) -> int:
    """The free space on the disk of a directory."""
    return shutil.disk_usage(directory).free


def _between(least: int, value: int, most: int) -> int:
    return max(least, min(value, most))


def _megabytes(size: int) -> str:
    return f"{size // MIB}MB"
