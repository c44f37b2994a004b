"""Structured logs on standard error, of our code and of libraries, without secrets.

All records go through the root logger of `logging` and one formatter. `ibiki` uses structlog, the
packages below it use `logging`.
"""

from __future__ import annotations

import logging
import re
import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import structlog

from ibiki.observability.masks import masked, masked_text

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

# Below these levels, libraries log statements with values, or what we log ourselves.
_QUIET = {
    "asyncio": logging.WARNING,
    "tortoise": logging.WARNING,
    "asyncpg": logging.WARNING,
    "aiohttp": logging.WARNING,
    "uvicorn.access": logging.WARNING,
    "uvicorn.error": logging.WARNING,
    "websockets": logging.WARNING,
    "opentelemetry": logging.CRITICAL,  # `ibiki.observability.spans` logs failures, once
}
_PLAIN_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
_PLAIN_KEYS = frozenset({"timestamp", "level", "logger", "request_id"})


def configure(*, log_format: Literal["console", "json"] | None, level: str) -> None:
    """Configures all logging: masked, and in one format. Safe to repeat.

    Without a format: console on a terminal, else JSON. Start uvicorn with `log_config=None`.
    """
    kind = log_format or ("console" if sys.stderr.isatty() else "json")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(kind))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    logging.captureWarnings(True)
    for name, quiet in _QUIET.items():
        logging.getLogger(name).setLevel(quiet)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_common(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def formatter(kind: Literal["console", "json"]) -> logging.Formatter:
    """The formatter of all loggers: one line for each record, and the lines of a traceback."""
    last: Processor = (
        structlog.processors.JSONRenderer()
        if kind == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_common(), structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            mask,
            last,
        ],
    )


def mask(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Masks secrets and phone numbers in all values, nested ones included."""
    return {
        key: value if key in _PLAIN_KEYS else masked(value, name=key)
        for key, value in event.items()
    }


def request(request_id: str | None) -> AbstractContextManager[Any]:
    """Adds the request ID to each line in the block: the caller's if valid, else a new one."""
    plain = request_id is not None and _PLAIN_ID.fullmatch(request_id)
    # A caller's ID could be a phone number, so it is masked here. Formatters do not mask it again.
    chosen = masked_text(request_id) if request_id and plain else uuid4().hex
    return structlog.contextvars.bound_contextvars(request_id=chosen)


def current_request_id() -> str | None:
    """The ID of the current request."""
    found: str | None = structlog.contextvars.get_contextvars().get("request_id")
    return found


def _common() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
