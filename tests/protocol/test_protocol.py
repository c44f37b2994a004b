"""The model of the protocol keeps every invariant in every state, and each weakened one does not.

`python -m tests.protocol` prints the states and the traces. docs/model.md explains the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.protocol.__main__ import summary
from tests.protocol.invariants import AT_REST, IN_CHANGES, IN_STATES
from tests.protocol.search import STEPS, Explored, explore
from tests.protocol.setups import BY_NAME, QUICK
from tests.protocol.state import Setup
from tests.protocol.weakened import WEAKENED, Weakened

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "model.md").read_text()

pytestmark = pytest.mark.xdist_group("protocol")  # so that each setup is explored once


@cache
def explored(setup: Setup) -> Explored:
    """What the search finds in a setup."""
    return explore(setup)


@pytest.mark.parametrize("setup", QUICK, ids=lambda setup: setup.name)
def test_every_invariant_holds_in_every_state(setup: Setup) -> None:
    found = explored(setup)
    print(summary(found))
    assert found.broken is None, summary(found)


@pytest.mark.parametrize("weakened", WEAKENED, ids=lambda weakened: weakened.name)
def test_a_protocol_that_is_wrong_by_one_line_breaks_an_invariant(weakened: Weakened) -> None:
    found = explore(BY_NAME[weakened.setup], weakened.steps())
    print(summary(found))
    assert found.broken == weakened.breaks, summary(found)


def test_each_invariant_is_broken_by_a_weakened_protocol() -> None:
    checked = {rule.__name__ for rule in (*IN_STATES, *IN_CHANGES, *AT_REST)}
    assert {each.breaks for each in WEAKENED} == checked


def test_each_step_happens_in_some_setup() -> None:
    taken = frozenset().union(*(explored(setup).taken for setup in QUICK))
    assert taken == {step.__name__ for step in STEPS}


def named_code() -> Iterator[tuple[str, str]]:
    """The files and names in the table of docs/model.md."""
    for path, names in re.findall(r"`([\w/]+\.py)`((?: `\w+`,?)+)", PAGE):
        for name in re.findall(r"`(\w+)`", names):
            yield path, name


def test_the_page_names_each_step_and_code_that_exists() -> None:
    for step in STEPS:
        assert f"| `{step.__name__}` |" in PAGE
    for rule in (*IN_STATES, *IN_CHANGES, *AT_REST):
        assert f"`{rule.__name__}`" in PAGE
    named = list(named_code())
    assert len(named) > len(STEPS)
    for path, name in named:
        source = (ROOT / path).read_text()
        assert re.search(rf"^\s*((async )?def|class) {name}\b|^{name}\b.* =", source, re.M), (
            f"{path} has no {name}"
        )
