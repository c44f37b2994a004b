"""Quicker starts of servers and connections: tests make thousands of them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpx
import pytest
import uvicorn.server
from tortoise.models import MetaInfo


@contextmanager
def quicker_starts() -> Iterator[None]:
    """Starts and stops are quicker while the block runs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn.server, "asyncio", _QuickAsyncio())
        # It reads all certificates of the machine, for each client.
        patch.setattr(
            "httpx._transports.default.create_ssl_context", cache(httpx.create_ssl_context)
        )
        # What Tortoise works out for a model is always the same: all tests use the same models.
        patch.setattr(MetaInfo, "finalise_model", cache(MetaInfo.finalise_model))
        yield


class _QuickAsyncio:
    """asyncio for uvicorn, which sleeps 0.1 s between its looks whether it has to stop."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / 10)
