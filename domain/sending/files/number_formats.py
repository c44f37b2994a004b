"""Numbers of spreadsheets, as the number formats of their cells show them.

A format has up to four sections: positive numbers, negative ones, zero and texts. A section is
placeholders for digits between literal texts, such as `"$"#,##0.00` or `"+91 "0`. A literal can
decide who gets a message: 9123456789 that is shown as +91 9123456789 is another number without it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache

_SHORTEST_NUMBER = 10**6
"""Seven digits and more can be a phone number."""

_LONG_NUMBER = 10**15  # a float has 15 exact digits

_TOKENS = re.compile(
    r"""
    "(?P<quoted>[^"]*)"  # a literal
    | \\(?P<escaped>.)  # a literal
    | \[\$(?P<currency>[^\]-]*)[^\]]*\]
    | \[[^\]]*\]  # a colour or a condition
    | [_*].  # a blank as wide as the character, or the character as often as it fits
    | (?P<body>General|@|[0#?][0#?,.]*)
    | (?P<end>;)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_BODY = re.compile(r"General|@|0{2,}|#+|(?P<comma>#,##)?0(?:\.(?P<places>0+))?").fullmatch
_BRACKETS = re.compile(r"[().-]")
_OF_A_NUMBER = re.compile(r"[+0-9 ().-]*").fullmatch


@dataclass(slots=True)
class _Section:
    """`bodies`: the placeholders. `percent`: the number is shown a hundred times as large."""

    before: str = ""
    after: str = ""
    bodies: tuple[str, ...] = ()
    percent: bool = False


def number_text(value: float, number_format: str) -> str:
    """A number as its format shows it if the format is simple, else in full digits.

    A number that a float does not hold exactly is in scientific notation.
    """
    if value != value or abs(value) >= _LONG_NUMBER:
        return f"{value:.14E}"
    sections = _sections_of(number_format)
    has_own_sign = value < 0 and len(sections) > 1
    section = sections[1] if has_own_sign else sections[0]
    sign = "-" if value < 0 and not has_own_sign else ""
    number = abs(value)
    if number >= _SHORTEST_NUMBER:
        return f"{sign}{_dialled(section.before)}{_digits(number, section, commas=False)}"
    if len(section.bodies) != 1 or not _BODY(section.bodies[0]):
        return _plain(value)
    return f"{sign}{section.before}{_digits(number, section)}{section.after}".strip()


def _digits(number: float, section: _Section, *, commas: bool = True) -> str:
    body = section.bodies[0] if len(section.bodies) == 1 else ""
    exact = Decimal(repr(number)) * (100 if section.percent else 1)
    match = _BODY(body)
    if match is None or body in ("General", "@"):
        return _plain(number)
    if body.startswith("00") and "." not in body:
        return f"{exact.quantize(Decimal(1), ROUND_HALF_UP):0{len(body)}f}"
    places = len(match["places"] or "")
    rounded = exact.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return f"{rounded:,f}" if match["comma"] and commas else f"{rounded:f}"


def _dialled(literal: str) -> str:
    """What belongs to a phone number, such as its country code: no word such as "Mobile"."""
    _, plus, code = literal.rpartition("+")
    text = plus + code
    return _BRACKETS.sub("", text).lstrip() if _OF_A_NUMBER(text) else ""


def _plain(value: float) -> str:
    return str(round(value)) if value == round(value) else f"{value:.15g}"


@lru_cache(maxsize=1_000)
def _sections_of(number_format: str) -> list[_Section]:
    sections = [_Section()]
    for token in _TOKENS.finditer(number_format):
        section = sections[-1]
        if token["end"]:
            sections.append(_Section())
        elif token["body"]:
            section.bodies += (token["body"],)
        else:
            text = token["quoted"] or token["escaped"] or token["currency"] or token["other"] or ""
            section.percent |= token["other"] == "%"
            if section.bodies:
                section.after += text
            else:
                section.before += text
    return sections
