"""The settings of retention."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from ibiki.settings.group import SettingsGroup


class RetentionSettings(SettingsGroup):
    """How long texts and messages are kept if a client has no rule. None: for ever."""

    model_config = SettingsConfigDict(env_prefix="RETENTION_")

    text_days: int | None = Field(None, ge=1, le=36_500)
    months: int | None = Field(None, ge=1, le=1_200)
    """Months that messages are kept, from the end of the month in which they were accepted."""
    daily: bool = False
    """Whether the program drops what is too old, once a day."""
    export: Path | None = None
    """The directory in which the daily run writes messages before it drops them."""
