"""Quiet hours: when a message is held, and until when, by the place of its recipient."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers.tzdata import TIMEZONE_DATA

from domain import ids
from domain.errors import InvalidInput
from domain.identity.access import Actor
from domain.identity.quiet_hours import QuietHours, quiet_hours_of
from domain.ids import Kind
from domain.sending.accept import accept_alone
from domain.sending.schedule import LONGEST_HOLD, schedule_of, zones_of
from persistence import store
from tests import db
from tests.installations import App

RESULT = """{ __typename ... on UserError { message }
    ... on Send { id sendAt charged held heldUntil
        messages(first: 5) { nodes { number sendAt } } } } }"""
SEND = "mutation ($input: SendInput!) { send(input: $input) " + RESULT
BULK = "mutation ($input: BulkSendInput!) { bulkSend(input: $input) " + RESULT
MULTI = "mutation ($input: BulkSendMultiInput!) { bulkSendMulti(input: $input) " + RESULT
QUOTE = "query ($input: QuoteInput!) { quote(input: $input) { held heldUntil } }"
SENDS = "query ($filter: SendFilter) { sends(filter: $filter) { nodes { held heldUntil } } }"


def area(code: str) -> str:
    """A number with this area code."""
    return f"+1{code}5550123"


NIGHT = QuietHours("21:00", "08:00", "America/Los_Angeles")
MIDDAY = QuietHours("12:00", "14:00", "UTC")
NEW_YORK, CHICAGO, TOLL_FREE = "+12025550123", area("312"), area("800")
LONDON, KAMPALA, KIRIBATI = "+442071838750", "+256772000111", "+68673012345"
LATER = datetime(2199, 1, 1, tzinfo=UTC)
UNKNOWN = area("861")
"""An area code that our table knows and the library does not."""

SET = """mutation ($input: SetQuietHoursInput!) { setQuietHours(input: $input) {
    __typename ... on UserError { message path }
    ... on Client { name quietHours { start end timeZone } } } }"""


def at(text: str, zone: str = "UTC") -> datetime:
    """A moment, written as local time in a zone."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def due(number: str, quiet: QuietHours, now: datetime) -> datetime:
    """When a message that is accepted now is due."""
    [until] = schedule_of([number], None, quiet, now).held_until or [None]
    return until or now


@pytest.mark.parametrize(
    ("number", "quiet", "now", "until"),
    [
        # Before, at the beginning, in the middle, at the end.
        (NEW_YORK, NIGHT, at("2026-01-15 20:59", "America/New_York"), None),
        (NEW_YORK, NIGHT, at("2026-01-15 21:00", "America/New_York"), "2026-01-16 13:00"),
        (NEW_YORK, NIGHT, at("2026-01-16 02:30", "America/New_York"), "2026-01-16 13:00"),
        (NEW_YORK, NIGHT, at("2026-01-16 07:59", "America/New_York"), "2026-01-16 13:00"),
        (NEW_YORK, NIGHT, at("2026-01-16 08:00", "America/New_York"), None),
        # The place of the recipient counts, and not the client's.
        (CHICAGO, NIGHT, at("2026-01-16 08:00", "America/New_York"), "2026-01-16 14:00"),
        (KAMPALA, NIGHT, at("2026-01-15 18:00"), "2026-01-16 05:00"),
        (LONDON, NIGHT, at("2026-01-15 23:00"), "2026-01-16 08:00"),
        # Quiet hours within a day.
        (LONDON, MIDDAY, at("2026-01-15 12:00"), "2026-01-15 14:00"),
        (LONDON, MIDDAY, at("2026-01-15 11:59"), None),
        # If the place is not known or is too wide, the client's zone counts.
        (TOLL_FREE, NIGHT, at("2026-01-15 20:59", "America/Los_Angeles"), None),
        (TOLL_FREE, NIGHT, at("2026-01-15 21:00", "America/Los_Angeles"), "2026-01-16 16:00"),
        (UNKNOWN, NIGHT, at("2026-01-15 21:00", "America/Los_Angeles"), "2026-01-16 16:00"),
        # Several zones: outside quiet hours in all of them. Tarawa is 2 hours behind Kiritimati.
        (KIRIBATI, NIGHT, at("2026-01-15 08:00", "Pacific/Kiritimati"), "2026-01-14 20:00"),
        (KIRIBATI, NIGHT, at("2026-01-15 06:59"), None),
        (KIRIBATI, NIGHT, at("2026-01-15 07:00"), "2026-01-15 20:00"),
        # Spring in New York: 02:00 to 03:00 does not exist on 8 March 2026.
        (NEW_YORK, NIGHT, at("2026-03-07 22:00", "America/New_York"), "2026-03-08 12:00"),
        (
            NEW_YORK,
            QuietHours("21:00", "02:30", "UTC"),
            at("2026-03-08 01:00", "America/New_York"),
            "2026-03-08 07:00",  # 03:00 there: the first moment that exists after 02:30
        ),
        (NEW_YORK, QuietHours("02:15", "02:45", "UTC"), at("2026-03-08 06:59"), None),
        (NEW_YORK, QuietHours("02:30", "04:00", "UTC"), at("2026-03-08 07:00"), "2026-03-08 08:00"),
        # Autumn in New York: 01:00 to 02:00 comes twice on 1 November 2026.
        (NEW_YORK, NIGHT, at("2026-10-31 22:00", "America/New_York"), "2026-11-01 13:00"),
        (
            NEW_YORK,
            QuietHours("21:00", "01:30", "UTC"),
            at("2026-11-01 00:30", "America/New_York"),
            "2026-11-01 05:30",  # the first 01:30
        ),
        (
            NEW_YORK,
            QuietHours("21:00", "01:30", "UTC"),
            at("2026-11-01 06:10"),  # 01:10 for the second time
            "2026-11-01 06:30",
        ),
        (
            NEW_YORK,
            QuietHours("21:00", "02:30", "UTC"),
            at("2026-11-01 00:30", "America/New_York"),
            "2026-11-01 07:30",
        ),
    ],
)
def test_a_message_is_held_until_it_is_no_longer_quiet_where_its_recipient_is(
    number: str, quiet: QuietHours, now: datetime, until: str | None
) -> None:
    assert due(number, quiet, now) == (now if until is None else at(until))


@given(
    number=st.sampled_from([NEW_YORK, LONDON, KAMPALA, KIRIBATI, TOLL_FREE, "+3545812345"]),
    start=st.integers(0, 1439),
    length=st.integers(1, 12 * 60),
    minute=st.integers(0, 366 * 1440),
)
def test_a_message_is_never_due_in_quiet_hours_and_never_later_than_needed(
    number: str, start: int, length: int, minute: int
) -> None:
    end = (start + length) % 1440
    quiet = QuietHours(
        f"{start // 60:02}:{start % 60:02}", f"{end // 60:02}:{end % 60:02}", "Europe/Berlin"
    )
    now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
    names = zones_of(number) if len(zones_of(number)) < 20 else ("Europe/Berlin",)
    places = [ZoneInfo(name) for name in names]
    moment = due(number, quiet, now)
    assert now <= moment <= now + LONGEST_HOLD
    assert not any(quiet.include(moment, place) for place in places)
    for back in range(1, min(int((moment - now).total_seconds() // 60), 200)):
        assert any(quiet.include(moment - timedelta(minutes=back), place) for place in places)


def test_the_zone_of_every_number_is_known_on_every_machine() -> None:
    """Debian 13 has no Asia/Calcutta, which is the zone of each number in India."""
    data = files("tzdata.zoneinfo")
    names = {name for zones in TIMEZONE_DATA.values() for name in zones}
    assert [name for name in sorted(names) if not data.joinpath(name).is_file()] == []


def test_a_place_where_it_is_always_quiet_somewhere_has_the_clients_hours() -> None:
    """Quiet for 22 hours: with places 2 hours apart, it is quiet in one of them at any time."""
    quiet = QuietHours("12:00", "10:00", "America/Lima")
    now = at("2026-01-15 13:00", "America/Lima")
    assert due(KIRIBATI, quiet, now) == at("2026-01-16 10:00", "America/Lima")


def test_quiet_hours_apply_to_the_requested_time() -> None:
    now = at("2026-01-15 12:00", "America/New_York")
    plan = schedule_of(
        [NEW_YORK, CHICAGO, KAMPALA], at("2026-01-16 08:30", "America/New_York"), NIGHT, now
    )
    assert plan.held_until == [None, at("2026-01-16 14:00"), None]
    assert (plan.held, plan.last_held_until) == (1, at("2026-01-16 14:00"))


@pytest.mark.parametrize(
    "wrong",
    [
        ("9:00", "21:00", "UTC"),
        ("24:00", "08:00", "UTC"),
        ("08:60", "09:00", "UTC"),
        ("21:00", "8", "UTC"),
        ("٢١:٠٠", "08:00", "UTC"),
        ("08:00", "08:00", "UTC"),
        ("21:00", "08:00", "Nowhere/Land"),
        ("21:00", "08:00", "America"),
        ("21:00", "08:00", "../../etc/passwd"),
        ("21:00", "08:00", "/etc/localtime"),
        ("21:00", "08:00", ""),
        ("21:00", "08:00", "a\0b"),
        ("21:00", "08:00", "x" * 10_000),
    ],
)
def test_a_wrong_time_or_zone_is_refused(wrong: tuple[str, str, str]) -> None:
    with pytest.raises(InvalidInput):
        quiet_hours_of(*wrong)


def always(zone: str = "UTC") -> dict[str, str]:
    """Quiet hours that began 3 hours ago and end in 3 hours, there."""
    now = datetime.now(UTC)
    # Hours that pass: there is one more or less on a day when the clock changes.
    start, end = ((now + timedelta(hours=each)).astimezone(ZoneInfo(zone)) for each in (-3, 3))
    return {"start": f"{start:%H:%M}", "end": f"{end:%H:%M}", "timeZone": zone}


def quiet(app: App, zone: str = "America/New_York") -> Actor:
    """A user of the owner, for whose recipients in this zone it is quiet now."""
    payer = app.owner.payer
    hours = always(zone)
    held = QuietHours(hours["start"], hours["end"], hours["timeZone"])
    return replace(app.owner.actor, payer=replace(payer, quiet_hours=held))


async def test_held_messages_are_charged_and_the_answers_say_until_when(app: App) -> None:
    to = [NEW_YORK, KAMPALA, "+12025550124"]
    given = {"to": to, "text": "Hi"}
    actor = quiet(app)
    quoted = await app.answer(actor, QUOTE, input=given)
    send = await app.answer(actor, BULK, input=given)
    assert (send["held"], send["sendAt"], send["charged"]) == (2, None, 3)
    assert (quoted["held"], quoted["heldUntil"]) == (2, send["heldUntil"])
    times = {node["number"]: node["sendAt"] for node in send["messages"]["nodes"]}
    assert times == {NEW_YORK: send["heldUntil"], KAMPALA: None, "+12025550124": send["heldUntil"]}
    wait = datetime.fromisoformat(send["heldUntil"]) - datetime.now(UTC)
    assert timedelta(hours=2, minutes=58) < wait < timedelta(hours=3, minutes=2)
    [listed] = (await app.answer("owner", SENDS, filter={"scheduled": True}))["nodes"]
    assert (listed["held"], listed["heldUntil"]) == (2, send["heldUntil"])
    priorities = await db.fetch("SELECT number, priority FROM message ORDER BY id")
    assert [row["priority"] for row in priorities] == [12, 2, 12]


@pytest.mark.parametrize(
    ("query", "given"),
    [
        (SEND, {"to": NEW_YORK, "text": "Hi"}),
        (BULK, {"to": [NEW_YORK], "text": "Hi"}),
        (MULTI, {"messages": [{"to": NEW_YORK, "text": "Hi"}]}),
    ],
)
async def test_quiet_hours_can_be_ignored_for_one_send(
    app: App, query: str, given: dict[str, Any]
) -> None:
    keyed = {**given, "idempotencyKey": "k"}
    send = await app.answer(quiet(app), query, input={**keyed, "ignoreQuietHours": True})
    assert (send["held"], send["heldUntil"]) == (0, None)
    assert (await app.answer(quiet(app), query, input=keyed))["__typename"] == "IdempotencyConflict"
    assert (await app.answer(quiet(app), query, input=given))["held"] == 1


async def test_a_large_send_is_held_number_by_number(app: App) -> None:
    """It is written by COPY."""
    await db.open_with(app.owner.account_id, 1_000)
    new = replace(
        db.new_send(app.owner, 600),
        held_until=[LATER if place % 3 else None for place in range(600)],
        send_at=None,
    )
    await accept_alone(store, new)
    rows = await db.fetch(
        "SELECT send_at, priority, due_at > now() AS waits, count(*) FROM message"
        " GROUP BY 1, 2, 3 ORDER BY count"
    )
    assert [tuple(row.values()) for row in rows] == [(None, 2, False, 200), (LATER, 12, True, 400)]
    [send] = await db.fetch("SELECT held, due_until FROM send")
    assert tuple(send.values()) == (400, LATER)


async def test_quiet_hours_are_set_by_the_client_or_an_admin_and_ended_again(app: App) -> None:
    hours = {"start": "21:00", "end": "08:00", "timeZone": "Africa/Kampala"}
    set_by_owner = await app.answer("owner", SET, input={"quietHours": hours})
    assert set_by_owner == {"__typename": "Client", "name": "Acme", "quietHours": hours}
    [row] = await db.fetch("SELECT name FROM client WHERE quiet_hours IS NOT NULL")
    assert row["name"] == "Acme"
    client_id = ids.encode(Kind.CLIENT, app.owner.client_id)
    ended = await app.answer("admin", SET, input={"clientId": client_id, "quietHours": None})
    assert ended["quietHours"] is None
    for who, refused in (("sibling", "NotFound"), ("admin", "Client")):
        given = {"clientId": client_id, "quietHours": hours}
        assert (await app.answer(who, SET, input=given))["__typename"] == refused
    wrong = await app.answer("owner", SET, input={"quietHours": {**hours, "start": "9"}})
    assert (wrong["__typename"], wrong["path"]) == ("InvalidInput", ["input", "quietHours"])
    nobody = await app.answer("admin", SET, input={"quietHours": hours})
    assert (nobody["__typename"], nobody["path"]) == ("InvalidInput", ["input", "clientId"])
