"""docs/operating.md tells of every setting, and of none that is not."""

from __future__ import annotations

import re
from pathlib import Path

from ibiki import settings

ROOT = Path(__file__).parents[1]


def test_every_setting_is_told_of_and_no_other() -> None:
    page = (ROOT / "docs" / "operating.md").read_text()
    table = page.partition("## Settings")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == sorted(
        settings.names() - settings.OPTIONS
    )
