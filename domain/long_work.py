"""Long work in plain Python, such as reading 100,000 numbers, done beside the event loop.

The event loop and these threads take turns in the interpreter, and the loop has to wait for a turn
each time that it has waited for the network. With asyncio's own threads (six on two cores) and
Python's turns of 5 ms, a single send beside ten bulks waited for seconds: docs/decisions/0205.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")

THREADS = 2
"""Two, so that a large file does not delay the numbers of another request."""

TURN_SECONDS = 0.0005
"""How long a thread may run while another one waits. For `sys.setswitchinterval`."""

_threads = ThreadPoolExecutor(THREADS, "long work")


async def in_thread(work: Callable[[], Result]) -> Result:
    """The result of the work. Waits for a thread if all are busy."""
    return await asyncio.get_running_loop().run_in_executor(_threads, work)
