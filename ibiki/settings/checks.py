"""Checks of settings. An error says what is wrong, and never shows the value."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import textwrap
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from annotated_types import Ge, Gt, Le
from phonenumbers import SUPPORTED_REGIONS, region_code_for_country_code
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings

RECIPES = {
    "SECRET_KEY": "openssl rand -base64 48",
    "ENCRYPTION_KEYS": "openssl rand -base64 32 | tr '+/' '-_'",
}
_LIKENESS = 0.85  # allows one or two different letters
_SHORTEST_SECRET_KEY = 32  # bytes; RFC 7518 §3.2 for HS256
_SHORTEST_SIGNING_KEY = 24  # bytes; Standard Webhooks 1.0.0, "Signature scheme"


@dataclass(frozen=True, slots=True)
class Problem:
    """One invalid setting. It never contains the value."""

    name: str
    wrong: str
    fix: str


def described(problems: Sequence[Problem]) -> str:
    """The problems as text for the terminal."""
    count = f"{len(problems)} settings are" if len(problems) > 1 else "1 setting is"
    parts = [f"{count} invalid. Nothing was started."]
    for problem in problems:
        for line, indent in ((f"{problem.name} {problem.wrong}.", "  "), (problem.fix, "      ")):
            parts.append(
                textwrap.fill(line, 96, initial_indent=indent, subsequent_indent=indent + "  ")
            )
    return "\n".join(parts)


def problems_of(error: ValidationError, group: type[BaseSettings]) -> list[Problem]:
    """The errors of pydantic in our wording, with the names of environment variables."""
    return [_problem(each, group) for each in error.errors(include_url=False, include_input=False)]


def misspelt(given: Iterable[str], known: Collection[str]) -> list[str]:
    """A warning for each environment variable that looks like a misspelt setting."""
    warnings = []
    for name in sorted(given):
        meant = get_close_matches(name.upper(), known, n=1, cutoff=_LIKENESS)
        if meant and name.upper() not in known:
            warnings.append(f"{name} is not a setting and is ignored. Did you mean {meant[0]}?")
    return warnings


def quoted(given: Mapping[str, str], known: Collection[str]) -> list[str]:
    """A warning for each value in quotes: `docker run --env-file` does not remove them."""
    return [
        f"{name} has quotes around its value. They count as a part of it: remove them."
        for name, value in sorted(given.items())
        if name.upper() in known and re.fullmatch(r"""(["']).*\1""", value.strip(), re.DOTALL)
    ]


def wrong(what: str, fix: str, *, name: str = "") -> PydanticCustomError:
    """The exception of our own checks. Give `name` only if pydantic cannot know it."""
    return PydanticCustomError("setting", "{wrong}", {"wrong": what, "fix": fix, "name": name})


def split(value: object) -> object:
    """The parts of a comma-separated list."""
    if not isinstance(value, str):
        return value
    return tuple(part.strip() for part in value.split(",") if part.strip())


def region_of(value: str) -> str:
    """The two letters of a region, for these letters or for a calling code such as +1."""
    word = value.upper()
    if word.removeprefix("+").isdecimal():
        word = region_code_for_country_code(int(word.removeprefix("+")))
    if word not in SUPPORTED_REGIONS:
        raise wrong(
            "is not a region or a calling code",
            "Set it to two letters such as US, or to a calling code such as +1.",
        )
    return word


def check_color(value: str) -> str:
    """Returns the value in lower case if it is a colour."""
    if not re.fullmatch("#[0-9a-fA-F]{6}", value):
        raise wrong("is not a colour", "Write it as #rrggbb, such as #3b5bdb.")
    return value.lower()


def check_area_codes(values: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the values if each is a North American area code."""
    if not all(re.fullmatch("[2-9][0-9]{2}", value) for value in values):
        raise wrong(
            "is not a list of area codes",
            "Write three digits for each, the first from 2 to 9, separated by commas: 861,924.",
        )
    return values


def check_database_url(value: str) -> str:
    """Returns the value if it is an address of PostgreSQL. It may name several servers."""
    return _checked_address(value, otherwise="to use the embedded PostgreSQL")


def check_read_url(value: str) -> str:
    """Returns the value if it is an address of one PostgreSQL server."""
    _checked_address(value, otherwise="to read everything from the main database")
    if "," in value.rpartition("@")[2]:
        raise wrong(
            "names several servers, and each may be behind by another time",
            "Name one standby. If it is unavailable, the main database is read.",
        )
    return value


def _checked_address(value: str, *, otherwise: str) -> str:
    if not all(_names_a_database(each) for each in _by_server(value)):
        raise wrong(
            "is not the address of a PostgreSQL database",
            f"Write it as postgresql://user:password@host:5432/name, or leave it out {otherwise}."
            " In a password, write %23 for #, %2F for / and %3F for ?.",
        )
    if re.search(r"\?(.*&)?ssl(?!mode=)", value.rpartition("@")[2]):
        raise wrong(
            "has a parameter for TLS that would have no effect",
            "Use only sslmode there, and PGSSLROOTCERT, PGSSLCERT and PGSSLKEY for the files.",
        )
    return value


def _by_server(url: str) -> list[str]:
    """An address for each of the servers that one address names, separated by commas."""
    scheme, _, rest = url.partition("://")
    before, slash, name = rest.partition("/")
    user, at, servers = before.rpartition("@")
    return [f"{scheme}://{user}{at}{server}{slash}{name}" for server in servers.split(",")]


def _names_a_database(url: str) -> bool:
    parts = _split_url(url)
    if parts is None or parts.scheme not in ("postgres", "postgresql"):
        return False
    if parts.fragment or "@" in parts.path:  # the password has "/": its rest is there
        return False
    return bool((parts.hostname or "host=" in parts.query) and parts.path[1:])


def check_bus_url(value: str) -> str:
    """Returns the value if it is an address of Redis."""
    parts = _split_url(value)
    if not (parts and parts.scheme in ("redis", "rediss") and parts.hostname):
        raise wrong(
            "is not the address of a Redis server",
            "Write it as redis://host:6379/0, or leave it out to use PostgreSQL instead.",
        )
    return value


def check_provider_url(value: str) -> str:
    """Returns the value if it is an HTTP address without credentials."""
    parts = _split_url(value)
    if not (parts and parts.scheme in ("http", "https") and parts.hostname):
        raise wrong("is not an HTTP address", "Write it as https://host or http://host:port.")
    if parts.query or parts.fragment:
        raise wrong("has something after its path", "Write it as https://host/path, without more.")
    if parts.username or parts.password:
        raise wrong("contains a user name or a password", "Use the settings for credentials.")
    return value


def check_secret_key(value: str) -> str:
    """Returns the value if it is long enough to sign tokens."""
    if len(value.encode()) < _SHORTEST_SECRET_KEY:
        raise wrong(
            f"is shorter than {_SHORTEST_SECRET_KEY} bytes, so it can be guessed",
            f"Generate one with `{RECIPES['SECRET_KEY']}`.",
        )
    return value


def check_api_key(value: str) -> str:
    """Returns the value if it can be sent in a header."""
    if not value.isascii() or not value.isprintable():
        raise wrong(
            "contains characters that no key has, such as a line break",
            "Copy it again from where it was made.",
        )
    return value


def check_encryption_keys(values: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the values if each is a Fernet key (32 bytes in URL-safe base64)."""
    if not all(_is_fernet_key(value) for value in values):
        raise wrong(
            "contains something that is not a key of 32 bytes in base64",
            f"Generate one with `{RECIPES['ENCRYPTION_KEYS']}`. To change the key, put the new one "
            "first and keep the old one, separated by a comma.",
        )
    return values


def problems_of_stored(
    directory: Path, secret_key: str, encryption_keys: tuple[str, ...]
) -> list[Problem]:
    """Files of the directory that do not hold the keys that were written, such as empty ones."""
    problems: list[Problem] = []
    what = "does not hold a key"
    try:
        check_secret_key(secret_key)
    except PydanticCustomError:
        fix = (
            "Copy it from a backup, or delete it: a new one is made, and everybody signs in again."
        )
        problems.append(Problem(f"{directory}/secret-key", what, fix))
    try:
        check_encryption_keys(encryption_keys)
    except PydanticCustomError:
        fix = (
            "Copy it from a backup: without it, no stored credential can be read. If there is no"
            " copy, delete it, and set the credentials of provider accounts and the secrets of"
            " webhooks again."
        )
        problems.append(Problem(f"{directory}/encryption-keys", what, fix))
    return problems


def check_origins(values: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the values if each is only a scheme, a host and perhaps a port."""
    for value in values:
        parts = _split_url(value)
        if not (parts and parts.scheme in ("http", "https") and parts.hostname):
            break
        if f"{parts.scheme}://{parts.netloc}" != value or parts.username:
            break
    else:
        return values
    raise wrong(
        "contains something that is not an origin",
        "Write only scheme and host, such as https://console.example.com, separated by commas.",
    )


def check_signing_secrets(values: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the values if each is a key of 24 bytes or more, in base64."""
    for value in values:
        try:
            digits = value.removeprefix("whsec_").rstrip("=")
            key = base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) < _SHORTEST_SIGNING_KEY:
            raise wrong(
                f"contains something that is not a key of {_SHORTEST_SIGNING_KEY} bytes in base64",
                "Copy it from the sender, with or without whsec_. While you change it, give the "
                "old and the new one, separated by a comma.",
            )
    return values


def check_networks(values: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the values if each is an IP address or a network."""
    for value in values:
        try:
            ipaddress.ip_network(value)
        except ValueError:
            raise wrong(
                "contains something that is not an IP address or a network",
                "Write addresses and networks such as 203.0.113.7 or 203.0.113.0/24, separated by "
                "commas.",
            ) from None
    return values


def check_proxies(values: tuple[str, ...]) -> tuple[str, ...]:
    """As `check_networks`. A single `*` means every caller."""
    return values if values == ("*",) else check_networks(values)


def _split_url(value: str) -> SplitResult | None:
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        return None
    return None if re.search(r"\s", value) else parts


def _is_fernet_key(value: str) -> bool:
    try:
        return len(base64.b64decode(value, altchars=b"-_", validate=True)) == 32
    except (binascii.Error, ValueError):
        return False


_WORDS = {
    "int_parsing": "is not a whole number",
    "int_from_float": "is not a whole number",
    "float_parsing": "is not a number",
    "finite_number": "is not a number",
    "bool_parsing": "is not true or false",
    "greater_than": "is not more than {gt:,.15g}",
    "greater_than_equal": "is less than {ge:,.15g}",
    "less_than_equal": "is more than {le:,.15g}",
    "string_too_long": "is longer than {max_length} characters",
    "literal_error": "is not one of the allowed words",
    "string_unicode": "has bytes that are not UTF-8",
    "path_type": "has bytes that are not UTF-8",
}
_FIXES = {
    "string_unicode": "Write it in UTF-8, or leave it out.",
    "path_type": "Write it in UTF-8, or leave it out.",
    "bool_parsing": "Set it to true or false, or leave it out.",
    "string_too_long": "Shorten it, or leave it out.",
    "literal_error": "Set it to {expected}, or leave it out.",
}


def _problem(error: Mapping[str, Any], group: type[BaseSettings]) -> Problem:
    kind: str = error["type"]
    context: Mapping[str, Any] = error.get("ctx", {})
    field_name, field = _field(error["loc"], group)
    name = context.get("name") or _environment_name(field_name, field, group)
    if kind == "setting":
        return Problem(name, context["wrong"], context["fix"])
    fix = _FIXES[kind].format(**context) if kind in _FIXES else _range(field)
    return Problem(name, _WORDS.get(kind, "cannot be read").format(**context), fix)


def _field(location: tuple[Any, ...], group: type[BaseSettings]) -> tuple[str, FieldInfo | None]:
    """A field and its name. pydantic gives the alias of a field that has one, else the name."""
    given = str(location[0]) if location else ""
    for name, field in group.model_fields.items():
        if given in (name, field.validation_alias):
            return name, field
    return given, None


def _environment_name(name: str, field: FieldInfo | None, group: type[BaseSettings]) -> str:
    if field is not None and isinstance(field.validation_alias, str):
        return field.validation_alias
    return f"{group.model_config.get('env_prefix', '')}{name}".upper()


def _range(field: FieldInfo | None) -> str:
    if field is None:
        return "Leave it out."
    bounds = [
        f"{word} {getattr(constraint, attribute):,}"
        for constraint in field.metadata
        for kind, attribute, word in (
            (Gt, "gt", "more than"),
            (Ge, "ge", "at least"),
            (Le, "le", "at most"),
        )
        if isinstance(constraint, kind)
    ]
    default = f" ({field.default:,})" if field.default is not None else ""
    return f"Set it to a number, {' and '.join(bounds)}, or leave it out{default}."
