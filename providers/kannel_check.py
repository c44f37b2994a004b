"""Finds mistakes in the configuration of a Kannel that this program sends through.

Each rule was tried on Kannel 1.4.5. `providers.kannel_status` checks what Kannel runs with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from providers.kannel import WEBHOOK

Group = Mapping[str, str]
"""The lines of one group of a configuration file, with its kind as `group`."""

SEGMENTS: Final = 10
"""Segments of the longest text that Ibiki accepts without a change of its limits."""

DEEPEST_INCLUDE: Final = 10
LINE: Final = re.compile(r"([A-Za-z0-9-]+)\s*=\s*(.*)")
FIELDS: Final = {"id": "%I", "from": "%p", "to": "%P", "text": "%b", "charset": "%C"}
"""The fields of the get-url. %a instead of %b damages texts outside GSM-7."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a line of a group must be. `consequence`: what happens if it is not."""

    name: str
    holds: Callable[[str | None], bool]
    consequence: str
    fix: str
    is_advice: bool = False


def _is(word: str) -> Callable[[str | None], bool]:
    return lambda value: value is not None and value.lower() == word


def _is_true(value: str | None) -> bool:
    return (value or "").lower() in ("true", "yes", "on", "1")


def _is_number(least: int, most: int = 2**31) -> Callable[[str | None], bool]:
    return lambda value: (value or "").isdecimal() and least <= int(value or "") <= most


def _is_unset(value: str | None) -> bool:
    return value is None


CORE: Final = (
    _Rule(
        "store-type", _is("spool"),
        "After a crash of bearerbox, messages that it had accepted are lost: they stay SENT.",
        'store-type = spool\nstore-location = "/var/spool/kannel/store"',
    ),
    _Rule(
        "dlr-storage", lambda value: value is not None and value.lower() != "internal",
        "After a restart of bearerbox, reports of earlier messages do not come: they stay SENT.",
        'dlr-storage = spool\ndlr-spool = "/var/spool/kannel/dlr"',
    ),
    _Rule(
        "sms-resend-retry", _is_number(0),
        "A message that the network refuses for now is tried for ever, and stays SENT.",
        "sms-resend-retry = 1440",
    ),
)  # fmt: skip
SMSBOX: Final = (
    _Rule(
        "http-request-retry", _is_number(1),
        "A report or a text that comes while Ibiki restarts is lost.",
        "http-request-retry = 8640",
    ),
    _Rule(
        "global-sender", _is_unset,
        "It replaces the number that a contact wrote to, so texts reach no client or a wrong one.",
        "Remove the line global-sender.",
    ),
    _Rule(
        "immediate-sendsms-reply", lambda value: not _is_true(value),
        "Kannel says “Sent.” before anything is decided, so each message becomes UNKNOWN.",
        "immediate-sendsms-reply = false",
    ),
    _Rule(
        "mo-recode", _is_true,
        "Texts outside GSM-7 come as UTF-16. Ibiki reads them only if the get-url has %C.",
        "mo-recode = true", is_advice=True,
    ),
)  # fmt: skip
USER: Final = (
    _Rule(
        "max-messages", _is_number(SEGMENTS),
        "A longer text is cut, and Kannel still says that it was accepted.",
        f"max-messages = {SEGMENTS}",
    ),
    _Rule(
        "concatenation", _is_true,
        "The parts of a long text reach the phone as separate messages.",
        "concatenation = true",
    ),
    _Rule(
        "faked-sender", _is_unset,
        "It replaces the sender, so a reply does not come from the number that was written to.",
        "Remove the line faked-sender.",
    ),
)  # fmt: skip
SERVICE: Final = (
    _Rule(
        "keyword", _is("default"),
        "Only texts that begin with this keyword reach Ibiki.",
        "keyword = default",
    ),
    _Rule(
        "catch-all", _is_true,
        "With a keyword other than default, texts with more than the keyword do not reach Ibiki.",
        "catch-all = true", is_advice=True,
    ),
    _Rule(
        "max-messages", _is("0"),
        "Each person who writes gets the answer “<Empty reply from service provider>”.",
        "max-messages = 0",
    ),
)  # fmt: skip
EXAMPLE: Final = f'get-url = "http://127.0.0.1:8000{WEBHOOK}SECRET?' + (
    "&".join(f"{name}={code}" for name, code in FIELDS.items()) + '&smsc=%i"'
)


NEW_SERVICE: Final = (
    f"group = sms-service\nkeyword = default\ncatch-all = true\nmax-messages = 0\n{EXAMPLE}"
)


def read_configuration(path: Path, *, depth: int = 0) -> list[dict[str, str]]:
    """The groups of a configuration file and of those that it includes. Raises OSError."""
    groups: list[dict[str, str]] = [{}]
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        found = LINE.match(line.strip())
        if not line.strip():
            groups.append({})
        elif found is not None and found[1] == "include" and depth < DEEPEST_INCLUDE:
            groups += _included(path, _unquoted(found[2]), depth)
            groups.append({})
        elif found is not None:
            if found[1] == "group" and groups[-1]:
                groups.append({})
            groups[-1][found[1]] = _unquoted(found[2])
    return [group for group in groups if "group" in group]


def _included(path: Path, name: str, depth: int) -> list[dict[str, str]]:
    target = path.parent / name
    files = sorted(target.iterdir()) if target.is_dir() else [target]
    return [group for file in files for group in read_configuration(file, depth=depth + 1)]


def _unquoted(value: str) -> str:
    value = value.strip()
    quoted = re.fullmatch(r'"((?:[^"\\]|\\.)*)".*', value)
    return re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else value


def check_configuration(groups: Sequence[Group]) -> list[Finding]:
    """Everything that is wrong in a configuration, in the order of its groups."""
    return [
        *_check_each(groups, "core", CORE),
        *_check_each(groups, "smsbox", SMSBOX),
        *_check_routes(groups),
        *_check_users(groups),
        *_check_callers(groups),
    ]


def _check_each(groups: Sequence[Group], kind: str, rules: Sequence[_Rule]) -> Iterator[Finding]:
    found = of_kind(groups, kind)
    if not found:
        yield _missing(kind, f"group = {kind}")
    for group in found:
        yield from _broken(kind, group, rules)


def of_kind(groups: Sequence[Group], kind: str) -> list[Group]:
    return [group for group in groups if group["group"] == kind]


def _missing(kind: str, fix: str) -> Finding:
    return Finding(
        group=kind,
        problem=f"There is no group {kind} for Ibiki.",
        consequence="Kannel and Ibiki are not connected.",
        fix=fix,
    )


def _broken(title: str, group: Group, rules: Sequence[_Rule]) -> Iterator[Finding]:
    for rule in rules:
        value = group.get(rule.name)
        if not rule.holds(value):
            is_set = f"is {value}" if value is not None else "is not set"
            yield Finding(
                group=title,
                problem=f"{rule.name} {is_set}.",
                consequence=rule.consequence,
                fix=rule.fix,
                is_advice=rule.is_advice,
            )


def _check_routes(groups: Sequence[Group]) -> Iterator[Finding]:
    routes = {group.get("smsbox-id") for group in of_kind(groups, "smsbox-route")}
    for group in of_kind(groups, "smsbox"):
        own = group.get("smsbox-id")
        if own is not None and own not in routes:
            yield Finding(
                group="smsbox",
                problem=f"smsbox-id is {own}, and no smsbox-route names it.",
                consequence="Texts and reports stay in bearerbox: they never reach Ibiki.",
                fix="Remove the line smsbox-id.",
            )


def _check_users(groups: Sequence[Group]) -> Iterator[Finding]:
    """Checks the user named ibiki; without one, every user."""
    users = of_kind(groups, "sendsms-user")
    named = [user for user in users if user.get("username") == "ibiki"] or users
    if not named:
        yield _missing("sendsms-user", "group = sendsms-user\nusername = ibiki\npassword = …")
    for user in named:
        yield from _broken(f"sendsms-user {user.get('username', '')}".strip(), user, USER)


def _check_callers(groups: Sequence[Group]) -> Iterator[Finding]:
    services = [
        group
        for group in of_kind(groups, "sms-service")
        if urlsplit(group.get("get-url", "")).path.startswith(WEBHOOK.rstrip("/"))
    ]
    if not services:
        yield _missing("sms-service", NEW_SERVICE)
    for service in services:
        yield from _broken("sms-service", service, SERVICE)
        query = urlsplit(service["get-url"]).query.split("&")
        missing = [
            f"{name}={code}" for name, code in FIELDS.items() if f"{name}={code}" not in query
        ]
        if missing:
            yield Finding(
                group="sms-service",
                problem=f"The get-url has no {', '.join(missing)}.",
                consequence="Texts are refused, damaged, received twice, or reach no client.",
                fix=EXAMPLE,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that is wrong. `fix`: what to write or do. `is_advice`: it does no harm yet."""

    group: str
    problem: str
    consequence: str
    fix: str
    is_advice: bool = False
