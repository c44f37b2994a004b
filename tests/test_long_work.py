"""Long work leaves the event loop enough turns."""

from __future__ import annotations

import asyncio
import sys
import threading
import time

from domain.long_work import THREADS, TURN_SECONDS, in_thread
from ibiki.http import server


async def test_no_more_threads_than_two_work_at_a_time() -> None:
    names: set[str] = set()

    def work() -> None:
        names.add(threading.current_thread().name)
        time.sleep(0.005)

    await asyncio.gather(*(in_thread(work) for _ in range(20)))
    assert len(names) <= THREADS == 2


def test_a_thread_gives_its_turn_back_soon() -> None:
    usual = sys.getswitchinterval()

    async def main() -> float:
        return sys.getswitchinterval()

    try:
        assert server.run(main()) == TURN_SECONDS
    finally:
        sys.setswitchinterval(usual)
