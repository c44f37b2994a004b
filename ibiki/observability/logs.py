"""Structured logs on standard error, of our code and of libraries, without secrets.

All records go through the root logger of `logging`, and one formatter of structlog.
"""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from ibiki.observability.masks import masked

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


def formatter(kind: Literal["console", "json"]) -> logging.Formatter:
    """The formatter of all loggers: one line for each record, and the lines of a traceback."""
    last: Processor = (
        structlog.processors.JSONRenderer()
        if kind == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.stdlib.ExtraAdder(),
        ],
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
