"""The settings of an installation, read from environment variables and checked at the start.

Each group is a class and each setting a field. The variable's name is the group's prefix and the
field's name, or the alias. docs/operating.md lists the settings for operators.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_type_hints
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    ValidationError,
    model_validator,
)
from pydantic_settings import NoDecode, SettingsConfigDict

from domain.brand import Brand
from domain.hooks.addresses import is_this_machine
from ibiki.settings import generated_secrets
from ibiki.settings.checks import (
    RECIPES,
    Problem,
    check_api_key,
    check_area_codes,
    check_bus_url,
    check_color,
    check_database_url,
    check_encryption_keys,
    check_networks,
    check_origins,
    check_proxies,
    check_read_url,
    check_secret_key,
    check_signing_secrets,
    described,
    misspelt,
    problems_of,
    problems_of_stored,
    quoted,
    region_of,
    split,
    wrong,
)
from ibiki.settings.group import ProviderUrl, SettingsGroup
from ibiki.settings.logo import Logo, read_logo
from ibiki.settings.retention import RetentionSettings
from ibiki.settings.upstream import UpstreamSettings

EXIT_CODE = 2
OPTIONS = frozenset({"IBIKI_DATA", "ADMIN_PASSWORD"})
"""Other environment variables, which the command line reads."""

List = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split)]


class InstallationSettings(SettingsGroup):
    """The brand of this installation, its region, and who may reach it."""

    brand_name: str = Field("IbikiSMS", max_length=40)
    brand_color: Annotated[str, AfterValidator(check_color)] = "#3b5bdb"
    brand_logo: Annotated[Logo | None, NoDecode, PlainValidator(read_logo)] = Field(
        None, validate_default=False
    )
    """A PNG or SVG file, which is read at the start."""
    default_region: Annotated[str, AfterValidator(region_of)] = "US"
    """The two letters of a region, also if a calling code is given."""
    extra_area_codes: Annotated[List, AfterValidator(check_area_codes)] = ()
    """North American area codes that the phone number library and our own table lack."""
    environment: Literal["development", "production"] = "development"
    allowed_origins: Annotated[List, AfterValidator(check_origins)] = ()
    trusted_proxies: Annotated[List, AfterValidator(check_proxies)] = ()
    """Addresses of reverse proxies. Their X-Forwarded-For is trusted."""
    public_url: ProviderUrl | None = None
    """The URL of this installation, as providers and clients reach it."""
    loopback_only: bool = False
    """Only connect to this machine. For tests."""
    drain_seconds: float = Field(0, ge=0, le=600)
    """How long `ibiki serve` answers requests after SIGTERM, while /readyz says that it stops."""

    @property
    def brand(self) -> Brand:
        logo = self.brand_logo.path if self.brand_logo else None
        return Brand(self.brand_name, self.brand_color, logo)

    @property
    def is_production(self) -> bool:
        return self.environment == "production"


class DatabaseSettings(SettingsGroup):
    """The database. Without an address, the embedded PostgreSQL is used."""

    url: Annotated[str, AfterValidator(check_database_url)] | None = Field(
        None, validation_alias="DATABASE_URL", repr=False
    )
    pool_size: int = Field(20, ge=2, le=500, validation_alias="DATABASE_POOL_SIZE")
    answer_seconds: float = Field(10, gt=0, le=600, validation_alias="DATABASE_ANSWER_SECONDS")
    read_url: Annotated[str, AfterValidator(check_read_url)] | None = Field(
        None, validation_alias="DATABASE_READ_URL", repr=False
    )
    """A standby for searches, statistics, exports and the audit."""
    read_lag_seconds: float = Field(
        10, gt=0, le=3_600, validation_alias="DATABASE_READ_LAG_SECONDS"
    )
    """A standby that is further behind is not read from."""
    transaction_pooler: bool = Field(False, validation_alias="DATABASE_TRANSACTION_POOLER")
    """The addresses are of a pooler that gives each transaction another connection."""


class BusSettings(SettingsGroup):
    """The bus, on which processes announce changes. Without an address, it uses PostgreSQL."""

    url: Annotated[str, AfterValidator(check_bus_url)] | None = Field(
        None, validation_alias="REDIS_URL", repr=False
    )


class SecretSettings(SettingsGroup):
    """Secrets. The keys that are not set are generated, and kept in the data directory."""

    secret_key: Annotated[str, AfterValidator(check_secret_key)] = Field(
        "", repr=False, validate_default=False
    )
    encryption_keys: Annotated[List, AfterValidator(check_encryption_keys)] = Field((), repr=False)
    """Fernet keys. The first one encrypts, all of them decrypt."""
    webhook_secrets: List = Field((), repr=False, validation_alias="WEBHOOK_SECRET")
    """Several are valid at once, so that a secret can be changed."""
    webhook_signing_secrets: Annotated[List, AfterValidator(check_signing_secrets)] = Field(
        (), repr=False, validation_alias="WEBHOOK_SIGNING_SECRET"
    )
    demo_password: str | None = Field(None, repr=False)


class WebhookSettings(SettingsGroup):
    """Who may call the webhooks, and the words that opt a phone out."""

    allowed_networks: Annotated[List, AfterValidator(check_networks)] = Field(
        (), validation_alias="WEBHOOK_ALLOWED_ADDRESSES"
    )
    requests_per_second: int = Field(
        2_000, ge=1, le=1_000_000, validation_alias="WEBHOOK_REQUESTS_PER_SECOND"
    )
    """For each address."""
    opt_out_words: List = ()
    """In addition to the usual ones."""


class HookSettings(SettingsGroup):
    """The webhooks of clients, which this installation calls."""

    model_config = SettingsConfigDict(env_prefix="HOOKS_")

    internal_networks: Annotated[List, AfterValidator(check_networks)] = ()
    """Private networks that webhooks may be posted to. None: public addresses only."""


class LimitSettings(SettingsGroup):
    """Limits of one client and of one request."""

    model_config = SettingsConfigDict(env_prefix="LIMIT_")

    requests_per_second: int = Field(1_000, ge=1, le=1_000_000)
    recipients: int = Field(100_000, ge=1, le=1_000_000)
    recipients_multi: int = Field(10_000, ge=1, le=1_000_000)
    rows: int = Field(1_000_000, ge=1, le=1_000_000)
    """Rows of a file that is sent to. With more than `recipients`, they are written in parts."""
    segments: int = Field(10, ge=1, le=255)  # one octet counts the parts of a concatenated message
    connections: int = Field(10_000, ge=1, le=1_000_000)
    """Live connections of one process: WebSockets and event streams."""
    connections_per_user: int = Field(2_000, ge=1, le=1_000_000)
    body_bytes: int = Field(16 * 1024 * 1024, ge=1_024, le=1024 * 1024 * 1024)
    upload_bytes: int = Field(100_000_000, ge=1_024, le=1024 * 1024 * 1024)
    """For each uploaded file."""
    uploads_bytes: int = Field(1_000_000_000, ge=1_024, le=1024 * 1024 * 1024 * 1024)
    """For all uploads of one client within a day."""


class DispatchSettings(SettingsGroup):
    """How messages are sent to a provider."""

    model_config = SettingsConfigDict(env_prefix="DISPATCH_")

    deadline_seconds: float = Field(10, gt=0, le=600)
    lease_seconds: float = Field(30, gt=0, le=3_600)
    sweep_seconds: float = Field(5, gt=0, le=600)
    give_up_hours: float = Field(24, gt=0, le=24 * 30)
    breaker_failures: int = Field(5, ge=1, le=1_000)
    breaker_first_seconds: float = Field(2, gt=0, le=3_600)
    breaker_longest_seconds: float = Field(30, gt=0, le=3_600)
    batch_size: int = Field(100, ge=1, le=1_000)
    concurrency: int = Field(16, ge=1, le=200)
    """Calls at the same time, for each provider account and process."""
    messages_under_way: int = Field(400, ge=2, le=100_000)
    """Messages that are submitted and not recorded yet. A crash makes them UNKNOWN."""
    reuse_seconds: float = Field(0, ge=0, le=60)
    """How long a connection to a provider is reused. 0: each call opens a new one."""
    messages_per_second: int | None = Field(None, ge=1, le=1_000_000)
    """For each provider account. None: no limit."""
    status_calls_per_second: float = Field(5, ge=0, le=1_000)
    """Calls of each process that ask for the status of sent messages. 0: none."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.deadline_seconds >= self.lease_seconds:
            raise wrong(
                "is not less than DISPATCH_LEASE_SECONDS, so a call could outlast its lease",
                "Lower it or raise the lease. 10 and 30 are usual.",
                name="DISPATCH_DEADLINE_SECONDS",
            )
        if self.messages_under_way < 2 * self.concurrency:
            raise wrong(
                "is less than twice DISPATCH_CONCURRENCY",
                "Raise it or lower the other. 400 and 16 are usual.",
                name="DISPATCH_MESSAGES_UNDER_WAY",
            )
        if self.breaker_first_seconds > self.breaker_longest_seconds:
            raise wrong(
                "is more than DISPATCH_BREAKER_LONGEST_SECONDS",
                "Lower it or raise the other. 2 and 30 are usual.",
                name="DISPATCH_BREAKER_FIRST_SECONDS",
            )
        return self


class TokenSettings(SettingsGroup):
    """How long a sign-in lasts."""

    model_config = SettingsConfigDict(env_prefix="TOKEN_")

    access_seconds: int = Field(15 * 60, ge=10, le=24 * 3_600)
    refresh_days: int = Field(30, ge=1, le=365)


class MonitoringSettings(SettingsGroup):
    """Logs, metrics and traces."""

    log_format: Literal["console", "json"] | None = None
    """None: console on a terminal, else json."""
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], BeforeValidator(lambda word: word.lower())
    ] = "info"
    metrics_token: Annotated[str, AfterValidator(check_api_key)] | None = Field(None, repr=False)
    """The bearer token for /metrics. None: private networks may read it without one."""
    otlp_endpoint: ProviderUrl | None = Field(None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings of this installation. They are valid."""

    installation: InstallationSettings
    database: DatabaseSettings
    bus: BusSettings
    secrets: SecretSettings
    upstream: UpstreamSettings
    webhooks: WebhookSettings
    hooks: HookSettings
    limits: LimitSettings
    dispatch: DispatchSettings
    retention: RetentionSettings
    tokens: TokenSettings
    monitoring: MonitoringSettings


class SettingsInvalid(Exception):
    """Lists every invalid setting, with the reason and the fix."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(described(problems))
        self.problems = problems


def names() -> set[str]:
    """The names of all environment variables that the program reads."""
    found = set(OPTIONS)
    for group in SettingsGroup.__subclasses__():
        prefix = group.model_config.get("env_prefix", "")
        for name, field in group.model_fields.items():
            found.add(str(field.validation_alias or f"{prefix}{name}").upper())
    return found


def load(directory: Path) -> Settings:
    """Reads the settings. Generates keys that are not set, and stores them in `directory`.

    Raises SettingsInvalid, which lists all invalid settings.
    """
    problems: list[Problem] = []
    groups: dict[str, Any] = {
        name: _read(group, problems) for name, group in get_type_hints(Settings).items()
    }
    problems += _conflicts(**groups)
    if problems:
        raise SettingsInvalid(problems)
    groups["secrets"] = _with_stored_keys(groups["secrets"], directory)
    return Settings(**groups)


def load_or_exit(directory: Path) -> Settings:
    """Like `load`, for commands: prints invalid settings to standard error and exits with code 2.

    A misspelt name is only a warning: the variable may belong to another program.
    """
    known = names()
    for sentence in (*misspelt(os.environ, known), *quoted(os.environ, known)):
        sys.stderr.write(f"{sentence}\n")
    try:
        return load(directory)
    except SettingsInvalid as invalid:
        sys.stderr.write(f"{invalid}\n")
        raise SystemExit(EXIT_CODE) from None


_AnyGroup = TypeVar("_AnyGroup", bound=SettingsGroup)


def _read(group: type[_AnyGroup], problems: list[Problem]) -> _AnyGroup | None:
    try:
        return group()
    except ValidationError as error:
        problems += problems_of(error, group)
        return None


def _conflicts(
    *,
    installation: InstallationSettings | None,
    upstream: UpstreamSettings | None,
    bus: BusSettings | None,
    monitoring: MonitoringSettings | None,
    secrets: SecretSettings | None,
    database: DatabaseSettings | None,
    **_others: object,
) -> list[Problem]:
    """Problems between groups. A group is None if it could not be read."""
    found: list[Problem] = []
    if installation and upstream and monitoring and installation.loopback_only:
        found += _not_loopback(upstream, monitoring)
    if installation and bus and secrets and installation.is_production and bus.url:
        found += _keys_not_shared(secrets)
    if database and bus and database.transaction_pooler and not bus.url:
        what = "is not set, and PostgreSQL cannot carry live data through a pooler of transactions"
        fix = "Set it, or unset DATABASE_TRANSACTION_POOLER."
        found.append(Problem("REDIS_URL", what, fix))
    return found


def _not_loopback(upstream: UpstreamSettings, monitoring: MonitoringSettings) -> list[Problem]:
    addresses = {
        "EXTREME_API_URL": upstream.extreme_api_url,
        "SMS_API_URL": upstream.sms_api_url,
        "OTEL_EXPORTER_OTLP_ENDPOINT": monitoring.otlp_endpoint,
    }
    return [
        Problem(name, "is not on this machine, but LOOPBACK_ONLY is set", "Unset one of them.")
        for name, address in addresses.items()
        if address and not is_this_machine(urlsplit(address).hostname)
    ]


def _keys_not_shared(given: SecretSettings) -> list[Problem]:
    return [
        Problem(
            name,
            "is not set. With REDIS_URL there may be several machines, which need the same one",
            f"Generate one with `{recipe}` and give it to every process.",
        )
        for name, recipe in RECIPES.items()
        if not getattr(given, name.lower())
    ]


def _with_stored_keys(given: SecretSettings, directory: Path) -> SecretSettings:
    try:
        secret_key = given.secret_key or generated_secrets.secret_key(directory)
        keys = given.encryption_keys or generated_secrets.encryption_keys(directory)
    except OSError as error:
        problem = Problem(
            "SECRET_KEY, ENCRYPTION_KEYS",
            f"are not set, and new ones cannot be stored in {directory}: {error.strerror}",
            "Set both, or choose another directory with --data.",
        )
        raise SettingsInvalid([problem]) from error
    if problems := problems_of_stored(directory, secret_key, keys):
        raise SettingsInvalid(problems)
    return given.model_copy(update={"secret_key": secret_key, "encryption_keys": keys})
