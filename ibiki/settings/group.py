"""What the groups of settings have in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ibiki.settings.checks import check_provider_url

ProviderUrl = Annotated[str, AfterValidator(check_provider_url)]


class SettingsGroup(BaseSettings):
    """Reads its fields from environment variables."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="ignore",
        str_strip_whitespace=True,
        allow_inf_nan=False,
    )

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, given: dict[str, Any]) -> dict[str, Any]:
        """An empty setting counts as not set, also if blanks or a Windows line end are in it."""
        return {
            name: value
            for name, value in given.items()
            if not (isinstance(value, str) and not value.strip())
        }
