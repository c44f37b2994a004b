"""How a phone number can be written in a text, and in the stored body of a webhook: as patterns.

PostgreSQL's regular expressions. Between the digits, callers write blanks, dashes, dots and
brackets. In a body, these and the digits can be encoded as in a URL, in JSON or in UTF-8.
"""

from __future__ import annotations

from domain.numbering_plans import calling_code, national_digits

MOST_BETWEEN = 4
"""Characters between two digits: `) - ` is four."""

_BETWEEN = r"[-\s.()/\u00a0\u2009-\u2011\u202f]"
# As `encode(body, 'escape')` writes it: bytes outside ASCII are octal, and a backslash is doubled.
_BETWEEN_IN_BODY = (
    r"(?:[-\s.()/+]|%(?:20|28|29|2[DdEeFf]|[Cc]2%[Aa]0|[Ee]2%80%[0-9A-Fa-f]{2})"
    r"|\\\\u(?:00[Aa]0|20[0-9A-Fa-f]{2})|\\302\\240|\\342\\200\\[0-7]{3})"
)


def in_text(number: str) -> str:
    """Matches an E.164 number in a text, with or without its calling code, and no longer number."""
    code = calling_code(number.removeprefix("+"))
    between = f"{_BETWEEN}{{0,{MOST_BETWEEN}}}"
    digits = between.join(_in_text(each) for each in national_digits(number))
    abroad = rf"(?:(?:(?:\+|00|011){between})?{between.join(code)}{between})?"
    return rf"(?<!\d){abroad}(?:\(?0{between})?\(?{digits}(?!\d)"


def in_body(number: str) -> str:
    """Matches the digits of a number, without its calling code, in `encode(body, 'escape')`."""
    between = f"{_BETWEEN_IN_BODY}{{0,{MOST_BETWEEN}}}"
    return between.join(_in_body(each) for each in national_digits(number))


def _in_text(digit: str) -> str:
    return f"[{digit}{chr(0xFF10 + int(digit))}]"


def _in_body(digit: str) -> str:
    """The digit, or its full-width form: in JSON, in UTF-8, or in UTF-8 in a URL."""
    last = 0x90 + int(digit)
    in_url = f"%[Ee][Ff]%[Bb][Cc]%{last:02X}"
    return rf"(?:{digit}|\\\\u[Ff][Ff]1{digit}|\\357\\274\\{last:03o}|{in_url})"
