"""docs/operating.md tells of every setting, and of none that is not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic_settings import BaseSettings

from ibiki import settings

ROOT = Path(__file__).parents[1]


def names() -> Iterator[str]:
    """The settings by their names in the environment."""
    for group in vars(settings).values():
        if isinstance(group, type) and issubclass(group, BaseSettings):
            prefix = group.model_config.get("env_prefix", "")
            for name, field in group.model_fields.items():
                yield str(field.validation_alias or f"{prefix}{name}".upper())


def test_every_setting_is_told_of_and_no_other() -> None:
    page = (ROOT / "docs" / "operating.md").read_text()
    table = page.partition("## Settings")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| `(\w+)`", table, re.MULTILINE)) == sorted(names())
