"""What the groups of settings have in common."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ibiki.settings.checks import check_provider_url

ProviderUrl = Annotated[str, AfterValidator(check_provider_url)]


class Group(BaseSettings):
    """Reads its fields from environment variables."""

    model_config = SettingsConfigDict(
        frozen=True,
        env_ignore_empty=True,
        extra="ignore",
        str_strip_whitespace=True,
        allow_inf_nan=False,
    )
