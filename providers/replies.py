"""What adapters share in reading a provider's answer: leniently, within bounds, never raising.

Whatever is not of the expected shape comes back as nothing, so that an adapter has one branch for
it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import parse_qsl

from domain.provider import Reading

LONGEST_PAUSE_SECONDS: Final = 3600.0
LONGEST_REFERENCE: Final = 128
# Signed, at most 15 digits before the point and 20 after it, no exponent: more is no balance.
FIGURE: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,20})?")
FIELD_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
MOST_FIELDS: Final = 100
_UNSTORABLE: Final = dict.fromkeys((0, *range(0xD800, 0xE000)), "\N{REPLACEMENT CHARACTER}")


def json_object(body: bytes) -> dict[str, object]:
    """The JSON object in the body; empty for anything else."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def call_object(body: bytes) -> dict[str, object]:
    """The fields of a webhook call: a JSON object or a form; empty for anything else.

    Gateways put raw line feeds into JSON, write numbers where texts belong, and send forms. Numbers
    keep the spelling of the body.
    """
    text = _decoded(body)
    try:
        value = json.loads(text, strict=False, parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return _form(text)
    return value if isinstance(value, dict) else {}


def _decoded(body: bytes) -> str:
    """UTF-8, or what JSON allows besides, else Latin-1."""
    try:
        return body.decode(json.detect_encoding(body))
    except UnicodeError:
        return body.decode("latin-1")


def _form(text: str) -> dict[str, object]:
    """The fields of a form (application/x-www-form-urlencoded): the first of each name."""
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
    """A text, number or boolean of a JSON body as text; empty for null. None for anything else."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return storable(str(value)) if isinstance(value, (str, int, float)) else None


def reference(value: object) -> str | None:
    """The provider's id for a message as text that can be stored; None where there is none."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return None
    text = value.strip()
    usable = text.isascii() and text.isprintable() and 0 < len(text) <= LONGEST_REFERENCE
    return text if usable else None


def word_of(value: object, longest: int) -> str | None:
    """A text, or a whole number as text, exactly as it was given; None for anything else.

    What no database can hold is marked in it; one that is empty or too long is none.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        return None
    return storable(value)


def storable(text: str) -> str:
    """The text, with a mark for each character that no database can hold."""
    return text.translate(_UNSTORABLE)


def reading_of(body: bytes, key: str) -> Reading | None:
    """The figure under `key`, exactly as the provider wrote it: a JSON number or text."""
    try:
        # As text: a float would lose the word, and NaN and Infinity fall to the pattern.
        value = json.loads(body, parse_float=str, parse_int=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    word = value.get(key) if isinstance(value, dict) else None
    if not isinstance(word, str) or not FIGURE.fullmatch(word.strip()):
        return None
    return Reading(raw=word.strip(), value=Decimal(word.strip()))


def retry_after_seconds(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """The pause asked for, at most an hour; None where none is named (RFC 9110 §10.2.3).

    It may be given in seconds or as a date; a date that is past asks for no pause.
    """
    word = headers.get("Retry-After", "").strip()
    if word.isascii() and word.isdigit():
        return min(float(word[:10]), LONGEST_PAUSE_SECONDS)
    try:
        until = parsedate_to_datetime(word)
    except (ValueError, OverflowError, TypeError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    pause = (until - (now or datetime.now(UTC))).total_seconds()
    return min(max(pause, 0.0), LONGEST_PAUSE_SECONDS)
