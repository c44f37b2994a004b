"""When a dispatcher ends, its look at the whole queue ends, too, whatever it has found."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from domain.dispatch.fairness import WHOLE_EVERY_SECONDS
from domain.errors import TryAgain
from tests.dispatch.test_queue_watch import SlowQueue, looking_at, looks_at_all_end, waiting


async def test_a_look_that_failed_before_the_end_leaves_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue = SlowQueue(monkeypatch)
    watch = looking_at(queue)
    await waiting(watch)
    queue.now += 10 * WHOLE_EVERY_SECONDS
    queue.failures = [TryAgain(), TryAgain()]
    unretrieved: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unretrieved.append(context))
    await waiting(watch)
    await looks_at_all_end()
    await watch.stop()
    del watch
    gc.collect()
    assert (queue.failures, unretrieved) == ([], [])
