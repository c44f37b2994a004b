"""The reading that adapters share: within bounds, and nothing raises."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.replies import (
    LONGEST_PAUSE_SECONDS,
    json_object,
    reading_of,
    reference_of,
    retry_after_seconds,
)

NOW = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("word", "seconds"),
    [
        ("0", 0.0),
        ("5", 5.0),
        (" 7 ", 7.0),
        ("99999999999999999999", LONGEST_PAUSE_SECONDS),
        ("Fri, 20 Nov 2026 10:00:30 GMT", 30.0),
        ("Friday, 20-Nov-26 10:00:30 GMT", 30.0),
        ("Fri, 20 Nov 2026 11:00:30 +0100", 30.0),
        ("Fri, 20 Nov 2026 10:00:30 -0000", 30.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_PAUSE_SECONDS),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("²", None),
        ("soon", None),
        ("Fri, 99 Dec 9999 99:59:59 GMT", None),
    ],
)
def test_a_pause_is_read_in_seconds_or_as_a_date_and_is_at_most_an_hour(
    word: str, seconds: float | None
) -> None:
    assert retry_after_seconds({"Retry-After": word}, now=NOW) == seconds


@pytest.mark.parametrize(
    ("date", "seconds"),
    [("Fri, 20 Nov 2026 09:00:00 GMT", 7.0), ("no date", 0.0), ("", 0.0)],
)
def test_a_date_counts_from_the_date_of_the_answer(date: str, seconds: float) -> None:
    headers = {"Retry-After": "Fri, 20 Nov 2026 09:00:07 GMT", "Date": date}
    assert retry_after_seconds(headers, now=NOW) == seconds


def test_without_the_header_there_is_no_pause() -> None:
    assert retry_after_seconds({}) is None


def test_a_date_in_the_past_means_no_wait() -> None:
    assert retry_after_seconds({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, [0-9]+ Nov [0-9]+ [0-9]+:[0-9]+:[0-9]+ GMT"))
def test_any_word_is_a_bounded_pause_or_none(word: str) -> None:
    seconds = retry_after_seconds({"Retry-After": word}, now=NOW)
    assert seconds is None or 0 <= seconds <= LONGEST_PAUSE_SECONDS


@given(st.binary())
def test_any_body_is_an_object_or_an_empty_one(body: bytes) -> None:
    assert isinstance(json_object(body), dict)
    reading_of(body, "balance")


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary())
def test_a_reference_can_always_be_stored_as_text(value: object) -> None:
    text = reference_of(value)
    assert text is None or (text.isascii() and text.isprintable() and 0 < len(text) <= 128)
