"""Large requests share a bounded memory, and small ones do not need it."""

from __future__ import annotations

import pytest

from domain.errors import RateLimited
from domain.sending.recipients import LARGE_LIST, RecipientMemory


def test_when_the_memory_is_reserved_only_small_requests_pass() -> None:
    memory = RecipientMemory(3 * LARGE_LIST)
    with memory.reserve(LARGE_LIST), memory.reserve(2 * LARGE_LIST):
        with pytest.raises(RateLimited), memory.reserve(LARGE_LIST):
            pass
        with memory.reserve(LARGE_LIST - 1):
            pass
    with memory.reserve(3 * LARGE_LIST):
        pass


def test_a_request_of_any_size_passes_if_there_is_no_other() -> None:
    memory = RecipientMemory(LARGE_LIST)
    with memory.reserve(10 * LARGE_LIST), pytest.raises(RateLimited), memory.reserve(LARGE_LIST):
        pass


def test_a_request_that_fails_gives_its_memory_back() -> None:
    memory = RecipientMemory(LARGE_LIST)
    for _ in range(2):
        with pytest.raises(KeyError), memory.reserve(2 * LARGE_LIST):
            raise KeyError
    with memory.reserve(2 * LARGE_LIST):
        pass
