"""The simulated provider: its log shows the messages of its calls, and which it accepted."""

from __future__ import annotations

from collections import Counter
from typing import Any

import aiohttp

# These answers prove that nothing was accepted: the message may be submitted again.
PLAINLY_NOT_TAKEN = {"rate_limited", "unavailable", "no_credits", "bad_key", "invalid_recipient"}


class SimulatedProvider:
    """Reads the log of the simulator directly, without a proxy, and controls the simulator.

    `taken`: how often the message to each number was accepted. `again`: numbers whose message was
    submitted once more after a call that may have accepted it.
    """

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.taken: Counter[str] = Counter()
        self.again: set[str] = set()
        self._seq = 0
        self._in_doubt: set[str] = set()

    async def read(self) -> None:
        """Reads the new entries of the log."""
        for entry in await self._get(f"log?after={self._seq}"):
            self._seq = entry["seq"]
            recipients = {message["recipient"] for message in entry["messages"]}
            self.again |= recipients & self._in_doubt
            if entry["behaviour"] not in PLAINLY_NOT_TAKEN:
                self._in_doubt |= recipients
            self.taken.update(
                message["recipient"] for message in entry["messages"] if message["took"]
            )

    async def answers(self) -> bool:
        """Whether the simulator answers."""
        try:
            await self.balance()
        except (aiohttp.ClientError, OSError):
            return False
        return True

    async def balance(self) -> int:
        """The credits that are left."""
        return int((await self._get("balance"))["balance"])

    async def fault(self, kind: str, **more: object) -> None:
        """Makes it behave in this way until `reset`."""
        await self._post("fault", {"kind": kind, "times": None, "path": "/api/v2/sms/", **more})

    async def reset(self) -> None:
        """Makes it behave well again."""
        await self._post("reset", {})

    async def top_up(self, credits: int) -> None:
        """Sets its credits."""
        await self._post("balance", {"balance": credits})

    async def _get(self, what: str) -> Any:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.base_url}/control/{what}") as response,
        ):
            return await response.json()

    async def _post(self, what: str, requested: dict[str, object]) -> None:
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.base_url}/control/{what}", json=requested) as response,
        ):
            assert response.status == 200, await response.text()
