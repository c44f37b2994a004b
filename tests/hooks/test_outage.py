"""Deliveries during an outage of the database."""

from __future__ import annotations

from typing import Any, NoReturn, cast

import pytest

from domain.errors import TryAgain
from domain.hooks.worker import Deliverer


class Unavailable:
    """A store whose database is unavailable."""

    async def claim_endpoints(self, *_: object, **__: object) -> NoReturn:
        raise TryAgain


async def test_each_step_of_an_outage_fails_so_that_it_is_logged_once_and_the_pauses_grow() -> None:
    deliverer = Deliverer(cast(Any, Unavailable()), cast(Any, None), {}, cast(Any, None))
    for _ in range(3):
        with pytest.raises(TryAgain):
            await deliverer.step()
