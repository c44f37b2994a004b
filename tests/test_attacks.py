"""Each attack of docs/attacks.md names tests that exist, and each of its lines names one."""

from __future__ import annotations

import re

from tests.test_tidy import ROOT

TEXT = (ROOT / "docs" / "attacks.md").read_text()
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
LEAST = 60


def test_every_named_test_exists() -> None:
    named = NAMED.findall(TEXT)
    assert len(named) >= LEAST
    missing = [f"{path}::{name}" for path, name in named if not _has(path, name)]
    assert missing == []


def test_every_attack_names_a_test() -> None:
    lines = [line for line in TEXT.splitlines() if line.startswith("| ")]
    attacks = [line for line in lines if not line.startswith("| attack |")]
    assert len(attacks) > 30
    assert [line for line in attacks if not NAMED.search(line)] == []


def _has(path: str, name: str) -> bool:
    file = ROOT / path
    return (
        file.exists() and re.search(rf"^(async )?def {name}\(", file.read_text(), re.M) is not None
    )
