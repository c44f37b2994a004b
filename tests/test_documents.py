"""The documents lead somewhere: their links, and each decision that a text names, exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.test_tidy import ROOT, matches, sources

LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s#]*)(?:#([^)\s]+))?\)")
DECISION = re.compile(r"decisions/(\d{4})")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


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
