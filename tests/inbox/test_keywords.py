"""Which texts opt a number out or in: the words alone, however they are written."""

from __future__ import annotations

import pytest

from domain.inbox.keywords import START_WORDS, STOP_WORDS, Keywords, Wish


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        *[(word, Wish.STOP) for word in STOP_WORDS],
        *[(word.lower(), Wish.STOP) for word in STOP_WORDS],
        *[(word.title(), Wish.START) for word in START_WORDS],
        (" stop. ", Wish.STOP),
        ("“Stop!”", Wish.STOP),
        ("STOP ALL", Wish.STOP),
        ("opt-out", Wish.STOP),
        ("\N{FULLWIDTH LATIN CAPITAL LETTER S}TOP", Wish.STOP),
        ("Yes!", Wish.START),
        ("please stop", None),
        ("stop it", None),
        ("don't stop", None),
        ("yes please", None),
        ("stopping", None),
        ("", None),
        ("...", None),
        ("stop" + " " * 100, None),
    ],
)
def test_a_word_counts_where_it_stands_alone(text: str, wish: Wish | None) -> None:
    assert Keywords().wish(text) is wish


def test_an_operator_has_words_of_its_own() -> None:
    keywords = Keywords(["arrêt", "", "Yes"])
    assert keywords.wish("ARRÊT!") is Wish.STOP
    assert keywords.wish("yes") is Wish.STOP
    assert keywords.wish("") is None
    assert keywords.wish("stop") is Wish.STOP
