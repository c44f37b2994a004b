"""Words by which a phone asks not to be written to any more, or to be written to again.

The words are those that networks in North America ask senders to honour (CTIA Messaging
Principles and Best Practices, §5.1.3), and the operator's own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from enum import StrEnum

STOP_WORDS = ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE")
START_WORDS = ("START", "UNSTOP", "YES")
LONGEST_KEYWORD = 64


class Wish(StrEnum):
    """What a phone asks for by a word."""

    STOP = "STOP"
    START = "START"


class Keywords:
    """The words that count, in any case and punctuation."""

    def __init__(self, own_stop_words: Iterable[str] = ()) -> None:
        """`own_stop_words`: the operator's, besides the usual ones."""
        self._wishes = {_plain(word): Wish.START for word in START_WORDS}
        self._wishes |= {_plain(word): Wish.STOP for word in (*STOP_WORDS, *own_stop_words)}
        self._wishes.pop("", None)

    def wish(self, text: str) -> Wish | None:
        """What a text asks for; None for one that is more than such a word."""
        return self._wishes.get(_plain(text)) if len(text) <= LONGEST_KEYWORD else None


def _plain(text: str) -> str:
    """The letters and digits alone, without case, full width or accents' composition."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(filter(str.isalnum, folded))
