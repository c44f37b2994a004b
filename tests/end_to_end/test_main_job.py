"""The main job on the running program: sign in, send, charge, submit, refund."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from providers.simulator.behaviours import MAGIC_NUMBERS
from tests.end_to_end.program import (
    Api,
    Program,
    copy_of,
    eventually,
    fresh_directory,
    run,
    signed_in,
    up,
)

pytestmark = [pytest.mark.xdist_group("up"), pytest.mark.timeout(600)]

SEND = """
mutation ($input: SendInput!) {
  send(input: $input) {
    __typename
    ... on Send { id charged accepted }
    ... on UserError { message }
  }
}
"""
BULK_SEND = """
mutation ($input: BulkSendInput!) {
  bulkSend(input: $input) {
    __typename
    ... on Send { id charged accepted rejectedCount rejected { input position reason } }
    ... on InsufficientBalance { required available }
    ... on UserError { message }
  }
}
"""
PROGRESS = """
query ($id: ID!) {
  send(id: $id) {
    charged finished counts { queued submitting sent delivered undelivered rejected unknown }
    messages { nodes { status failure } }
  }
}
"""
BALANCES = """
{ balances {
  version
  account { balance } group { balance unallocated }
  platform { pool allocated remaining inFlight providerBalance state }
} }
"""


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    with fresh_directory() as directory, up(directory) as running:
        yield running


def progress(api: Api, send_id: str) -> Any:
    return api.ask(PROGRESS, id=send_id)["send"]


def finished(api: Api, send_id: str) -> Any:
    """The send once every message has left the queue."""
    return eventually(lambda: (now := progress(api, send_id))["finished"] and now)


def taken(progress: Any) -> int:
    """How many messages the provider has accepted, with or without a later report."""
    return int(sum(progress["counts"][each] for each in ("sent", "delivered", "undelivered")))


def figures(api: Api) -> Any:
    return api.ask(BALANCES)["balances"]


def taken_by_provider(program: Program) -> list[str]:
    """The numbers for which the provider has accepted messages."""
    log = httpx.get(f"{program.simulator}/control/log", timeout=60).json()
    return [each["recipient"] for entry in log for each in entry["messages"] if each["took"]]


def magic(kind: str) -> str:
    return next(each.number for each in MAGIC_NUMBERS.values() if each.kind == kind)


def test_the_first_start_gives_the_demo_clients_their_units_out_of_a_synced_pool(
    admin: Api,
) -> None:
    platform = figures(admin)["platform"]
    assert platform["state"] == "IN_SYNC"
    assert platform["pool"] == 100_000
    assert platform["allocated"] == 1_100


def test_a_send_is_charged_once_at_every_level_and_taken_by_the_provider(
    program: Program, client: Api, admin: Api
) -> None:
    before, platform_before = figures(client), figures(admin)["platform"]
    sent = client.ask(SEND, input={"to": "(202) 555-0188", "text": "Good morning"})["send"]
    assert sent["charged"] == 1
    assert taken(finished(client, sent["id"])) == 1
    after, platform_after = figures(client), figures(admin)["platform"]
    assert before["account"]["balance"] - after["account"]["balance"] == 1
    assert before["group"]["balance"] - after["group"]["balance"] == 1
    assert platform_before["pool"] - platform_after["pool"] == 1
    assert platform_before["remaining"] == platform_after["remaining"]
    assert after["version"] > before["version"]
    assert taken_by_provider(program).count("+12025550188") == 1


def test_a_refused_message_is_given_back(client: Api, admin: Api) -> None:
    before = figures(client)["account"]["balance"]
    to = magic("invalid_recipient")
    sent = client.ask(SEND, input={"to": to, "text": "Good morning"})["send"]
    now = finished(client, sent["id"])
    assert now["counts"]["rejected"] == 1
    assert now["charged"] == 0
    assert now["messages"]["nodes"][0]["failure"]
    assert figures(client)["account"]["balance"] == before


def test_a_bulk_names_what_it_does_not_take_and_charges_for_the_rest(
    program: Program, client: Api
) -> None:
    to = ["+12025550181", "2025550182", "1-202-555-0181", "no number", "12345"]
    sent = client.ask(BULK_SEND, input={"to": to, "text": "Good morning"})["bulkSend"]
    assert sent["accepted"] == 2
    assert sent["charged"] == 2
    assert [(each["position"], each["reason"]) for each in sent["rejected"]] == [
        (2, "DUPLICATE"),
        (3, "INVALID"),
        (4, "INVALID"),
    ]
    assert taken(finished(client, sent["id"])) == 2
    numbers = taken_by_provider(program)
    assert numbers.count("+12025550181") == numbers.count("+12025550182") == 1


def test_a_send_that_cannot_be_paid_is_refused_as_a_whole(program: Program) -> None:
    with signed_in(program, "other@ibiki.test") as other:
        to = [f"+1202{exchange}{line:04d}" for exchange in (222,) for line in range(101)]
        refused = other.ask(BULK_SEND, input={"to": to, "text": "Good morning"})["bulkSend"]
        assert refused["__typename"] == "InsufficientBalance"
        assert (refused["required"], refused["available"]) == (101, 100)
        assert figures(other)["account"]["balance"] == 100


def test_the_same_key_is_one_send(client: Api) -> None:
    requested = {"to": "+12025550183", "text": "Good morning", "idempotencyKey": "order-17"}
    first = client.ask(SEND, input=requested)["send"]
    assert client.ask(SEND, input=requested)["send"]["id"] == first["id"]
    other = client.ask(SEND, input=requested | {"text": "Good night"})["send"]
    assert other["__typename"] == "IdempotencyConflict"


def test_a_command_joins_the_running_database_and_proves_the_ledger(program: Program) -> None:
    proven = run("audit", "--json", "--data", str(program.directory))
    assert proven.returncode == 0, proven.stdout + proven.stderr
    assert httpx.get(f"{program.address}/readyz", timeout=60).status_code == 200


def test_a_second_up_in_the_same_directory_says_that_one_is_running(program: Program) -> None:
    second = run("up", "--data", str(program.directory), "--port", "0")
    assert second.returncode == 1
    assert second.stderr.startswith("Another `ibiki up` runs in ")
    assert "Traceback" not in second.stderr


def test_a_second_start_after_kill_9_finds_everything_again(installation: Path) -> None:
    with copy_of(installation) as directory:
        with up(directory) as first:
            with signed_in(first, "client@ibiki.test") as api:
                sent = api.ask(SEND, input={"to": "+12025550184", "text": "Good morning"})["send"]
            first.kill()
        with up(directory) as second:
            with signed_in(second, "client@ibiki.test") as api:
                now = finished(api, sent["id"])
                # UNKNOWN if the program was killed between its mark and the record of the answer.
                assert taken(now) + now["counts"]["unknown"] == 1
                assert figures(api)["account"]["balance"] == 999
            assert second.stop() == 0
        assert not (directory / "postgres" / "postmaster.pid").exists()
