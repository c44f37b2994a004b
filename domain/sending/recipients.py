"""The recipients of a request: normalised numbers without duplicates, those rejected, and routes.

A duplicate counts once and is charged once. If each recipient has its own text, a duplicate is
the same number with the same text. `RouteTable` finds the route of each number: see `routes`.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Hashable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from hashlib import blake2b
from types import MappingProxyType
from typing import Final, cast
from uuid import UUID

from domain.errors import SENTENCES, RateLimited, RejectedRecipient, RejectionReason
from domain.numbers import why_invalid

MOST_LISTED = 1_000
"""Rejected recipients that are kept one by one. All of them are counted."""

LONGEST_ECHO = 64
"""Characters of a rejected input that are given back."""

LARGE_LIST = 1_000
"""From this many recipients on, a list is read in a thread, and `RecipientMemory` counts it."""

MOST_IN_MEMORY = 2_000_000
"""Recipients of all large requests of a process at a time: 400 MB at 200 bytes each."""

RETRY_SECONDS = 5
"""The wait that a caller is given when there is no memory for its request."""

_UNSTORABLE = dict.fromkeys((0, *range(0xD800, 0xE000)), "\N{REPLACEMENT CHARACTER}")


@dataclass(frozen=True, slots=True)
class Recipients:
    """The recipients of one request: accepted and rejected ones.

    `numbers`: E.164, in order of first appearance. `positions`: where each was, from 0.
    `rejected`: the first 1,000; `rejected_count` counts all.
    """

    numbers: list[str]
    positions: list[int]
    rejected: list[RejectedRecipient]
    rejected_count: int


def sort_normalised(
    inputs: Sequence[str],
    normalised: Sequence[str | None],
    texts: Sequence[str] | None = None,
    opted_out: Set[str] = frozenset(),
    missing: Mapping[int, str] = MappingProxyType({}),
) -> Recipients:
    """The accepted recipients, and the rejected ones with the reason.

    `normalised`: of each input, None if it is not valid. `texts`: one for each input, if each
    recipient has its own. `opted_out`: E.164.
    `missing`: what is missing for a recipient, by its position, as a sentence.
    """
    if texts is None and not missing and not opted_out and _all_are_different(normalised):
        return Recipients(cast(list[str], normalised), list(range(len(inputs))), [], 0)
    sorting = Sorting()
    numbers, positions = sorting.add(
        inputs, normalised, texts=texts, opted_out=opted_out, missing=missing
    )
    return Recipients(numbers, positions, sorting.rejected, sorting.rejected_count)


def _all_are_different(normalised: Sequence[str | None]) -> bool:
    """Whether all are valid and different, as in most large lists: five times faster to see."""
    seen: set[str | None] = set()
    for start in range(0, len(normalised), LARGE_LIST):  # in parts: others wait for the interpreter
        seen.update(normalised[start : start + LARGE_LIST])
    return len(seen) == len(normalised) and None not in seen


class Sorting:
    """Sorts recipients that come in parts. Counts all rejected ones, and lists the first.

    `compact`: remembers each recipient in 100 bytes, whatever its text: for a million of them.
    """

    def __init__(self, *, compact: bool = False) -> None:
        self._seen: set[Hashable] = set()
        self._compact = compact
        self.rejected: list[RejectedRecipient] = []
        self.rejected_count = 0

    def add(
        self,
        inputs: Sequence[str],
        normalised: Sequence[str | None],
        *,
        texts: Sequence[str] | None = None,
        opted_out: Container[str] = frozenset(),
        missing: Mapping[int, str] = MappingProxyType({}),
        listed_at: Sequence[int] | None = None,
    ) -> tuple[list[str], list[int]]:
        """The accepted numbers of the next part, and the position of each within the part.

        `listed_at`: the positions that rejected ones are listed with; None for those in the part.
        """
        keys, seen = self._keys(normalised, texts), self._seen
        numbers: list[str] = []
        positions: list[int] = []
        refused: list[tuple[int, RejectionReason]] = []
        for position, (number, key) in enumerate(zip(normalised, keys, strict=True)):
            if number is None:
                refused.append((position, RejectionReason.INVALID))
            elif number in opted_out:
                refused.append((position, RejectionReason.OPTED_OUT))
            elif position in missing:
                refused.append((position, RejectionReason.MISSING_VALUE))
            elif key in seen:
                refused.append((position, RejectionReason.DUPLICATE))
            else:
                seen.add(key)
                numbers.append(number)
                positions.append(position)
        self.rejected_count += len(refused)
        for at, why in refused[: MOST_LISTED - len(self.rejected)]:
            position = at if listed_at is None else listed_at[at]
            message = missing[at] if why is RejectionReason.MISSING_VALUE else None
            self.rejected.append(rejected_recipient(inputs[at], position, why, message=message))
        return numbers, positions

    def _keys(
        self, normalised: Sequence[str | None], texts: Sequence[str] | None
    ) -> Iterable[Hashable]:
        """What makes two recipients the same."""
        if self._compact:
            if texts is None:
                return (int(number) if number else None for number in normalised)
            return map(_digest, normalised, texts)
        return normalised if texts is None else zip(normalised, texts, strict=True)


def _digest(number: str | None, text: str) -> bytes:
    given = f"{number} {text}".encode(errors="surrogatepass")
    return blake2b(given, digest_size=16).digest()


def rejected_recipient(
    raw: str, position: int, reason: RejectionReason, *, message: str | None = None
) -> RejectedRecipient:
    """A rejected recipient; `raw` is cut and made fit to be stored.

    `message`: None says what is wrong with an invalid number, else the usual sentence.
    """
    if message is None:
        message = why_invalid(raw) if reason is RejectionReason.INVALID else SENTENCES[reason]
    fit = raw[:LONGEST_ECHO].translate(_UNSTORABLE)
    return RejectedRecipient(fit, position, reason, message)


class RecipientMemory:
    """Bounds the recipients that large requests of one process hold in memory at a time."""

    def __init__(self, most: int = MOST_IN_MEMORY) -> None:
        self.most = most
        self.reserved = 0

    def reserve(self, recipients: int = 0) -> Reservation:
        """Reserves memory for this many until the block ends: see `Reservation.add`."""
        reservation = Reservation(self)
        reservation.add(recipients)
        return reservation


class Reservation:
    """The memory of one request. It is free again when the block ends."""

    __slots__ = ("_memory", "_reserved")

    def __init__(self, memory: RecipientMemory) -> None:
        self._memory = memory
        self._reserved = 0

    def add(self, recipients: int) -> None:
        """Reserves memory for this many more. Raises RateLimited if other requests use it.

        A small request always passes. A request of any size passes if there is no other.
        """
        if recipients < LARGE_LIST:
            return
        memory = self._memory
        if memory.reserved and memory.reserved + recipients > memory.most:
            raise RateLimited(RETRY_SECONDS)
        memory.reserved += recipients
        self._reserved += recipients

    def __enter__(self) -> Reservation:
        return self

    def __exit__(self, *_failure: object) -> None:
        self._memory.reserved -= self._reserved


LONGEST_PREFIX: Final = 7


@dataclass(frozen=True, slots=True)
class ProviderRoute:
    """A route. `pool_id`: the provider account whose clients it is for.

    `cost`, `fallback_cost`: units of the pool of the account that sends, for one message.
    """

    id: UUID
    pool_id: UUID
    prefix: str
    provider_account_id: UUID
    cost: int
    fallback_account_id: UUID | None = None
    fallback_cost: int | None = None


class RouteTable:
    """Routes, found by pool and number."""

    def __init__(self, routes: Iterable[ProviderRoute] = ()) -> None:
        self._routes = {(route.pool_id, route.prefix): route for route in routes}
        self._pools = {pool_id for pool_id, _ in self._routes}

    def choose(self, pool_id: UUID, numbers: Sequence[str]) -> Sequence[ProviderRoute | None]:
        """The route of each number, in order; None without one. Empty if no number has a route."""
        if pool_id not in self._pools:
            return ()
        chosen = [self.find(pool_id, number) for number in numbers]
        return chosen if any(chosen) else ()

    def find_to(
        self, pool_id: UUID, number: str, accounts: Collection[UUID]
    ) -> ProviderRoute | None:
        """A route of a pool to one of these accounts, which becomes the first account of the route.

        This is the route of the number, if its first account or its fallback is one of them. Else
        it is the first route of the pool, by prefix, of which that is true. None without one.
        """
        own = self.find(pool_id, number)
        others = sorted(
            (each for each in self._routes.values() if each.pool_id == pool_id),
            key=lambda each: each.prefix,
        )
        for route in ([own] if own else []) + others:
            if route.provider_account_id in accounts:
                return replace(route, fallback_account_id=None, fallback_cost=None)
            if route.fallback_account_id in accounts and route.fallback_account_id is not None:
                return replace(route, provider_account_id=route.fallback_account_id)
        return None

    def find(self, pool_id: UUID, number: str) -> ProviderRoute | None:
        """The route with the longest prefix of an E.164 number."""
        for length in range(LONGEST_PREFIX, 0, -1):
            route = self._routes.get((pool_id, number[1 : length + 1]))
            if route is not None:
                return route
        return None
