"""The documents are true: their links, decisions, tests, settings, commands and numbers exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from graphql import build_schema, parse, validate
from prometheus_client.parser import text_string_to_metric_families
from typer.main import get_command

from domain.ledger.alarms import AlarmKind
from ibiki.cli.main import app
from ibiki.observability.metrics import Metrics
from ibiki.settings import settings
from providers.simulator.behaviours import BEHAVIOURS, MAGIC_NUMBERS
from tests.test_tidy import ROOT, matches, sources

LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s#]*)(?:#([^)\s]+))?\)")
DECISION = re.compile(r"decisions/(\d{4})")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")

README = (ROOT / "README.md").read_text()
ATTACKS = (ROOT / "docs" / "attacks.md").read_text()
OPERATING = (ROOT / "docs" / "operating.md").read_text()
TROUBLESHOOTING = (ROOT / "docs" / "troubleshooting.md").read_text()
FOR_OPERATORS = OPERATING + TROUBLESHOOTING


def test_each_link_of_a_document_leads_to_a_file_and_a_heading() -> None:
    documents = [source for source in sources() if source.path.endswith(".md")]
    assert len(documents) > 50
    assert [broken for each in documents for broken in _broken(each.path, each.text)] == []


def test_a_broken_link_is_noticed() -> None:
    text = "[a](no-such.md) [b](scaling.md#no-such) [c](scaling.md#one-machine) [d](#here)\n# Here"
    assert list(_broken("docs/a.md", text)) == ["docs/a.md: no-such.md", "docs/a.md: #no-such"]


def test_each_decision_that_a_text_names_has_a_page() -> None:
    pages = {path.name[:4] for path in (ROOT / "docs" / "decisions").glob("*.md")}
    named = [
        (source.path, found.removeprefix("decisions/"))
        for source in sources()
        for _, found in matches(DECISION, source.text)
    ]
    assert len(named) > 50
    assert [(path, number) for path, number in named if number not in pages] == []


def test_each_decision_has_a_context_a_decision_a_cost_and_alternatives() -> None:
    parts = {"Context", "Decision", "Cost", "Alternatives"}
    pages = (ROOT / "docs" / "decisions").glob("*.md")
    missing = {page.name: parts - set(HEADING.findall(page.read_text())) for page in pages}
    assert {name: each for name, each in missing.items() if each} == {}


def _broken(path: str, text: str) -> Iterator[str]:
    """The links of a document that lead nowhere."""
    for target, anchor in LINK.findall(text):
        file = ROOT / Path(path).parent / target if target else None
        if file is not None and not file.exists():
            yield f"{path}: {target}"
        elif anchor and anchor not in _anchors(file.read_text() if file else text):
            yield f"{path}: #{anchor}"


def _anchors(text: str) -> set[str]:
    """The anchors of the headings, as GitHub makes them."""
    headings = (re.sub(r"[^\w\- ]", "", each.lower()) for each in HEADING.findall(text))
    return {each.strip().replace(" ", "-") for each in headings}


def test_every_named_test_exists() -> None:
    named = NAMED_TEST.findall(ATTACKS)
    assert len(named) >= 60
    missing = [f"{path}::{name}" for path, name in named if not _has(path, name)]
    assert missing == []


def test_every_attack_names_a_test() -> None:
    attacks = re.split(r"^(?:- |#)", ATTACKS, flags=re.MULTILINE)[1:]
    listed = [each for each in attacks if not each.startswith(("#", " "))]
    assert len(listed) > 30
    assert [each for each in listed if not NAMED_TEST.search(each)] == []


def _has(path: str, name: str) -> bool:
    file = ROOT / path
    return (
        file.exists() and re.search(rf"^(async )?def {name}\(", file.read_text(), re.M) is not None
    )


def test_every_setting_is_documented_and_no_other() -> None:
    table = OPERATING.partition("## Settings")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == sorted(
        settings.names() - settings.OPTIONS
    )


def test_every_named_metric_exists() -> None:
    families = text_string_to_metric_families(Metrics().exposition().decode())
    there = {family.name for family in families}
    named = set(re.findall(r"\bibiki_\w+", FOR_OPERATORS))
    assert len(named) > 8
    assert {name.removesuffix("_total") for name in named} <= there


def test_every_named_command_exists() -> None:
    named = set(re.findall(r"`ibiki ([a-z-]+)", FOR_OPERATORS))
    assert len(named) > 5
    assert named <= set(get_command(app).commands)  # type: ignore[attr-defined]


def test_the_graphql_documents_for_operators_are_valid() -> None:
    schema = build_schema((ROOT / "schema.graphql").read_text())
    requested = re.findall(r"`((?:mutation )?\{ [^`]*\})`", FOR_OPERATORS)
    assert len(requested) >= 5
    for document in requested:
        assert validate(schema, parse(document)) == [], document


def test_the_quoted_log_lines_exist() -> None:
    alarms_of = TROUBLESHOOTING.partition("\n## The ledger is inconsistent")[0]
    found = re.findall(r"^- \*\*(.*?)\*\*:", alarms_of, re.MULTILINE | re.DOTALL)
    alarms = " ".join(" ".join(found).split())  # without the ends of lines
    sources = [
        path
        for folder in ("ibiki", "domain", "persistence")
        for path in (ROOT / folder).rglob("*.py")
    ]
    code = " ".join(path.read_text() for path in sources)
    quotes = [part for words in re.findall(r'"([^"]+)"', alarms) for part in words.split(" … ")]
    labels = {"invalid", "refused", "InsufficientBalance"} | {each.lower() for each in AlarmKind}
    quoted = [each for each in quotes if each not in labels]
    assert len(quoted) > 5
    assert [each for each in quoted if each not in code] == []


def test_the_magic_numbers_are_those_of_the_simulator() -> None:
    then = {None: "", 1: "; the next one is accepted", 2: " twice; the third one is accepted"}
    rows = ["| number | what happens to a message |", "|---|---|"]
    for each in MAGIC_NUMBERS.values():
        number = " ".join((each.number[:2], each.number[2:5], each.number[5:8], each.number[8:]))
        rows.append(f"| {number} | {BEHAVIOURS[each.kind].description}{then[each.refusals]} |")
    assert "\n".join(rows) + "\n\n" in README


def test_the_readme_lists_exactly_the_commands_that_exist() -> None:
    listed = set(re.findall(r"^\| `ibiki ([a-z-]+)` \|", README, re.MULTILINE))
    assert listed == set(get_command(app).commands)  # type: ignore[attr-defined]


def test_the_readme_begins_with_the_two_commands() -> None:
    opening = README.split("\n## ")[0]
    assert opening.index("make run") < opening.index("make test")
