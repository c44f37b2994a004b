"""Reads phone numbers, on every path: any usual spelling to E.164.

In this order: take the number out of a spreadsheet's spelling; strip; refuse letters and
extensions; replace 00 (and 011 if the calling code is 1) by a plus. The result is then what
`phonenumbers` says for the region, by way of `domain.numbering_plans`. The digits of the result are
always the digits of one number as written: a text that can be two numbers is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from domain.errors import InvalidPhoneNumber
from domain.number_spelling import LINE_ENDS, STRIPPED, in_ascii, strip, without_tel
from domain.numbering_plans import calling_code, e164, plan, possible_e164, region

LONGEST_INPUT = 1_000
"""Longer inputs are refused without being read."""

_LONGEST_PARSED = 250  # the library's own limit, after stripping
_CHUNK = 1_024  # other threads run after each: 100,000 at once would delay them by 60 ms
_LONG_CHUNK = 100  # from this many numbers on, one pattern for all of them is faster
_END = "\0"  # separates the numbers of a chunk; a number that contains it is refused

_DIGITS = re.compile(r"\+*[0-9]+").fullmatch
_EXTENSION = re.compile(r"[0-9][,;]*(?:x|ext|extension|#|,|;)[:=]?[0-9]{1,6}\Z", re.IGNORECASE)

# Spellings that are read one by one. These marks are quick to find in a whole chunk.
_MARKS = (".", "/", "'", '="', *LINE_ENDS)
_AROUND = f" {LINE_ENDS}"
_FROM_SPREADSHEET = re.compile(r"""'(.*)|=\s*"([^"]*)\"""", re.DOTALL).fullmatch
_COMMAS = re.compile(r"\+*[0-9]+(?:,[0-9]+){2,}(?:\.[0-9]+)?").fullmatch
_LINES = re.compile(f"[{LINE_ENDS}]").search
_FLOAT = re.compile(r"([^.]*)\.(0+)[^0-9.]*").fullmatch
_FRACTION = re.compile(r"\+?[0-9]{7,}\.[0-9]{1,2}").fullmatch
_SLASHED = re.compile(r"(?:tel:)?\+*[0-9]+(?:/[0-9]+)+", re.IGNORECASE).fullmatch
_SECOND_NUMBER = re.compile(r"(?<=[0-9])[^0-9+]+(?=0)").finditer
_SCIENTIFIC = re.compile(r"[+-]?[0-9]+(?:[.,][0-9]+)?e[+-]?[0-9]+", re.IGNORECASE).fullmatch
_LONG = 14  # characters of E.164: a shorter one cannot be two numbers in a row
_MOST_DIGITS = 15  # of any number, after the plus (ITU-T E.164 §6.2.1)
_SHORTEST_ABROAD = 10  # digits: fewer without a plus can be a short code


class Normaliser:
    """Reads phone numbers as people in one region write them.

    `area_codes`: North American area codes beyond those of the library and of our table.
    """

    def __init__(self, region_code: str = "US", area_codes: Iterable[str] = ()) -> None:
        """Raises KeyError if there is no such region."""
        self._region_code = region_code
        self._area_codes = frozenset(area_codes)
        self._home = region(region_code)
        self._plan = plan(self._home.code, self._area_codes)
        self._plus_code = f"+{self._home.code}"
        self._abroad = ("00", "011") if self._home.code == "1" else ("00",)
        self._plain = re.compile(self._plain_spellings(), re.ASCII).match

    def __reduce__(self) -> tuple[type[Normaliser], tuple[str, frozenset[str]]]:
        """How it is pickled for another process."""
        return Normaliser, (self._region_code, self._area_codes)

    def normalise(self, raw: str) -> str:
        """E.164. Raises InvalidPhoneNumber."""
        number = self.normalise_many((raw,))[0]
        if number is None:
            raise InvalidPhoneNumber(why_invalid(raw))
        return number

    def normalise_many(self, raws: Sequence[str]) -> list[str | None]:
        """E.164 of each, in the same order; None if `normalise` would refuse it.

        A million numbers take about a second: pass a long list in parts if others wait.
        """
        plain, other, plus_code = self._plain, self._other, self._plus_code
        if len(raws) == 1 and (match := plain(raws[0])) and match[1]:
            return [plus_code + match[1]]  # the usual single number: nothing to strip
        numbers: list[str | None] = []
        for stripped in self._stripped_chunks(raws):
            if self._all_are_e164(stripped):
                numbers += stripped
                continue
            numbers += [
                (plus_code + number if (number := match[1]) else None)
                if (match := plain(one))
                else other(one)
                for one in stripped
            ]
        long = [at for at, number in enumerate(numbers) if number and len(number) >= _LONG]
        for at in long:
            if self._is_two_numbers(raws[at]):
                numbers[at] = None
        return numbers

    def sender_numbers(self, raw: str) -> list[str]:
        """The numbers that a gateway can mean by a sender, the most likely first.

        Gateways write international numbers without a plus ("256772000111"), and some in region +1
        write ten digits. Both readings are returned if both are valid: the caller prefers the one
        that the client has sent to. If none is valid, a possible number is enough: the message
        proves that its sender exists. Empty for a short code or a named sender.
        """
        written = without_tel(strip(raw))
        if len(written) > _LONGEST_PARSED or not _DIGITS(written):
            return []
        has_plus = written.startswith(("+", *self._abroad))
        readings = self.normalise_many((raw,))
        if not has_plus:
            abroad = _unchanged(e164(written, self._area_codes), written)
            # Only in region +1 are national numbers written without a prefix.
            readings.insert(1 if self._home.code == "1" else 0, abroad)
        valid = [number for number in readings if number]
        return list(dict.fromkeys(valid or self._possible_numbers(written, has_plus=has_plus)))

    def _possible_numbers(self, written: str, *, has_plus: bool) -> list[str]:
        digits = written
        for prefix in self._abroad:
            digits = digits.removeprefix(prefix) if has_plus else digits
        digits = digits.lstrip("+")
        readings = [] if has_plus else [possible_e164(digits, self._region_code)]
        if has_plus or len(digits) >= _SHORTEST_ABROAD:
            found = possible_e164(f"+{digits}", self._region_code)
            readings.append(_unchanged(found, digits))
        return [number for number in readings if number]

    def _all_are_e164(self, chunk: Sequence[str]) -> bool:
        """Whether all of a long chunk are valid E.164 of this region. One match is quick for all.

        The plus codes are counted first, so that a chunk of mixed spellings is not matched at all.
        """
        if len(chunk) < _LONG_CHUNK or not chunk[0].startswith(self._plus_code):
            return False
        text = _END.join(chunk)
        if text.count(_END + self._plus_code) != len(chunk) - 1:
            return False
        return self._chunk_of_e164.fullmatch(text) is not None

    @cached_property
    def _chunk_of_e164(self) -> re.Pattern[str]:
        """Valid E.164 of this region, separated by `_END`. Compiled when it is used first."""
        one = rf"\{self._plus_code}(?!{self._plan.main.trunk})(?:{self._plan.valid})\Z"
        one = one.replace(r"\Z", rf"(?={_END}|\Z)")
        return re.compile(rf"(?:{one}(?:{_END}(?!\Z)|\Z))*+", re.ASCII)

    def _is_number(self, text: str) -> bool:
        return self.normalise_many((text,))[0] is not None

    def _stripped_chunks(self, raws: Sequence[str]) -> Iterator[list[str]]:
        """The inputs, stripped, in chunks: stripping a joined chunk is as quick as one input."""
        for start in range(0, len(raws), _CHUNK):
            chunk = raws[start : start + _CHUNK]
            if max(map(len, chunk)) > LONGEST_INPUT:
                chunk = [raw if len(raw) <= LONGEST_INPUT else "" for raw in chunk]
            text = _END.join(chunk)
            if not text.isascii():
                chunk = list(map(in_ascii, chunk))
                text = _END.join(chunk)
            if any(mark in text for mark in _MARKS):
                chunk = [
                    one
                    if one.lstrip("+").isalnum()
                    else self._one_number(one)  # quick for the usual ones
                    for one in chunk
                ]
                text = _END.join(chunk)
            stripped = text.translate(STRIPPED).split(_END)
            # There are more parts than inputs if an input contains the separator itself.
            yield (
                stripped
                if len(stripped) == len(chunk)
                else [one.translate(STRIPPED) for one in chunk]
            )

    def _one_number(self, text: str) -> str:
        """The text without the marks around its number; empty if it is not exactly one number."""
        text = text.strip(_AROUND)
        if match := _FROM_SPREADSHEET(text):
            text = (match[1] or match[2] or "").strip(_AROUND)
        if match := _FLOAT(text):
            return self._without_fraction(match[1], match[2])
        if _LINES(text) or _FRACTION(text):
            return ""
        if "/" in text and _SLASHED(text.translate(STRIPPED)):
            return self._without_slash(text)
        return text

    def _without_fraction(self, whole: str, zeros: str) -> str:
        """A float is read without its `.0` if the rest is a number by itself.

        Three zeros and more can be the end of a number ("202555.0000"): read if only one of the
        two readings is valid.
        """
        if len(zeros) < 3:
            return self._one_number(whole) if self._is_number(whole) else ""
        readings = [each for each in (whole, whole + zeros) if self._is_number(each)]
        return self._one_number(readings[0]) if len(readings) == 1 else ""

    def _without_slash(self, text: str) -> str:
        """A slash after an area code is ignored; a slash after a number begins another one."""
        starts = (text[: slash.start()].replace("/", "") for slash in re.finditer("/", text))
        return "" if any(map(self._is_number, starts)) else text.replace("/", "")

    def _is_two_numbers(self, raw: str) -> bool:
        """Whether two short numbers that follow each other have been read as one long number."""
        text = in_ascii(raw)
        return any(
            self._is_number(text[: gap.start()]) and self._is_number(text[gap.end() :])
            for gap in _SECOND_NUMBER(text)
        )

    def _other(self, number: str) -> str | None:
        """E.164 of a stripped number that is not a plain spelling of a home number."""
        if number.startswith("+") and calling_code(number[1:]):
            return e164(number[1:], self._area_codes)
        number = without_tel(number)
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
            return e164(digits, self._area_codes)
        # Like the library: a plus is allowed before the prefix for calls abroad.
        return e164(self._home.after_abroad(digits) or "", self._area_codes)

    def _national(self, digits: str) -> str | None:
        rest = self._home.after_abroad(digits)
        if rest is not None:
            return e164(rest, self._area_codes)
        rest = self._home.after_code(digits)
        if rest is not None:
            return self._plan.e164(rest)
        return self._plan.e164_of_national(self._home.national(digits))

    def _plain_spellings(self) -> str:
        """Matches the spellings of home numbers that can be read in only one way.

        The number follows a plus and the calling code; or it is written alone, after the national
        prefix, or after a code that cannot be part of the number. Nothing in it can be taken for
        another prefix. The only group is the national number; it is missing if that is not valid.
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
    text = in_ascii(raw).strip(_AROUND)
    written = without_tel(strip(raw))
    if not written:
        return "Give a phone number."
    if _SCIENTIFIC(text.strip("='\"")):
        return (
            "Excel has shortened this number and its last digits are lost. Format the column as"
            " text in Excel and enter the numbers again."
        )
    if _COMMAS(written):
        return "Write the phone number without commas."
    if _EXTENSION.search(written):
        return "A message cannot be sent to an extension. Give the number alone."
    if any(map(str.isalpha, without_tel(raw.strip()))):
        return "A phone number has no letters. Write it in digits."
    if _FLOAT(text) or _FRACTION(text):
        return "This is a decimal number and not a phone number. Write it without the fraction."
    if _LINES(text) or _SLASHED(written) or (written != text and len(written) > _MOST_DIGITS):
        return "This looks like more than one phone number. Give one number."
    if not _DIGITS(written):
        return "Write a phone number in digits, with a plus before the country code."
    return (
        "This is not a valid phone number. "
        "Numbers of other countries begin with a plus and the country's code."
    )


def _unchanged(number: str | None, digits: str) -> str | None:
    """The number if its digits are those given: a reading must not drop or change a digit."""
    return number if number == f"+{digits}" else None
