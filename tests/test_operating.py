"""docs/operating.md is true: its settings, metrics, commands, documents and log lines exist."""

from __future__ import annotations

import re
from pathlib import Path

from graphql import build_schema, parse, validate
from prometheus_client.parser import text_string_to_metric_families
from typer.main import get_command

from domain.ledger.alarms import AlarmKind
from ibiki.cli.main import app
from ibiki.observability.metrics import Metrics
from ibiki.settings import settings

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "operating.md").read_text()


def test_every_setting_is_documented_and_no_other() -> None:
    table = PAGE.partition("## Settings")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == sorted(
        settings.names() - settings.OPTIONS
    )


def test_every_named_metric_exists() -> None:
    families = text_string_to_metric_families(Metrics().exposition().decode())
    there = {family.name for family in families}
    named = set(re.findall(r"\bibiki_\w+", PAGE))
    assert len(named) > 8
    assert {name.removesuffix("_total") for name in named} <= there


def test_every_named_command_exists() -> None:
    named = set(re.findall(r"`ibiki ([a-z-]+)", PAGE))
    assert len(named) > 5
    assert named <= set(get_command(app).commands)  # type: ignore[attr-defined]


def test_the_documents_of_the_page_are_valid() -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text())
    asked = re.findall(r"`((?:mutation )?\{ [^`]*\})`", PAGE)
    assert len(asked) >= 5
    for document in asked:
        assert validate(schema, parse(document)) == [], document


def test_the_quoted_log_lines_exist() -> None:
    table = PAGE.partition("## When something is wrong")[2].partition("\n### ")[0]
    alarms = " ".join(line.split("|")[1] for line in table.splitlines() if line.startswith("|"))
    sources = [
        path
        for folder in ("ibiki", "domain", "persistence")
        for path in (ROOT / folder).rglob("*.py")
    ]
    delivered = " ".join(path.read_text() for path in sources)
    said = [part for words in re.findall(r'"([^"]+)"', alarms) for part in words.split(" … ")]
    labels = {"invalid", "refused", "InsufficientBalance"} | {each.lower() for each in AlarmKind}
    quoted = [each for each in said if each not in labels]
    assert len(quoted) > 5
    assert [each for each in quoted if each not in delivered] == []
