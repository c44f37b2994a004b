"""All log lines can be parsed and contain no secrets, also lines of libraries and errors."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from ibiki.observability import logs

PREAMBLE = """
import asyncio, logging, warnings, structlog
from ibiki.observability import logs
logs.configure(log_format={format!r}, level={level!r})
"""


def logged(code: str, *, format: str = "json", level: str = "info") -> list[str]:
    """The lines that a program with these logs writes to standard error."""
    ran = subprocess.run(
        [sys.executable, "-c", PREAMBLE.format(format=format, level=level) + code],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == ""
    return ran.stderr.splitlines()


def entries(code: str, *, level: str = "info") -> list[dict[str, Any]]:
    return [json.loads(line) for line in logged(code, level=level)]


def test_our_own_lines_hold_what_they_are_given() -> None:
    (entry,) = entries("structlog.get_logger('ibiki.local.up').info('started', port=8000)")
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {"event": "started", "port": 8000, "level": "info", "logger": "ibiki.local.up"}


@pytest.mark.parametrize(
    "call",
    [
        "structlog.get_logger().warning('to +12025550143', url='http://u:hidden@h/?k=hidden')",
        "logging.getLogger('domain.ids').warning('to %s by %s', '+12025550143', 'Bearer hidden')",
        "logging.getLogger('aiohttp.client').error('x', extra={'number': '+12025550143'})",
        "logging.getLogger('uvicorn.error').error('%r', {'password': 'hidden', '+12025550143': 1})",
    ],
)
def test_every_logger_is_masked(call: str) -> None:
    (line,) = logged(call)
    assert "***" in line
    assert "hidden" not in line
    assert "2025550143" not in line


@pytest.mark.parametrize("format", ["json", "console"])
@pytest.mark.parametrize("logger", ["logging.getLogger('x')", "structlog.get_logger('x')"])
def test_an_exception_is_logged_with_traceback_and_no_secrets(format: str, logger: str) -> None:
    lines = logged(
        f"""
try:
    try:
        raise ValueError('no such number: +12025550143')
    except ValueError as error:
        raise OSError('http://h/?password=hidden') from error
except OSError:
    {logger}.exception('it failed')
""",
        format=format,
    )
    text = "\n".join(lines)
    assert "Traceback" in text
    assert "no such number: +***43" in text
    assert "http://h/?***" in text
    assert "hidden" not in text


def test_statements_with_their_values_are_not_logged_even_at_debug() -> None:
    code = "logging.getLogger('tortoise.db_client').debug('INSERT …')"
    assert entries(code, level="debug") == []
    assert entries("logging.getLogger('domain').debug('seen')", level="debug") != []
    assert entries("logging.getLogger('domain').debug('seen')", level="info") == []


def test_a_warning_of_a_library_is_a_log_line() -> None:
    (entry,) = entries("warnings.warn('old', stacklevel=1)")
    assert entry["logger"] == "py.warnings"
    assert entry["level"] == "warning"


def test_each_line_of_a_request_has_only_its_own_id() -> None:
    found = entries(
        """
async def answer(name):
    with logs.request(name):
        await asyncio.sleep(0)
        logging.getLogger('x').info(name)
        structlog.get_logger('y').info(name)

async def main():
    await asyncio.gather(answer('a'), answer('b'))
    logging.getLogger('x').info('outside')

asyncio.run(main())
"""
    )
    assert [(entry["event"], entry.get("request_id")) for entry in found] == [
        ("a", "a"), ("a", "a"), ("b", "b"), ("b", "b"), ("outside", None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("given", "expected"),
    [("abc-1.2_3", "abc-1.2_3"), ("12025550143", "***43"), ("x" * 64, "x" * 64)],
)
def test_a_valid_id_from_the_caller_is_used(given: str, expected: str) -> None:
    with logs.request(given):
        assert logs.current_request_id() == expected
    assert logs.current_request_id() is None


@pytest.mark.parametrize("given", [None, "", "a b", "a\nb", "x" * 65, "ä", '"}{'])
def test_an_invalid_id_is_replaced(given: str | None) -> None:
    with logs.request(given):
        assert len(logs.current_request_id() or "") == 32
