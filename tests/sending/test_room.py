"""Large sends wait in bounded memory, and small ones need no room."""

from __future__ import annotations

import pytest

from domain.errors import RateLimited
from domain.sending.room import LARGE, Room


def test_there_is_room_for_so_many_and_then_for_small_sends_alone() -> None:
    room = Room(3 * LARGE)
    with room.taken(LARGE), room.taken(2 * LARGE):
        with pytest.raises(RateLimited), room.taken(LARGE):
            pass
        with room.taken(LARGE - 1):
            pass
    with room.taken(3 * LARGE):
        pass


def test_whoever_is_alone_has_room_for_any_number() -> None:
    room = Room(LARGE)
    with room.taken(10 * LARGE), pytest.raises(RateLimited), room.taken(LARGE):
        pass


def test_what_fails_gives_its_room_back() -> None:
    room = Room(LARGE)
    for _ in range(2):
        with pytest.raises(KeyError), room.taken(2 * LARGE):
            raise KeyError
    with room.taken(2 * LARGE):
        pass
