"""All log lines can be parsed and contain no secrets, also lines of libraries and errors."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

PREAMBLE = """
import logging, warnings
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


def test_log_lines_of_the_program_have_their_extra_values() -> None:
    (entry,) = entries("logging.getLogger('ibiki.cli.up').info('started', extra={'port': 8000})")
    assert entry.pop("timestamp").endswith("Z")
    assert entry == {"event": "started", "port": 8000, "level": "info", "logger": "ibiki.cli.up"}


@pytest.mark.parametrize(
    "call",
    [
        "logging.getLogger('x').warning('to +12025550143', extra={'url': 'http://u:hidden@h/?k=hidden'})",
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
def test_an_exception_is_logged_with_traceback_and_no_secrets(format: str) -> None:
    lines = logged(
        """
try:
    try:
        raise ValueError('no such number: +12025550143')
    except ValueError as error:
        raise OSError('http://h/?password=hidden') from error
except OSError:
    logging.getLogger('x').exception('it failed')
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
