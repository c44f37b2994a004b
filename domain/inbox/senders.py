"""Reads the sender of an inbound message: a phone number in any spelling, a short code or a name.

Gateways write numbers with or without a plus. A text that can be read as more than one number is
decided later, by the numbers that clients have sent to.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from domain.numbers import Normaliser

LONGEST_NAME = 64
_UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\u200b-\u200f\u202a-\u202e\u2060-\u2069]"
)


@dataclass(frozen=True, slots=True)
class Sender:
    """`numbers`: what the text can be read as (E.164), the most likely first.

    `name`: the text itself, a short code or a name, if it is not a number. Empty if nothing is
    left of it.
    """

    numbers: Sequence[str]
    name: str = ""


def read_sender(normaliser: Normaliser, given: str | None) -> Sender:
    """The sender that a provider or the operator names."""
    numbers = read_numbers(normaliser, given)
    return Sender(numbers) if numbers else Sender((), name_of(given or ""))


def read_numbers(normaliser: Normaliser, given: str | None) -> list[str]:
    """The numbers (E.164) that a text can be read as, the most likely first."""
    return normaliser.sender_numbers(given) if given else []


def name_of(given: str) -> str:
    """A short code or a name in one line. It never begins with a plus, as numbers do."""
    return " ".join(_UNPRINTABLE.sub(" ", given).split()).lstrip("+ ")[:LONGEST_NAME].rstrip()


def is_answerable(number: str) -> bool:
    """Whether a stored sender is a phone number: only those can be sent to."""
    return number.startswith("+")
