"""The form of API keys."""

from __future__ import annotations

import pytest

from domain.identity.actors import is_secret

SECRET = "ibk_0a1b2c3d_" + "Ab-_" * 10 + "Abc"


def test_the_secret_of_a_key_is_recognised_by_its_form() -> None:
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
def test_other_texts_are_not_looked_up(other: str) -> None:
    assert not is_secret(other)
