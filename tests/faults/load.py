"""The clients of the load. Most give each request a key and repeat it until it is answered.

Naive clients give no key. They repeat a request only if the answer says that nothing was kept. If
the outcome is unknown, they look the send up by its ID. All send requests at a steady rate. No two
requests have a number in common, so a number identifies a message here and in the provider's log.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any
from uuid import UUID, uuid4

import aiohttp

SEND = """
mutation ($input: SendInput!) { send(input: $input) {
  __typename ... on Send { id charged accepted }
  ... on InsufficientBalance { required available } ... on OutcomeUnknown { sendId }
  ... on UserError { message } } }
"""
LOOK_UP = "query ($id: ID!) { send(id: $id) { id charged accepted } }"
BULK_SEND = SEND.replace("SendInput", "BulkSendInput").replace("send(", "bulkSend(")
CANCEL_SEND = """
mutation ($input: CancelSendInput!) { cancelSend(input: $input) { __typename } }
"""

AREAS = (202, 212, 305, 312, 415, 512, 617, 713)
EXCHANGES = tuple(each for each in range(220, 1000) if each % 100 != 11 and each != 555)

MOST_OPEN = 300
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 1.0
LOOK_UP_SECONDS = 3.0
"""A transaction whose COMMIT was lost may still be under way for a moment after an outage."""

TRANSIENT = {"RATE_LIMITED"}


@dataclass(frozen=True, slots=True)
class Accepted:
    """The request was accepted: this is the send."""

    send_id: str
    charged: int
    accepted: int


@dataclass(frozen=True, slots=True)
class TooFewUnits:
    """The account had too few units. Nothing was charged."""

    required: int
    available: int


Answer = Accepted | TooFewUnits


@dataclass(slots=True, eq=False)
class MadeRequest:
    """One request and its answer. `key`: None for a naive client.

    `tries`: how often it was sent. `in_doubt`: the ID of the send, if an answer said that its
    outcome is unknown.
    """

    token: str
    numbers: Sequence[str]
    key: str | None
    requested_at: float
    answer: Answer | None = None
    answered_at: float | None = None
    given_up: bool = False
    tries: int = 0
    in_doubt: str | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The request, the same each time."""
        to = {"to": list(self.numbers)} if len(self.numbers) > 1 else {"to": self.numbers[0]}
        given = {**to, "text": "Good morning", "idempotencyKey": self.key}
        document = BULK_SEND if len(self.numbers) > 1 else SEND
        return {"query": document, "variables": {"input": given}}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRules:
    """How many requests are sent. `patience_seconds`: after this time a client tries again.

    `large`: numbers of a bulk that waits as a part, see `persistence.sending.parts`.
    """

    requests_per_second: float
    patience_seconds: float
    bulk: range = range(2, 20)
    large: int = 1_020
    large_every: int = 100
    unkeyed_every: int = 3
    cancelled_every: int = 25
    poor_every: int = 30


@dataclass(slots=True)
class Clients:
    """The API keys of clients with enough units, and of one client that soon has too few.

    `accounts`: of the clients with enough units, in the same order. `receivers`: the numbers of
    clients, each with its client.
    """

    rich: Sequence[str]
    accounts: Sequence[UUID]
    receivers: Sequence[tuple[str, UUID]]
    poor: str


class Load:
    """Requests at a steady rate, from `start` to `stop`, to servers that may be restarted."""

    def __init__(
        self, servers: Sequence[str], clients: Clients, load_rules: LoadRules, *, seed: int
    ) -> None:
        self.load_rules = load_rules
        self.requests: list[MadeRequest] = []
        self.defects: list[str] = []
        self.longest_try_seconds = 0.0
        self.outcomes_unknown = 0
        self.servers = list(servers)
        """Changes the address that it sends requests to."""
        self.broken_off: Counter[str] = Counter()
        """Requests whose connection was refused or lost, by server."""
        self._clients = clients
        self._chance = Random(seed)
        self._answered_at: deque[float] = deque(maxlen=20_000)
        self._open: set[asyncio.Task[None]] = set()
        self._pacing: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None
        self._numbers_given = 0

    def start(self) -> None:
        """Starts to send requests."""
        # A connection for each request: one that a fault has broken affects no other request.
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        self._session = aiohttp.ClientSession(connector=connector)
        self._pacing = asyncio.create_task(self._keep_asking(), name="load")

    async def stop(self) -> None:
        """Starts no new request. Returns when each one is answered or given up."""
        assert self._pacing is not None
        self._pacing.cancel()
        with suppress(asyncio.CancelledError):
            await self._pacing
        await asyncio.gather(*self._open)

    async def close(self) -> None:
        """Gives up all open requests."""
        for task in [*self._open, *([self._pacing] if self._pacing else [])]:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    @property
    def somebody(self) -> str:
        """A key of a client with enough units."""
        return self._clients.rich[0]

    @property
    def waiting(self) -> int:
        """Requests that have no answer yet."""
        return len(self._open)

    @property
    def acknowledged(self) -> int:
        """Requests that were accepted."""
        return sum(isinstance(each.answer, Accepted) for each in self.requests)

    def answered_within(self, seconds: float) -> int:
        """The number of answers in the last seconds."""
        since = time.monotonic() - seconds
        return sum(1 for at in self._answered_at if at > since)

    async def ask_again(self, request: MadeRequest) -> Answer | None:
        """Repeats a request with its key, and returns the answer."""
        again = MadeRequest(request.token, request.numbers, request.key, time.monotonic())
        await self._ask(again)
        return again.answer

    async def _keep_asking(self) -> None:
        began, count = time.monotonic(), 0
        while True:
            count += 1
            due_at = began + count / self.load_rules.requests_per_second
            await asyncio.sleep(max(0.0, due_at - time.monotonic()))
            if len(self._open) < MOST_OPEN:
                self._begin(self._ask_and_note(self._next(count)))
            if count % self.load_rules.cancelled_every == 0:
                self._begin(self._cancel_one())

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    def _next(self, count: int) -> MadeRequest:
        if count % self.load_rules.large_every == 0:
            size = self.load_rules.large
        else:
            size = 1 if self._chance.random() < 0.75 else self._chance.choice(self.load_rules.bulk)
        is_poor = count % self.load_rules.poor_every == 0
        request = MadeRequest(
            self._clients.poor if is_poor else self._chance.choice(self._clients.rich),
            [self._new_number() for _ in range(size)],
            None if count % self.load_rules.unkeyed_every == 0 else uuid4().hex,
            time.monotonic(),
        )
        self.requests.append(request)
        return request

    def _new_number(self) -> str:
        place, line = divmod(self._numbers_given, 10_000)
        area, exchange = divmod(place, len(EXCHANGES))
        self._numbers_given += 1
        return f"+1{AREAS[area]}{EXCHANGES[exchange]}{line:04d}"

    async def _ask_and_note(self, request: MadeRequest) -> None:
        await self._ask(request)
        if request.answered_at is not None:
            self._answered_at.append(request.answered_at)

    async def _ask(self, request: MadeRequest) -> None:
        """Repeats the request until it is answered. Without a key, no answer means to give up."""
        pause_seconds = FIRST_PAUSE_SECONDS
        while request.answer is None and not request.given_up:
            request.tries += 1
            response = await self._try(request.token, request.body)
            request.answer = self._read(request, response)
            if request.in_doubt is not None and request.key is None:
                request.answer = await self._look_up(request.token, request.in_doubt)
            request.in_doubt = None
            if request.answer is not None:
                request.answered_at = time.monotonic()
            elif request.key is None and response is None:
                request.given_up = True
            else:
                await asyncio.sleep(pause_seconds * self._chance.uniform(0.5, 1.0))
                pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)

    async def _look_up(self, token: str, send_id: str) -> Answer | None:
        """The send that may have been stored. None if it was not: the request can be repeated."""
        await asyncio.sleep(LOOK_UP_SECONDS)
        while True:
            response = await self._try(token, {"query": LOOK_UP, "variables": {"id": send_id}})
            if response is not None and "errors" not in response:
                found = response["data"]["send"]
                # A part of the charge may have been refunded by now.
                return found and Accepted(found["id"], found["accepted"], found["accepted"])
            await asyncio.sleep(LONGEST_PAUSE_SECONDS)

    async def _try(self, token: str, body: dict[str, Any]) -> Any:
        """The JSON of the answer, or None if there is none."""
        assert self._session is not None
        server = self._chance.choice(self.servers)
        began = time.monotonic()
        try:
            async with (
                asyncio.timeout(self.load_rules.patience_seconds),
                self._session.post(
                    f"{server}/graphql", json=body, headers={"authorization": f"Bearer {token}"}
                ) as response,
            ):
                answer = await response.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as lost:
            if not isinstance(lost, TimeoutError):
                self.broken_off[server] += 1
            return None
        finally:
            took_seconds = time.monotonic() - began
            self.longest_try_seconds = max(self.longest_try_seconds, took_seconds)
        if response.status not in (200, 503):
            self.defects.append(f"HTTP {response.status}: {answer}")
        return answer

    def _read(self, request: MadeRequest, response: Any) -> Answer | None:
        """The final answer. None if the request is to be repeated."""
        if response is None:
            return None
        for error in response.get("errors", ()):
            if error.get("extensions", {}).get("code") not in TRANSIENT:
                self.defects.append(f"{error}")
                request.given_up = True
            return None
        (result,) = response["data"].values()
        match result["__typename"]:
            case "Send":
                return Accepted(result["id"], result["charged"], result["accepted"])
            case "InsufficientBalance":
                return TooFewUnits(result["required"], result["available"])
            case "RateLimited":
                return None
            case "OutcomeUnknown":
                self.outcomes_unknown += 1
                request.in_doubt = result["sendId"]
                return None
        self.defects.append(f"{result}")
        request.given_up = True
        return None

    async def _cancel_one(self) -> None:
        """Cancels one of the latest sends, if that is still possible."""
        taken = [each for each in self.requests[-20:] if isinstance(each.answer, Accepted)]
        if taken:
            request = self._chance.choice(taken)
            assert isinstance(request.answer, Accepted)
            variables = {"input": {"sendId": request.answer.send_id}}
            await self._try(request.token, {"query": CANCEL_SEND, "variables": variables})
