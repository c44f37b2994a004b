"""Settings: valid values, and the errors of invalid ones, which never show the value."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ibiki.settings.settings import SettingsInvalid, load, load_or_exit

KEY = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTMyYnk="
LONG = "a-long-secret-that-signs-tokens-in-this-test"


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removes settings of the environment that the tests run in."""
    for name in ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENCRYPTION_KEYS", "ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)


def test_all_settings_have_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.installation.brand_name == "IbikiSMS"
    assert settings.installation.default_region == "US"
    assert not settings.installation.is_production
    assert settings.database.url is None
    assert settings.upstream.is_simulated
    assert settings.upstream.cost_per_sms == 50
    assert settings.limits.recipients == 100_000
    assert settings.limits.recipients_multi == 10_000
    assert settings.limits.rows == 1_000_000
    assert settings.limits.body_bytes == 16 * 1024 * 1024
    assert settings.limits.upload_bytes == 100_000_000
    assert settings.dispatch.lease_seconds == 30
    assert settings.dispatch.messages_per_second is None


@pytest.mark.parametrize(
    ("name", "value", "group", "field", "expected"),
    [
        ("BRAND_NAME", " Acme SMS ", "installation", "brand_name", "Acme SMS"),
        ("BRAND_COLOR", "#FFcc00", "installation", "brand_color", "#ffcc00"),
        ("DEFAULT_REGION", "gb", "installation", "default_region", "GB"),
        ("DEFAULT_REGION", "+1", "installation", "default_region", "US"),
        ("DEFAULT_REGION", "256", "installation", "default_region", "UG"),
        ("EXTRA_AREA_CODES", "535, 536", "installation", "extra_area_codes", ("535", "536")),
        ("ENVIRONMENT", "production", "installation", "is_production", True),
        ("LOOPBACK_ONLY", "1", "installation", "loopback_only", True),
        (
            "ALLOWED_ORIGINS",
            "https://a.example, http://localhost:5173",
            "installation",
            "allowed_origins",
            ("https://a.example", "http://localhost:5173"),
        ),
        ("DATABASE_URL", "postgres://u:p@h/n", "database", "url", "postgres://u:p@h/n"),
        ("DATABASE_URL", "postgresql:///n?host=/s", "database", "url", "postgresql:///n?host=/s"),
        ("DATABASE_URL", "postgresql://u:a&ssl@h/n", "database", "url", "postgresql://u:a&ssl@h/n"),
        (
            "DATABASE_URL",
            "postgres://h/n?sslmode=allow",
            "database",
            "url",
            "postgres://h/n?sslmode=allow",
        ),
        ("DATABASE_URL", "postgres://a:1,b:2/n", "database", "url", "postgres://a:1,b:2/n"),
        ("DATABASE_URL", "", "database", "url", None),
        ("DATABASE_URL", "\r", "database", "url", None),
        ("BRAND_NAME", "  ", "installation", "brand_name", "IbikiSMS"),
        ("EXTREME_API_KEY", "\r", "upstream", "is_simulated", True),
        ("METRICS_TOKEN", "\r", "monitoring", "metrics_token", None),
        ("RETENTION_EXPORT", " ", "retention", "export", None),
        ("DATABASE_POOL_SIZE", "7", "database", "pool_size", 7),
        ("DATABASE_ANSWER_SECONDS", "2.5", "database", "answer_seconds", 2.5),
        ("REDIS_URL", "rediss://h:6380/1", "bus", "url", "rediss://h:6380/1"),
        ("EXTREME_API_URL", "http://127.0.0.1:1", "upstream", "is_simulated", False),
        ("EXTREME_API_KEY", "k", "upstream", "is_simulated", False),
        ("COST_PER_SMS", "35", "upstream", "cost_per_sms", 35),
        ("LIMIT_RECIPIENTS", "5", "limits", "recipients", 5),
        ("DISPATCH_SWEEP_SECONDS", "0.5", "dispatch", "sweep_seconds", 0.5),
        ("DISPATCH_MESSAGES_PER_SECOND", "20", "dispatch", "messages_per_second", 20),
        ("TOKEN_ACCESS_SECONDS", "60", "tokens", "access_seconds", 60),
        ("LOG_LEVEL", "WARNING", "monitoring", "log_level", "warning"),
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "http://127.0.0.1:4318",
            "monitoring",
            "otlp_endpoint",
            "http://127.0.0.1:4318",
        ),
        ("ENCRYPTION_KEYS", f"{KEY}, {KEY}", "secrets", "encryption_keys", (KEY, KEY)),
        ("SECRET_KEY", LONG, "secrets", "secret_key", LONG),
        ("WEBHOOK_SECRET", "hook", "secrets", "webhook_secrets", ("hook",)),
        ("WEBHOOK_SECRET", "old, new", "secrets", "webhook_secrets", ("old", "new")),
        (
            "WEBHOOK_SIGNING_SECRET",
            f"whsec_{KEY}, {KEY}",
            "secrets",
            "webhook_signing_secrets",
            (f"whsec_{KEY}", KEY),
        ),
        ("OPT_OUT_WORDS", "arrêt,basta", "webhooks", "opt_out_words", ("arrêt", "basta")),
        (
            "WEBHOOK_ALLOWED_ADDRESSES",
            "203.0.113.7, 2001:db8::/32",
            "webhooks",
            "allowed_networks",
            ("203.0.113.7", "2001:db8::/32"),
        ),
        ("TRUSTED_PROXIES", "10.0.0.7", "installation", "trusted_proxies", ("10.0.0.7",)),
        ("TRUSTED_PROXIES", "*", "installation", "trusted_proxies", ("*",)),
        ("DEMO_PASSWORD", "demo", "secrets", "demo_password", "demo"),
    ],
)
def test_a_setting_is_read(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    value: str,
    group: str,
    field: str,
    expected: object,
) -> None:
    monkeypatch.setenv(name, value)
    assert getattr(getattr(load(tmp_path), group), field) == expected


@pytest.mark.parametrize(
    ("name", "value", "wrong", "fix"),
    [
        ("BRAND_NAME", "x" * 41, "is longer than 40 characters", "Shorten it"),
        ("BRAND_NAME", "hidden\udcff", "has bytes that are not UTF-8", "Write it in UTF-8"),
        ("BRAND_COLOR", "#fc0", "is not a colour", "#rrggbb"),
        ("BRAND_COLOR", "hidden", "is not a colour", "#rrggbb"),
        ("OPT_OUT_WORDS", "stop,\udcff", "has bytes that are not UTF-8", "Write it in UTF-8"),
        ("DRAIN_SECONDS", "601", "is more than 600", "at most 600"),
        ("DEFAULT_REGION", "XX", "is not a region or a calling code", "such as +1"),
        ("DEFAULT_REGION", "+999", "is not a region or a calling code", "such as +1"),
        ("DEFAULT_REGION", "+800", "is not a region or a calling code", "such as +1"),
        ("EXTRA_AREA_CODES", "86", "is not a list of area codes", "three digits for each"),
        ("EXTRA_AREA_CODES", "861;924", "is not a list of area codes", "three digits for each"),
        ("EXTRA_AREA_CODES", "161", "is not a list of area codes", "three digits for each"),
        ("ENVIRONMENT", "prod", "is not one of the allowed words", "'development' or 'production'"),
        ("LOOPBACK_ONLY", "maybe", "is not true or false", "true or false"),
        (
            "ALLOWED_ORIGINS",
            "https://a.example/x",
            "is not an origin",
            "https://console.example.com",
        ),
        ("WEBHOOK_SIGNING_SECRET", "whsec_short", "is not a key of 24 bytes", "Copy it from"),
        ("WEBHOOK_SIGNING_SECRET", "not base64 at all, no", "is not a key of 24 bytes", "Copy it"),
        ("TRUSTED_PROXIES", "10.0.0.7, nginx", "not an IP address", "203.0.113.0/24"),
        ("TRUSTED_PROXIES", "10.0.0.7/24", "not an IP address", "203.0.113.0/24"),
        ("WEBHOOK_ALLOWED_ADDRESSES", "203.0.113.7, here", "not an IP address", "203.0.113.0/24"),
        ("ALLOWED_ORIGINS", "*", "is not an origin", "https://console.example.com"),
        ("DATABASE_URL", "mysql://u:hidden@h/n", "is not the address of a P", "postgresql://user"),
        ("DATABASE_URL", "postgresql://u:hidden@h", "is not the address of a P", "/name"),
        ("DATABASE_URL", "postgresql://h:hidden/n", "is not the address of a P", "/name"),
        ("DATABASE_URL", "postgresql://u:hid#den@h/n", "is not the address of a P", "%23 for #"),
        ("DATABASE_URL", "postgresql://u:h@hid/d#en@h/n", "is not the address of a P", "%23 for #"),
        ("DATABASE_URL", "postgresql://u:5/hidden@h/n", "is not the address of a P", "%2F for /"),
        ("DATABASE_URL", "postgresql://h/n?sslmode=require&sslrootcert=f", "TLS", "PGSSLROOTCERT"),
        ("DATABASE_URL", "postgresql://h,h:hidden/n", "is not the address of a P", "/name"),
        ("DATABASE_READ_URL", "postgresql://u:hidden@a,b/n", "names several", "Name one standby"),
        ("DATABASE_READ_URL", "mysql://u:hidden@h/n", "is not the address of a P", "the main data"),
        ("DATABASE_POOL_SIZE", "1", "is less than 2", "at least 2 and at most 500"),
        ("REDIS_URL", "h:6379", "is not the address of a Redis server", "redis://host:6379/0"),
        ("EXTREME_API_URL", "https://h .example", "is not an HTTP address", "https://host"),
        ("EXTREME_API_URL", "h.example", "is not an HTTP address", "https://host"),
        ("EXTREME_API_URL", "https://u:hidden@h.example", "contains a user name", "Use the"),
        (
            "EXTREME_API_KEY",
            "hidden\nhidden",
            "contains characters that no key has",
            "Copy it again",
        ),
        ("COST_PER_SMS", "0.03", "is not a whole number", "leave it out (50)"),
        ("LIMIT_RECIPIENTS", "0", "is less than 1", "leave it out (100,000)"),
        ("LIMIT_SEGMENTS", "256", "is more than 255", "at most 255"),
        (
            "DISPATCH_MESSAGES_UNDER_WAY",
            "31",
            "is less than twice DISPATCH_CONCURRENCY",
            "400 and 16",
        ),
        ("DISPATCH_DEADLINE_SECONDS", "30", "is not less than DISPATCH_LEASE_SECONDS", "10 and"),
        ("DISPATCH_BREAKER_FIRST_SECONDS", "31", "is more than DISPATCH_BREAKER_LONGEST", "2 and"),
        ("DISPATCH_GIVE_UP_HOURS", "0", "is not more than 0", "more than 0"),
        ("DISPATCH_MESSAGES_PER_SECOND", "nan", "is not a whole number", "at least 1"),
        ("TOKEN_ACCESS_SECONDS", "soon", "is not a whole number", "at least 10"),
        ("LOG_LEVEL", "loud", "is not one of the allowed words", "'debug', 'info'"),
        ("SECRET_KEY", "hidden", "is shorter than 32 bytes", "openssl rand"),
        ("ENCRYPTION_KEYS", f"{KEY},hidden", "is not a key of 32 bytes", "openssl rand"),
    ],
)
def test_an_invalid_setting_is_reported_with_a_reason_and_a_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, wrong: str, fix: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid) as invalid:
        load(tmp_path)
    (problem,) = invalid.value.problems
    assert problem.name == name
    assert wrong in problem.wrong
    assert fix in problem.fix
    assert "hidden" not in str(invalid.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("environment", "names"),
    [
        ({"LOOPBACK_ONLY": "true", "EXTREME_API_URL": "https://h.example"}, {"EXTREME_API_URL"}),
        (
            {"ENVIRONMENT": "production", "REDIS_URL": "redis://h"},
            {"SECRET_KEY", "ENCRYPTION_KEYS"},
        ),
        (
            {"ENVIRONMENT": "production", "REDIS_URL": "redis://h", "SECRET_KEY": LONG},
            {"ENCRYPTION_KEYS"},
        ),
    ],
)
def test_conflicting_settings_are_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], names: set[str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsInvalid) as invalid:
        load(tmp_path)
    assert {problem.name for problem in invalid.value.problems} == names


@pytest.mark.parametrize(
    "environment",
    [
        {"LOOPBACK_ONLY": "true", "EXTREME_API_URL": "http://127.0.0.1:1"},
        {"LOOPBACK_ONLY": "true", "SMS_API_URL": "http://localhost:1/x?"},
        {"REDIS_URL": "redis://h"},
        {"ENVIRONMENT": "production"},
    ],
)
def test_settings_that_go_together_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    load(tmp_path)


def test_a_command_reports_all_wrong_settings_at_once_and_exits_with_2(tmp_path: Path) -> None:
    ran = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            "import sys; from pathlib import Path;"
            "from ibiki.settings.settings import load_or_exit;"
            "load_or_exit(Path(sys.argv[1]))",
            str(tmp_path),
        ],
        env={"DATABASE_URL": "mysql://u:hidden@h/n", "SECRET_KEY": "hidden", "LIMIT_SEGMENTS": "x"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stdout == ""
    assert ran.stderr.startswith("3 settings are invalid. Nothing was started.\n")
    for part in ("DATABASE_URL", "SECRET_KEY", "LIMIT_SEGMENTS is not a whole number."):
        assert part in ran.stderr
    assert "hidden" not in ran.stderr
    assert "Traceback" not in ran.stderr


def test_no_secret_shows_in_what_is_printed_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = {
        "DATABASE_URL": "postgresql://u:hidden@h/n",
        "REDIS_URL": "redis://:hidden@h",
        "EXTREME_API_KEY": "hidden",
        "SECRET_KEY": f"hidden-{LONG}",
        "WEBHOOK_SECRET": "hidden",
        "DEMO_PASSWORD": "hidden",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    settings = load(tmp_path)
    assert "hidden" not in repr(settings)
    assert settings.secrets.encryption_keys[0] not in repr(settings)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("LIMIT_RECIPIENT", "LIMIT_RECIPIENTS"),
        ("EXTREME_APIKEY", "EXTREME_API_KEY"),
        ("DATABASE_ULR", "DATABASE_URL"),
        ("brand_nam", "BRAND_NAME"),
        ("BRAND_COLOUR", "BRAND_COLOR"),
    ],
)
def test_a_misspelt_setting_is_reported_and_does_not_end_the_program(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    meant: str,
) -> None:
    monkeypatch.setenv(name, "hidden")
    load_or_exit(tmp_path)
    warning = f"{name} is not a setting and is ignored. Did you mean {meant}?\n"
    assert capsys.readouterr().err == warning


def test_variables_of_other_programs_are_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("IBIKI_DATA", "PATH", "LOG_FILE", "DATABASE_NAME", "SECRET_KEY_BASE", "TOKEN"):
        monkeypatch.setenv(name, "/somewhere")
    load_or_exit(tmp_path)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("value", ['"hidden"', "'hidden'", "'hidden'\r"])
def test_a_setting_in_quotes_is_reported_without_its_value(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    value: str,
) -> None:
    monkeypatch.setenv("WEBHOOK_SECRET", value)
    monkeypatch.setenv("BRAND_NAME", 'The "best" SMS')
    monkeypatch.setenv("OF_ANOTHER_PROGRAM", value)
    load_or_exit(tmp_path)
    warning = "WEBHOOK_SECRET has quotes around its value. They count as a part of it: remove them."
    assert capsys.readouterr().err == f"{warning}\n"
