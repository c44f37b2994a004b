"""The settings of the providers."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from domain.provider import Credentials
from ibiki.settings.checks import check_api_key, wrong
from ibiki.settings.group import ProviderUrl, SettingsGroup


class UpstreamSettings(SettingsGroup):
    """The providers. If ExtremeSMS has no address and no key, the simulated provider is used."""

    extreme_api_url: ProviderUrl | None = None
    extreme_api_key: Annotated[str, AfterValidator(check_api_key)] | None = Field(None, repr=False)
    sms_api_url: ProviderUrl | None = None
    egosms_username: str | None = Field(None, repr=False)
    egosms_password: str | None = Field(None, repr=False)
    egosms_sender: str | None = Field(None, max_length=11)
    """The name that phones show. The vendor allows 11 characters."""
    cost_per_sms: int = Field(50, ge=1, le=1_000_000)

    @property
    def is_simulated(self) -> bool:
        return self.extreme_api_url is None and self.extreme_api_key is None

    @property
    def egosms_is_simulated(self) -> bool:
        """Whether accounts at EgoSMS are accounts of the simulated provider."""
        return self.is_simulated and self.sms_api_url is None and self.egosms_username is None

    @property
    def egosms_credentials(self) -> Credentials | None:
        """The sign-in of the platform's own account at EgoSMS."""
        if self.egosms_username is None or self.egosms_password is None:
            return None
        return Credentials(self.egosms_username, self.egosms_password)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.egosms_username is None) != (self.egosms_password is None):
            missing = "EGOSMS_PASSWORD" if self.egosms_username else "EGOSMS_USERNAME"
            raise wrong(
                "is not set, but the other half of the sign-in is",
                "Set EGOSMS_USERNAME and EGOSMS_PASSWORD, or neither.",
                name=missing,
            )
        return self
