"""How API keys are written."""

from __future__ import annotations

import pytest

from domain.identity.api_keys import is_secret

SECRET = "ibk_0a1b2c3d_" + "Ab-_" * 10 + "Abc"


def test_a_secret_of_ours_is_told_by_how_it_is_written() -> None:
    assert is_secret(SECRET)


@pytest.mark.parametrize(
    "other",
    [
        "",
        "ibk_",
        SECRET[:-1],
        SECRET + "a",
        SECRET + "\n",
        SECRET.replace("ibk", "IBK"),
        SECRET.replace("0a1b2c3d", "0a1b2c3g"),
        SECRET[:-1] + "é",
        "eyJhbGciOiJIUzI1NiJ9.e30.x",
    ],
)
def test_what_is_written_otherwise_is_not_looked_up(other: str) -> None:
    assert not is_secret(other)
