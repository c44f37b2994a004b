"""Values of forms and of URLs, as Twilio's SDKs write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from domain.numbers import Normaliser
from domain.times import in_utc, instant_of
from ibiki.http.requests import RequestRefused, is_in_utf8
from ibiki.http.twilio.errors import invalid

FORM = "application/x-www-form-urlencoded"
MOST_BYTES = 64 * 1024
MOST_FIELDS = 100
TOO_LARGE = f"The body is larger than the limit of {MOST_BYTES} bytes."
_EXAMPLE = "2026-11-29T08:30:00Z"
REPEATABLE = frozenset({"MediaUrl", "PersistentAction"})

_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def check_type(content_type: str) -> None:
    """Raises RequestRefused if a body of this type is not a form in UTF-8."""
    if not is_in_utf8(content_type, FORM):
        raise RequestRefused(415, f"The Content-Type must be {FORM}, in UTF-8.")


def read_form(body: bytes) -> dict[str, str]:
    """The fields of a form. Raises RequestRefused."""
    try:
        pairs = parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_FIELDS,
        )
    except ValueError:
        raise invalid(f"The body is not a form in UTF-8 of at most {MOST_FIELDS} fields.") from None
    form: dict[str, str] = {}
    for name, value in pairs:
        if name in form and name not in REPEATABLE:
            raise invalid(f"{name[:40]} was given more than once.")
        form[name] = value
    return form


def check_names(given: Mapping[str, str], known: frozenset[str]) -> None:
    """Raises TwilioRefused for a name that is not known, because it may be a misspelt one."""
    for name in given:
        if name not in known:
            shown = name[:40] or '""'
            raise invalid(f"{shown} is unknown here. Correct its name or leave it out.")


def number_of(normaliser: Normaliser, given: str) -> str:
    """The number. A blank at its beginning was a + that the caller has not encoded as %2B.

    Raises TwilioRefused if the digits are a valid number only without the plus, or another one.
    """
    if not (given.startswith(" ") and given[1:2].isdigit()):
        return given
    with_plus = f"+{given[1:]}"
    plain, international = normaliser.normalise_many([given, with_plus])
    if international is None or plain not in (None, international):
        raise invalid(f"{given.strip()[:40]} begins with a blank. Write a + as %2B.", 21211)
    return with_plus


def time_of(name: str, given: str, *, code: int = 20001) -> datetime:
    """A time such as 2026-11-29T08:30:00Z, or the beginning of a day in UTC.

    Raises TwilioRefused.
    """
    try:
        if _DATE.fullmatch(given):
            return in_utc(datetime.fromisoformat(given).replace(tzinfo=UTC))
        return instant_of(given.replace(" ", "+"))  # a plus that was not encoded is a blank
    except ValueError:
        words = f"{name} must be a date such as 2026-11-29, or a time such as {_EXAMPLE}."
        raise invalid(words, code) from None
