"""Masks what logs must not contain: phone numbers, passwords, tokens, keys, URL queries."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

MASK = "***"

_DEEPEST = 6
_LONGEST = 20_000  # characters of one text: enough for a traceback


def _masked_number(found: re.Match[str]) -> str:
    return f"{'+' if found[0].startswith('+') else ''}{MASK}{found[0][-2:]}"


# The order matters: a later pattern does not see what an earlier one has masked.
_PATTERNS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    # user:password@ in a URL
    (re.compile(r"(?<=://)[^/\s@]+(?=@)"), MASK),
    # the query of a URL or request line: the plain EgoSMS API sends its password there
    (re.compile(r"""\?[^\s"'<>?]*=[^\s"'<>]*"""), f"?{MASK}"),
    # the token in a webhook's path
    (re.compile(r"""(/webhooks/[^/\s"'?]+/)[^\s"'/?]+"""), rf"\1{MASK}"),
    # Authorization: Bearer …
    (re.compile(r"\b(bearer|basic)\s+[^\s\"',;]+", re.IGNORECASE), rf"\1 {MASK}"),
    # a JSON Web Token
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"), MASK),
    # password=…, "api_key": "…"
    (
        re.compile(
            r"""((?:password|passwd|secret|token|api[_-]?key)["']?\s*[:=]\s*)"""
            r"""(?:"[^"]*"|'[^']*'|[^\s"',;&})\]]+)""",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    # +12025550143, + 1 (202) 555-0143
    (re.compile(r"\+\s?\d(?:[\s.()-]{0,2}\d){6,14}(?!\d)"), _masked_number),
    # 12025550143, but not as a part of an ID, a time or a decimal
    (re.compile(r"(?<![\w.:+-])\d{10,15}(?![\w:-]|\.\d)"), _masked_number),
    # (202) 555-0143
    (
        re.compile(r"(?<![\w.+-])\(?\d{3}\)?[\s.-]{1,2}\d{3}[\s.-]\d{4}(?![\w-]|\.\d)"),
        _masked_number,
    ),
)
_SECRET_NAME = re.compile(
    r"passw|secret|authorization|credential|cookie|api_?key|(^|_)token$|private|database_url|redis_url",
    re.IGNORECASE,
)


def masked(value: Any, *, name: str = "") -> Any:
    """The value with secrets masked. Other objects become their masked repr."""
    return _masked(value, name, 0)


def masked_text(text: str) -> str:
    """The text with secrets masked. The last two digits of a phone number stay."""
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}…"
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def _masked(value: Any, name: str, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if _SECRET_NAME.search(name):
        return MASK
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        return masked_text(value)
    if depth >= _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {
            masked_text(str(key)): _masked(each, str(key), depth + 1) for key, each in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(each, "", depth + 1) for each in value]
    return masked_text(_safe_repr(value))


def _safe_repr(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 — logging must not fail because of a repr
        return f"<{type(value).__name__}>"
