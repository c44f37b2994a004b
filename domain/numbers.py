"""The one way in which phone numbers are read, on every path: any usual spelling to E.164.

Strip; refuse letters and extensions; turn 00 (and 011 where the calling code is 1) into a plus;
then what `phonenumbers` says for the region, by way of `domain.numbering_plans`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

from domain.errors import InvalidPhoneNumber
from domain.numbering_plans import calling_code, e164, plan, region

LONGEST_INPUT = 1_000
"""Longer inputs are refused unread."""

_LONGEST_PARSED = 250  # the library's own bound, for what is left after stripping
_CHUNK = 8_192
_END = "\0"  # stands between the numbers of a chunk; a number with one in it is refused

_IGNORED = " \t\n\r\x0b\x0c-.()[]{}"
_IGNORED_BEYOND_ASCII = frozenset(
    "（）［］｛｝．·•\N{MINUS SIGN}\N{KATAKANA-HIRAGANA PROLONGED SOUND MARK}"
    # Invisible, and left behind by address books and spreadsheets.
    "\N{SOFT HYPHEN}\N{ZERO WIDTH SPACE}\N{WORD JOINER}\N{ZERO WIDTH NO-BREAK SPACE}"
    "\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
)
_STRIPPED = dict.fromkeys(map(ord, _IGNORED))
_LAST_KEPT = 0xFFFF  # so that nobody fills the memory with rare characters
_TEL = "tel:"
_DIGITS = re.compile(r"\+*[0-9]+").fullmatch
_EXTENSION = re.compile(r"[0-9][,;]*(?:x|ext|extension|#|,|;)[:=]?[0-9]{1,6}\Z", re.IGNORECASE)


class Normaliser:
    """Reads phone numbers as people in one region write them."""

    def __init__(self, region_code: str = "US") -> None:
        """Raises KeyError where there is no such region."""
        self._home = region(region_code)
        self._plan = plan(self._home.code)
        self._plus_code = f"+{self._home.code}"
        self._abroad = ("00", "011") if self._home.code == "1" else ("00",)
        self._plain = re.compile(self._plain_spellings(), re.ASCII).match

    def normalise(self, raw: str) -> str:
        """E.164. Raises InvalidPhoneNumber."""
        number = self.normalise_many((raw,))[0]
        if number is None:
            raise InvalidPhoneNumber(why_invalid(raw))
        return number

    def normalise_many(self, raws: Sequence[str]) -> list[str | None]:
        """E.164 of each, same order; None where `normalise` would refuse.

        About a second for a million: whoever must answer others meanwhile gives it a list in parts.
        """
        plain, other, plus_code = self._plain, self._other, self._plus_code
        if len(raws) == 1 and (match := plain(raws[0])) and match[1]:
            return [plus_code + match[1]]  # nothing to strip from the one that is asked for mostly
        numbers: list[str | None] = []
        for stripped in _stripped_chunks(raws):
            numbers += [
                (plus_code + number if (number := match[1]) else None)
                if (match := plain(one))
                else other(one)
                for one in stripped
            ]
        return numbers

    def _other(self, number: str) -> str | None:
        """The same by the longer way, for what is not plain."""
        if number.startswith("+") and calling_code(number[1:]):
            return e164(number[1:])
        number = _without_tel(number)
        if len(number) > _LONGEST_PARSED or not _DIGITS(number):
            return None
        for prefix in self._abroad:
            if number.startswith(prefix):
                number = "+" + number[len(prefix) :]
                break
        return self._international(number) if number[0] == "+" else self._national(number)

    def _international(self, number: str) -> str | None:
        digits = number.lstrip("+")
        if calling_code(digits):
            return e164(digits)
        # The library tries once more: a plus may stand before the prefix for calls abroad.
        return e164(self._home.after_abroad(digits) or "")

    def _national(self, digits: str) -> str | None:
        rest = self._home.after_abroad(digits)
        if rest is not None:
            return e164(rest)
        rest = self._home.after_code(digits)
        if rest is not None:
            return self._plan.e164(rest)
        return self._plan.e164_of_national(self._home.national(digits))

    def _plain_spellings(self) -> str:
        """Matches the spellings of home numbers that can be read in one way only.

        The number follows a plus and the calling code, or stands alone, or follows the national
        prefix, or the code where that cannot be a part of it; and nothing in it could be taken for
        a prefix once more. The one group is the national number, missing where it is not valid.
        """
        home, trunk, code = self._home, self._plan.main.trunk, self._home.code
        abroad = "|".join((r"\+", *self._abroad))
        after_plus = f"(?:{abroad}){code}(?!{trunk})"
        inland = f"(?!{abroad}|{home.abroad})"
        alone = f"(?!{code}|{home.trunk})"
        after_trunk = f"(?!{code}){home.dropped_trunk}"
        after_code = f"(?!{home.shape}){code}(?!{home.trunk}|{trunk})(?={home.shape})"
        number = f"(?:({self._plan.valid})|[0-9]+\\Z)"
        return f"(?:{inland}(?:{alone}|{after_trunk}|{after_code})|{after_plus}){number}"


def why_invalid(raw: str) -> str:
    """What is wrong with a number that `Normaliser` rejects, as a sentence for its writer."""
    if len(raw) > LONGEST_INPUT:
        return "This is too long to be a phone number."
    written = _without_tel(_strip(raw))
    if not written:
        return "Give a phone number."
    if _EXTENSION.search(written):
        return "A message cannot be sent to an extension. Give the number alone."
    if any(map(str.isalpha, _without_tel(raw.strip()))):
        return "A phone number has no letters. Write it in digits."
    if not _DIGITS(written):
        return "Write a phone number in digits, with a plus in front of the country's code."
    return (
        "This is not a valid phone number. "
        "Numbers of other countries begin with a plus and the country's code."
    )


def _stripped_chunks(raws: Sequence[str]) -> Iterator[list[str]]:
    """The inputs, stripped, a chunk at a time: many are stripped in the time that one takes."""
    for start in range(0, len(raws), _CHUNK):
        chunk = raws[start : start + _CHUNK]
        if max(map(len, chunk)) > LONGEST_INPUT:
            chunk = [raw if len(raw) <= LONGEST_INPUT else "" for raw in chunk]
        text = _END.join(chunk)
        if not text.isascii():
            text = _END.join(map(_in_ascii, chunk))
        stripped = text.translate(_STRIPPED).split(_END)
        # More than there were: some held the end mark themselves.
        yield stripped if len(stripped) == len(chunk) else list(map(_strip, chunk))


def _strip(raw: str) -> str:
    return _in_ascii(raw).translate(_STRIPPED)


def _in_ascii(raw: str) -> str:
    return raw if raw.isascii() else raw.translate(_IN_ASCII)


def _without_tel(number: str) -> str:
    return number[len(_TEL) :] if number[: len(_TEL)].lower() == _TEL else number


class _InAscii(dict[int, str]):
    """What each character is read as, worked out when it is first met."""

    def __missing__(self, point: int) -> str:
        read_as = _read_as(chr(point))
        if point <= _LAST_KEPT:
            self[point] = read_as
        return read_as


_IN_ASCII = _InAscii()


def _read_as(character: str) -> str:
    if character.isascii():
        return character
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if character == "\N{FULLWIDTH PLUS SIGN}":
        return "+"
    if character in _IGNORED_BEYOND_ASCII or character.isspace():
        return ""
    return "" if unicodedata.category(character) == "Pd" else "?"
