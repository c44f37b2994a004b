"""Lenient parsing of responses and webhook calls, and signed calls, shared by the adapters.

No function raises, and all have limits. A value of an unexpected type is returned as None or as an
empty object, so that an adapter needs one branch for it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import parse_qsl

from domain.provider import NotSent, Reading

LONGEST_PAUSE_SECONDS: Final = 3600.0
LONGEST_REFERENCE: Final = 128
LONGEST_FIELD: Final = 128
# A balance: signed, at most 15 digits before the point and 20 after it, no exponent.
BALANCE: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,20})?")
FIELD_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
MOST_FIELDS: Final = 100
_UNSTORABLE: Final = dict.fromkeys((0, *range(0xD800, 0xE000)), "\N{REPLACEMENT CHARACTER}")


def json_object(body: bytes) -> dict[str, object]:
    """The JSON object in the body. Empty for anything else."""
    try:
        value = json.loads(_decoded(body), strict=False)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def is_page(body: bytes) -> bool:
    """Whether a body is HTML or XML: from a proxy, or from a site that is being maintained."""
    return body.lstrip().startswith(b"<")


def webhook_fields(body: bytes) -> dict[str, object]:
    """The fields of a webhook call: of a JSON object or a form. Empty for anything else.

    Some gateways write line feeds into JSON strings, or numbers instead of strings, or send forms.
    Numbers are returned as text, exactly as written.
    """
    text = _decoded(body)
    try:
        value = json.loads(text, strict=False, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return _form(text)
    return value if isinstance(value, dict) else {}


def _decoded(body: bytes) -> str:
    """The body as text: in UTF-8 or another encoding of JSON, else in Latin-1."""
    try:
        return body.decode(json.detect_encoding(body))
    except UnicodeError:
        return body.decode("latin-1")


def _form(text: str) -> dict[str, object]:
    """The fields of a form (application/x-www-form-urlencoded). The first value of each name."""
    pairs: list[tuple[str, str]] = []
    for encoding in ("utf-8", "latin-1"):
        with suppress(ValueError):
            pairs = parse_qsl(
                text.strip(),
                keep_blank_values=True,
                encoding=encoding,
                errors="strict",
                max_num_fields=MOST_FIELDS,
            )
            break
    if not pairs or not all(FIELD_NAME.fullmatch(name) for name, _ in pairs):
        return {}
    return dict(reversed(pairs))


def text_of(value: object) -> str | None:
    """A string, number or boolean as text. Empty for null, None for anything else."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return storable(str(value)) if isinstance(value, (str, int, float)) else None


def reference_of(value: object) -> str | None:
    """The provider's ID of a message as text that can be stored. None if it is not usable."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    usable = text.isascii() and text.isprintable() and 0 < len(text) <= LONGEST_REFERENCE
    return text if usable else None


def code_of(value: object) -> int | None:
    """A code in digits: a number, or a text of at most nine digits. None for anything else."""
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", value, re.ASCII):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def field_of(fields: Mapping[str, object], key: str) -> str | None:
    """The short text of a field."""
    return short_text_of(fields.get(key))


def word_of(fields: Mapping[str, object], key: str) -> str:
    """The short text of a field in small letters, without blanks. Empty if there is none."""
    return (field_of(fields, key) or "").strip().lower()


def short_text_of(value: object) -> str | None:
    """A string, or a whole number as text, not trimmed. None for anything else.

    None also if it is empty or longer than LONGEST_FIELD. See `storable`.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= LONGEST_FIELD:
        return None
    return storable(value)


def attached(count: int) -> str:
    """A text that says how many files, such as pictures, came with a message. None is kept."""
    return f"({count} attached, not shown here)" if count else ""


def storable(text: str) -> str:
    """The text, with U+FFFD for each character that PostgreSQL cannot store."""
    return text.translate(_UNSTORABLE)


def reading_of(body: bytes, key: str) -> Reading | None:
    """The balance under `key`, exactly as written: a JSON number or a string."""
    try:
        # As text: a float would lose digits. The pattern then excludes NaN and Infinity.
        value = json.loads(_decoded(body), parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return balance_of(value.get(key) if isinstance(value, dict) else None)


def balance_of(raw: object) -> Reading | None:
    """The balance that a text is, exactly as written. None if it is anything more."""
    if not isinstance(raw, str) or not BALANCE.fullmatch(raw.strip()):
        return None
    return Reading(raw=raw.strip(), value=Decimal(raw.strip()))


def asked_to_wait(headers: Mapping[str, str]) -> NotSent:
    """The outcome of a call to a provider that has too many of them."""
    return NotSent(
        "The network asked to wait.",
        asks_to_wait=True,
        retry_after_seconds=retry_after_seconds(headers),
    )


def retry_after_seconds(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """The wait that the provider asks for, at most an hour; None if it names none.

    The header has seconds or a date (RFC 9110 §10.2.3). A date counts from the date of the answer,
    because its clock and ours can differ. A date in the past means 0.
    """
    raw = headers.get("Retry-After", "").strip()
    if raw.isascii() and raw.isdigit():
        return min(float(raw[:10]), LONGEST_PAUSE_SECONDS)
    until = _date_of(raw)
    if until is None:
        return None
    began = _date_of(headers.get("Date", "")) or now or datetime.now(UTC)
    return min(max((until - began).total_seconds(), 0.0), LONGEST_PAUSE_SECONDS)


def _date_of(raw: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(raw)
    except (ValueError, OverflowError, TypeError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class SignedCall:
    """A webhook call. `url`: as the provider called it. The case of header names is ignored."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """How a provider signs.

    `header`: has the signature. `keys`: the names of the account's secrets that can make it; one of
    them can be several keys with commas: the whole and each part is accepted. `check`: whether a
    call is signed with this key; it never raises.
    """

    header: str
    keys: Sequence[str]
    check: Callable[[SignedCall, str], bool]

    def keys_of(self, secrets: Mapping[str, str]) -> list[str]:
        """The keys in an account's secrets. A key that has a comma itself is one of them too."""
        given = [secrets[name] for name in self.keys if secrets.get(name)]
        parts = [part.strip() for each in given for part in each.split(",")]
        return list(dict.fromkeys(filter(None, given + parts)))


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """What a provider expects as the answer to a call that was received."""

    media_type: str
    body: bytes
