"""The characters of a phone number: what is ignored, and what each is read as."""

from __future__ import annotations

import unicodedata

_IGNORED = " -.()[]{}"
LINE_ENDS = "\t\n\r\v\f"
"""Also tabs. Ignored around a number; within a text they separate two of them."""

_IGNORED_BEYOND_ASCII = frozenset(
    "（）［］｛｝．·•\N{MINUS SIGN}\N{KATAKANA-HIRAGANA PROLONGED SOUND MARK}"
    # Invisible characters that address books and spreadsheets leave behind.
    "\N{SOFT HYPHEN}\N{ZERO WIDTH SPACE}\N{WORD JOINER}\N{ZERO WIDTH NO-BREAK SPACE}"
    "\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
_LINE_BREAKS_BEYOND_ASCII = frozenset("\x85\u2028\u2029")
STRIPPED = dict.fromkeys(map(ord, _IGNORED + LINE_ENDS))
_LAST_REMEMBERED = 0xFFFF  # rare characters beyond it must not fill the memory
_TEL = "tel:"


def strip(raw: str) -> str:
    """The number without the characters that are ignored in it."""
    return in_ascii(raw).translate(STRIPPED)


def in_ascii(raw: str) -> str:
    """The same in ASCII: `?` for a character that cannot be part of a number."""
    return raw if raw.isascii() else raw.translate(_IN_ASCII)


def without_tel(number: str) -> str:
    """The number without `tel:` before it."""
    return number[len(_TEL) :] if number[: len(_TEL)].lower() == _TEL else number


class _InAscii(dict[int, str]):
    """What each character is read as. Computed when a character first appears."""

    def __missing__(self, point: int) -> str:
        read_as = _read_as(chr(point))
        if point <= _LAST_REMEMBERED:
            self[point] = read_as
        return read_as


_IN_ASCII = _InAscii()


def _read_as(character: str) -> str:
    if character.isascii():
        return character
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if character in "＋／":
        return "+" if character == "＋" else "/"
    if character in _LINE_BREAKS_BEYOND_ASCII:
        return "\n"
    if character in _IGNORED_BEYOND_ASCII or character.isspace():
        return ""
    return "" if unicodedata.category(character) == "Pd" else "?"
