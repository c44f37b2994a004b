"""Media types of GraphQL over HTTP: of requests, and those that a caller accepts."""

from __future__ import annotations

from functools import lru_cache

RESPONSE_JSON = b"application/graphql-response+json; charset=utf-8"
PLAIN_JSON = b"application/json; charset=utf-8"
EVENT_STREAM = b"text/event-stream; charset=utf-8"

_OFFERED = {
    "application/graphql-response+json": RESPONSE_JSON,
    "application/json": PLAIN_JSON,
    "text/event-stream": EVENT_STREAM,
}
_WILD = {"*/*", "application/*"}
_LONGEST = 2_000


@lru_cache(maxsize=256)
def best_type(accept: str) -> bytes | None:
    """The content type of the response. None if the caller accepts none of ours.

    Without a preference, it is the older type.
    """
    if not accept.strip():
        return PLAIN_JSON
    best: tuple[float, bytes] | None = None
    for media_range in accept[:_LONGEST].split(","):
        offered, quality = _offer(media_range)
        if offered is not None and quality > (best[0] if best else 0.0):
            best = (quality, offered)
    return best[1] if best else None


@lru_cache(maxsize=256)
def is_json(content_type: str) -> bool:
    """Whether a body of this type is JSON in UTF-8."""
    return is_in_utf8(content_type, "application/json")


def is_in_utf8(content_type: str, wanted: str) -> bool:
    """Whether a body of this type is of the wanted type, in UTF-8."""
    media_type, *parameters = content_type[:_LONGEST].split(";")
    if media_type.strip().lower() != wanted:
        return False
    charsets = [value for name, value in map(_parameter, parameters) if name == "charset"]
    return all(charset in {"utf-8", "utf8"} for charset in charsets)


def _offer(media_range: str) -> tuple[bytes | None, float]:
    media_type, *parameters = media_range.split(";")
    name = media_type.strip().lower()
    offered = PLAIN_JSON if name in _WILD else _OFFERED.get(name)
    quality = 1.0
    for parameter, value in map(_parameter, parameters):
        if parameter == "charset" and value not in {"utf-8", "utf8"}:
            return None, 0.0
        if parameter == "q":
            quality = _quality(value)
    return offered, quality


def _parameter(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip().lower(), value.strip().strip('"').lower()


def _quality(text: str) -> float:
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0.0 <= quality <= 1.0 else 0.0
