"""Which texts opt a number out or in, and which ones merely mention an opt-out word."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.inbox.keywords import (
    OTHER_STOP_WORDS,
    START_WORDS,
    STOP_WORDS,
    YES_WORDS,
    Keyword,
    Keywords,
)

KEYWORDS = Keywords()
FOREIGN = [word for words in OTHER_STOP_WORDS.values() for word in words]


@pytest.mark.parametrize("word", [*STOP_WORDS, *FOREIGN])
def test_every_opt_out_word_opts_out_in_any_case_and_punctuation(word: str) -> None:
    for text in (
        word,
        word.lower(),
        f" {word.title()}. ",
        f"\N{LEFT DOUBLE QUOTATION MARK}{word}!",
    ):
        assert KEYWORDS.match(text) is Keyword.STOP


@pytest.mark.parametrize(
    ("text", "keyword"),
    [
        *[(word.title(), Keyword.START) for word in START_WORDS],
        *[(f"{word.title()}!", Keyword.YES) for word in YES_WORDS],
        ("start please", None),
        ("yes please", None),
        ("YES, Tuesday", None),
        ("", None),
        ("...", None),
    ],
)
def test_only_the_word_alone_opts_in(text: str, keyword: Keyword | None) -> None:
    assert KEYWORDS.match(text) is keyword


@pytest.mark.parametrize(
    "text",
    [
        "STOP ALL",
        "opt-out",
        "Opt out please",
        "\N{FULLWIDTH LATIN CAPITAL LETTER S}TOP",
        "ARR\u00caT",
        "arre\u0302t",
        "stop" + " " * 100,
        "STOP STOP",
        "stop stop STOP!!",
        "STOP UNSUBSCRIBE",
        "Stop. Thank you",
        "Stop please",
        "STOP NOW",
        "Arr\u00eat s'il vous pla\u00eet",
        "STOPP danke",
        "BAJA, por favor",
        "Stop. Regards, Ada Lovelace",
        "STOP thanks John",
        "STOP\nSent from my iPhone",
        "STOP\n\nAda Lovelace",
        "STOP\n--\nAda\nAcme Ltd, 12 Main Street",
        "Stop\nthank you",
        "STOP - John",
        "STOP. Mary",
        "STOP \N{PERSON WITH FOLDED HANDS}",
        "Cancel\nAda",
    ],
)
def test_repetitions_polite_words_and_signatures_still_opt_out(text: str) -> None:
    assert KEYWORDS.match(text) is Keyword.STOP


@pytest.mark.parametrize(
    "text",
    [
        "please stop",
        "don't stop",
        "Stop it",
        "Stop texting me",
        "I'll stop by tomorrow",
        "Stop. I will call you",
        "stop by\nAda",
        "Cancel Monday",
        "Cancel - Monday",
        "cancel, Ada",
        "cancel my order",
        "the end of the day",
        "Stop thanks for everything",
        "how do I opt out?",
    ],
)
def test_a_sentence_with_an_opt_out_word_only_mentions_it(text: str) -> None:
    assert KEYWORDS.match(text) is None
    assert KEYWORDS.mentions_stop(text)


@pytest.mark.parametrize("text", ["stopping", "endless", "Good morning", "", "yes", "non-stopping"])
def test_other_texts_mention_no_opt_out_word(text: str) -> None:
    assert not KEYWORDS.mentions_stop(text)


def test_the_operator_can_add_words() -> None:
    keywords = Keywords(["b\u00e2sta", "", "Yes"])
    assert keywords.match("BASTA!") is Keyword.STOP
    assert keywords.match("yes") is Keyword.STOP
    assert keywords.match("") is None
    assert keywords.match("stop") is Keyword.STOP
    assert keywords.mentions_stop("ma basta davvero")


def test_the_page_for_operators_lists_every_word() -> None:
    page = (Path(__file__).parents[2] / "docs" / "opt-out-words.md").read_text()
    listed = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", page, re.MULTILINE))
    expected = {"English (CTIA)": STOP_WORDS, **OTHER_STOP_WORDS}
    for language, words in expected.items():
        assert listed.pop(language) == ", ".join(words)
    assert set(listed) == {"language", "---"} or set(listed) == {"language"}


@given(st.text(max_size=400))
def test_any_text_can_be_matched(text: str) -> None:
    KEYWORDS.match(text)
    KEYWORDS.mentions_stop(text)
