"""Encoding and segments of texts, compared with tables and with an independent packing."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.errors import InvalidText
from domain.sending.text import (
    GSM7_DEFAULT,
    GSM7_EXTENSION,
    Encoding,
    check_text,
    costly_characters,
    encoding_of,
    segments_of,
)

CHARACTERS = GSM7_DEFAULT.replace("\x1b", "")
PAIRED = "".join(GSM7_EXTENSION.values())

gsm7_texts = st.text(st.sampled_from(CHARACTERS + PAIRED * 6), max_size=700)
any_texts = st.one_of(
    gsm7_texts, st.text(st.sampled_from("aé–ъ漢😀🇺"), max_size=300), st.text(max_size=300)
)


def packed(text: str) -> list[bytes]:
    """The text packed into segments unit by unit, as a phone does it."""
    if all(character in CHARACTERS + PAIRED for character in text):
        units = [[0x1B, 0] if character in PAIRED else [0] for character in text]
        alone, joined = 160, 153
    else:
        units = [list(character.encode("utf-16-be", "surrogatepass")[::2]) for character in text]
        alone, joined = 70, 67
    if sum(map(len, units)) <= alone:
        return [bytes(unit for character in units for unit in character)]
    segments = [b""]
    for character in units:
        if len(segments[-1]) + len(character) > joined:
            segments.append(b"")
        segments[-1] += bytes(character)
    return segments


def refusal(text: str, *, most_segments: int = 10) -> str:
    with pytest.raises(InvalidText) as refused:
        check_text(text, most_segments=most_segments)
    return refused.value.message


def test_the_alphabet_has_128_characters_and_the_extension_table_10() -> None:
    assert len(GSM7_DEFAULT) == len(set(GSM7_DEFAULT)) == 128
    assert len(GSM7_EXTENSION) == len(set(GSM7_EXTENSION.values())) == 10
    assert not set(GSM7_DEFAULT) & set(GSM7_EXTENSION.values())


@pytest.mark.parametrize(
    ("code", "character"),
    [
        *((code, chr(code)) for code in range(0x20, 0x7F) if chr(code) not in "$@[\\]^_`{|}~"),
        (0x00, "@"),
        (0x02, "$"),
        (0x09, "Ç"),
        (0x0A, "\n"),
        (0x0D, "\r"),
        (0x10, "Δ"),
        (0x11, "_"),
        (0x1B, "\x1b"),
        (0x1E, "ß"),
        (0x24, "¤"),
        (0x40, "¡"),
        (0x5F, "§"),
        (0x60, "¿"),
        (0x7F, "à"),
    ],
)
def test_a_character_has_the_code_of_the_table(code: int, character: str) -> None:
    assert GSM7_DEFAULT[code] == character


@pytest.mark.parametrize(
    ("text", "encoding", "segments"),
    [
        ("", Encoding.GSM7, 1),
        ("a" * 160, Encoding.GSM7, 1),
        ("a" * 161, Encoding.GSM7, 2),
        ("a" * 306, Encoding.GSM7, 2),
        ("a" * 307, Encoding.GSM7, 3),
        ("€" * 80, Encoding.GSM7, 1),
        ("€" * 81, Encoding.GSM7, 2),
        ("€" * 152, Encoding.GSM7, 2),
        ("€" * 153, Encoding.GSM7, 3),  # 306 septets would be two segments if pairs were split
        ("a" * 152 + "€" + "a" * 151, Encoding.GSM7, 2),
        ("a" * 152 + "€" + "a" * 152, Encoding.GSM7, 3),
        ("a" * 151 + "€" + "a" * 153, Encoding.GSM7, 2),
        ("line\r\nbreak\n", Encoding.GSM7, 1),
        ("`" + "a" * 69, Encoding.UCS2, 1),
        ("ъ" * 70, Encoding.UCS2, 1),
        ("ъ" * 71, Encoding.UCS2, 2),
        ("ъ" * 134, Encoding.UCS2, 2),
        ("ъ" * 135, Encoding.UCS2, 3),
        ("€" * 69 + "ъ", Encoding.UCS2, 1),  # one unit each: only GSM-7 has escape pairs
        ("😀" * 35, Encoding.UCS2, 1),
        ("😀" * 36, Encoding.UCS2, 2),
        ("😀" * 66, Encoding.UCS2, 2),
        ("😀" * 67, Encoding.UCS2, 3),  # 134 units would be two segments if pairs were split
        ("\x1b", Encoding.UCS2, 1),
    ],
)
def test_segments_are_counted_as_packed(text: str, encoding: Encoding, segments: int) -> None:
    assert (encoding_of(text), segments_of(text)) == (encoding, segments)


@given(any_texts)
@example("a" * 152 + "€" * 200)
@example("ъ" * 66 + "😀" * 80)
def test_segments_agree_with_an_independent_packing(text: str) -> None:
    assert segments_of(text) == len(packed(text))


@given(any_texts, any_texts)
def test_two_texts_joined_have_at_least_the_segments_of_each_and_at_most_the_sum(
    one: str, other: str
) -> None:
    if encoding_of(one) is not encoding_of(other):
        return
    together = segments_of(one + other)
    # A text that filled its own segment may lose the octets of the header.
    assert max(segments_of(one), segments_of(other)) <= together
    assert together <= segments_of(one) + segments_of(other) + 1


@given(any_texts)
def test_costly_characters_are_listed_once_and_without_them_the_text_is_gsm7(text: str) -> None:
    costly = costly_characters(text)
    assert len(costly) == len(set(costly))
    assert costly == sorted(costly, key=text.index)
    assert bool(costly) == (encoding_of(text) is Encoding.UCS2)
    rest = text.translate(dict.fromkeys(map(ord, costly)))
    assert encoding_of(rest) is Encoding.GSM7


def test_costly_characters_are_in_order_of_appearance() -> None:
    assert costly_characters("“Hi” – “😀” {€}") == ["“", "”", "–", "😀"]


@pytest.mark.parametrize(
    "text", ["a", "a\nb", "a\r\nb", "a\rb", "😀", "a\u200db", "{€}", "a" * 1530, "ъ" * 670]
)
def test_a_text_is_accepted(text: str) -> None:
    check_text(text)


@pytest.mark.parametrize("text", ["", " ", "\n\r\n", "\u00a0\u3000", "\t"])
def test_a_blank_text_is_refused(text: str) -> None:
    assert refusal(text) == "The text is empty. Write something to send."


@pytest.mark.parametrize("text", ["a" * 1531, "ъ" * 671, "€" * 761, "😀" * 331])
def test_a_text_of_eleven_segments_is_refused(text: str) -> None:
    message = refusal(text)
    assert "at most 10 can be sent" in message
    assert "1,530 characters fit, or 670" in message


def test_the_number_of_segments_is_a_parameter() -> None:
    check_text("a" * 160, most_segments=1)
    assert "160 characters fit, or 70" in refusal("a" * 161, most_segments=1)
    check_text("a" * 1531, most_segments=11)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ab\x00c", "Character 3 of the text is a control character (U+0000)."),
        ("\x1bab", "Character 1 of the text is a control character (U+001B)."),
        ("a\x0cb", "Character 2 of the text is a control character (U+000C)."),
        ("a\x7fb", "Character 2 of the text is a control character (U+007F)."),
        ("a\x85b", "Character 2 of the text is a control character (U+0085)."),
        ("a\tb", "Character 2 of the text is a tab. Write spaces instead."),
        ("a\ud83d", "Character 2 of the text is half of a character (U+D83D)."),
        ("\ude00\ud83d", "Character 1 of the text is half of a character (U+DE00)."),
    ],
)
def test_the_error_of_a_text_has_the_position_of_the_character(text: str, words: str) -> None:
    assert refusal(text).startswith(words)


@given(st.text(st.characters(codec=None), max_size=100))
def test_any_text_is_accepted_or_refused_without_another_error(text: str) -> None:
    try:
        check_text(text)
    except InvalidText as refused:
        refused.message.encode()
    else:
        text.encode()
        assert 1 <= segments_of(text) <= 10


@pytest.mark.parametrize("unit", ["a", "€", "ъ", "😀", "\x00", " "])
def test_a_huge_text_is_refused_without_being_read(unit: str) -> None:
    text = unit * (16 * 1024 * 1024 // len(unit.encode()))

    def seconds() -> float:
        started = time.thread_time()
        assert "more than 10" in refusal(text)
        return time.thread_time() - started

    assert min(seconds() for _ in range(3)) < 0.05  # the garbage collector may run in one of them
