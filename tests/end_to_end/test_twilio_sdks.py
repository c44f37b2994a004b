"""Stock Twilio SDKs against the running program: `client.api.base_url` is all that differs."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from tests.end_to_end.program import Program, eventually, fresh_directory, signed_in, up
from tests.hooks.receiver import receiving

pytestmark = [pytest.mark.xdist_group("up"), pytest.mark.timeout(600)]

NODE = Path(__file__).parent / "node"
CREATE_KEY = """mutation { createApiKey(input: {name: "SDK"}) {
    ... on CreatedApiKey { secret apiKey { twilioSid } } } }"""
ACCOUNT = "{ viewer { client { twilioAccountSid } } }"
REQUESTS_PER_SECOND = 30
DELIVERED, FAILING, PHONE = "+12025550180", "+12025550181", "+12025550177"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a user of an SDK needs, besides the address."""

    address: str
    account_sid: str
    key_sid: str
    secret: str

    def client(self, *, user: str | None = None, http: Any = None) -> Any:
        """A client of the SDK. It is untyped, so that absent values are easy to compare."""
        made: Any = Client(user or self.key_sid, self.secret, self.account_sid, http_client=http)
        made.api.base_url = self.address
        return made


@pytest.fixture(scope="module")
def program() -> Iterator[Program]:
    limit = {"LIMIT_REQUESTS_PER_SECOND": str(REQUESTS_PER_SECOND)}
    with fresh_directory() as directory, up(directory, **limit) as running:
        yield running


@pytest.fixture(scope="module")
def credentials(program: Program) -> Credentials:
    with signed_in(program, "client@ibiki.test") as api:
        key = api.ask(CREATE_KEY)["createApiKey"]
        account = api.ask(ACCOUNT)["viewer"]["client"]["twilioAccountSid"]
    return Credentials(program.address, account, key["apiKey"]["twilioSid"], key["secret"])


@pytest.fixture
def client(credentials: Credentials) -> Iterator[Any]:
    with_pool = TwilioHttpClient(timeout=30)
    yield credentials.client(http=with_pool)
    assert with_pool.session is not None
    with_pool.session.close()


def refused(error: pytest.ExceptionInfo[TwilioRestException]) -> tuple[int, int | None]:
    """The HTTP status and the code of an error of the SDK."""
    return error.value.status, error.value.code


def test_a_message_is_created_fetched_followed_emptied_and_deleted(client: Any) -> None:
    made = client.messages.create(to=DELIVERED, from_="+12025550111", body="Good morning")
    assert (made.status, made.direction, made.num_segments) == ("queued", "outbound-api", "1")
    assert isinstance(made.date_created, datetime)
    assert made.date_created.tzinfo is not None
    assert (made.date_sent, made.price, made.error_code) == (None, None, None)
    fetched = eventually(
        lambda: next(
            (each for each in [client.messages(made.sid).fetch()] if each.status == "delivered"),
            None,
        )
    )
    assert isinstance(fetched.date_sent, datetime)
    assert fetched.update(body="").body == ""
    assert client.messages(made.sid).delete() is True
    with pytest.raises(TwilioRestException) as gone:
        client.messages(made.sid).fetch()
    assert refused(gone) == (404, 20404)


def test_lists_are_paged_streamed_and_filtered(client: Any) -> None:
    days = {datetime.now(UTC).date()}
    made = [client.messages.create(to="+12025550120", body=f"{each}").sid for each in range(5)]
    days.add(datetime.now(UTC).date())
    newest = made[::-1]
    assert [each.sid for each in client.messages.list(page_size=2, limit=5)] == newest
    assert [each.sid for each in client.messages.stream(page_size=3, limit=5)] == newest
    page = client.messages.page(page_size=2)
    assert [each.sid for each in page] == newest[:2]
    page = page.next_page()
    assert [each.sid for each in page] == newest[2:4]
    assert [each.sid for each in page.previous_page()] == newest[:2]
    # The index of numbers is written after the answer.
    eventually(lambda: [each.sid for each in client.messages.list(to="+12025550120")] == newest)
    now = datetime.now(UTC)
    assert any(client.messages.list(date_sent=each, limit=1) for each in days)
    assert client.messages.list(date_sent_after=now - timedelta(hours=1), limit=1)
    assert client.messages.list(date_sent_before=date(2020, 1, 1)) == []
    assert client.messages.list(date_sent_after=now + timedelta(days=1)) == []


def test_a_scheduled_message_is_cancelled(client: Any) -> None:
    made = client.messages.create(
        to="+12025550121",
        messaging_service_sid="MG" + "0" * 32,
        body="Later",
        schedule_type="fixed",
        send_at=datetime.now(UTC) + timedelta(hours=1),
    )
    assert made.status == "scheduled"
    assert client.messages(made.sid).update(status="canceled").status == "canceled"
    sent = client.messages.create(to=DELIVERED, body="Now")
    eventually(lambda: client.messages(sent.sid).fetch().status == "delivered")
    with pytest.raises(TwilioRestException) as late:
        client.messages(sent.sid).update(status="canceled")
    assert refused(late) == (409, 30409)


def test_an_answer_of_the_phone_is_listed(client: Any) -> None:
    client.messages.create(to=PHONE, body="Anybody home?")
    [received] = eventually(lambda: client.messages.list(from_=PHONE))
    assert (received.direction, received.status) == ("inbound", "received")
    assert (received.body, received.to) == ("Anybody home?", None)


async def test_status_callbacks_are_verified_by_the_sdk(client: Any) -> None:
    async with receiving() as receiver:
        url = f"{receiver.url}/status"
        made = await asyncio.to_thread(
            client.messages.create, to=FAILING, body="Hi", status_callback=url
        )
        received = await receiver.wait_for("/status", 3)
    account = await asyncio.to_thread(client.api.accounts(made.account_sid).fetch)
    validator = RequestValidator(account.auth_token)
    forms = [dict(parse_qsl(each.body.decode())) for each in received]
    for each, form in zip(received, forms, strict=True):
        assert validator.validate(url, form, each.headers["X-Twilio-Signature"])
    assert [each["MessageStatus"] for each in forms] == ["queued", "sent", "undelivered"]
    assert {each["MessageSid"] for each in forms} == {made.sid}


def test_errors_are_the_exceptions_of_the_sdk(client: Any, credentials: Credentials) -> None:
    cases: list[tuple[dict[str, Any], int]] = [
        ({"to": "12", "body": "Hi"}, 21211),
        ({"to": "+12025550101", "body": "x" * 2000}, 21617),
        ({"to": "+12025550101", "body": ""}, 21602),
        ({"to": "+12025550101", "body": "Hi", "media_url": ["https://a.test/1"]}, 21620),
        (
            {
                "to": "+12025550101",
                "body": "Hi",
                "schedule_type": "fixed",
                "send_at": datetime(2020, 1, 1, tzinfo=UTC),
            },
            35114,
        ),
    ]
    for given, code in cases:
        with pytest.raises(TwilioRestException) as wrong:
            client.messages.create(**given)
        assert refused(wrong) == (400, code)
    with pytest.raises(TwilioRestException) as other:
        client.api.accounts("AC" + "0" * 32).messages.create(to="+12025550101", body="Hi")
    assert refused(other) == (404, 20404)
    stranger = Client("SK" + "0" * 32, "wrong", credentials.account_sid)
    stranger.api.base_url = credentials.address
    with pytest.raises(TwilioRestException) as unknown:
        stranger.messages("SM" + "0" * 32).fetch()
    assert refused(unknown) == (401, 20003)
    # The SDK reads no error of a page: it shows neither the status nor the code.
    with pytest.raises(TwilioException, match="Unable to fetch page"):
        stranger.messages.list(limit=1)


def test_the_account_and_its_balance_are_read_with_both_user_names(
    client: Any, credentials: Credentials
) -> None:
    by_account = credentials.client(user=credentials.account_sid)
    [account] = by_account.api.accounts.list()
    assert (account.sid, account.status) == (credentials.account_sid, "active")
    assert client.api.accounts(account.sid).fetch().friendly_name == account.friendly_name
    before = int(client.balance.fetch().balance)
    client.messages.create(to="+12025550122", body="Hi")
    balance = client.balance.fetch()
    assert (int(balance.balance), balance.currency) == (before - 1, "credits")


@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning:aiohttp", "ignore::DeprecationWarning:twilio"
)
async def test_the_async_client_sends_and_lists(credentials: Credentials) -> None:
    async with AsyncTwilioHttpClient() as http:
        client = credentials.client(http=http)
        made = await client.messages.create_async(to="+12025550123", body="Async")
        assert (await client.messages(made.sid).fetch_async()).sid == made.sid
        [newest] = await client.messages.list_async(limit=1)
        assert newest.sid == made.sid
        with pytest.raises(TwilioRestException) as wrong:
            await client.messages.create_async(to="12", body="Hi")
        assert refused(wrong) == (400, 21211)


def node(script: str, *arguments: str) -> Any:
    """What a script of the Node SDK prints."""
    if shutil.which("node") is None or not (NODE / "node_modules/twilio").exists():
        pytest.skip("the stock clients are not installed: `make clients` installs them")
    ran = subprocess.run(
        ["node", script, *arguments],
        cwd=NODE,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_the_node_sdk_creates_schedules_and_cancels_messages(credentials: Credentials) -> None:
    answer = node("twilio.mjs", *astuple(credentials))
    created = answer["created"]
    assert (created["status"], created["direction"]) == ("queued", "outbound-api")
    assert (answer["dateIsValid"], created["dateSent"]) == (True, None)
    assert (answer["scheduled"], answer["canceled"]) == ("scheduled", "canceled")
    assert answer["all"][:2] == [answer["scheduledSid"], created["sid"]]
    assert answer["fetched"] == created["sid"]
    assert (answer["nothing"], answer["balance"]) == (0, "credits")
    codes = {name: answer[name]["code"] for name in ("invalid", "unknown", "wrongSecret")}
    assert codes == {"invalid": 21211, "unknown": 20404, "wrongSecret": 20003}
    assert {answer[name]["name"] for name in codes} == {"RestException"}


def test_the_node_sdk_repeats_after_429_and_sends_each_message_once(
    client: Any, credentials: Credentials
) -> None:
    before = int(client.balance.fetch().balance)
    answer = node("twilio-burst.mjs", *astuple(credentials), str(2 * REQUESTS_PER_SECOND))
    assert answer["refused"]
    assert {each["code"] for each in answer["refused"]} == {20429}
    assert {each["status"] for each in answer["refused"]} == {429}
    assert len(set(answer["created"])) == 2 * REQUESTS_PER_SECOND
    sent = before - int(client.balance.fetch().balance)
    assert sent == 4 * REQUESTS_PER_SECOND - len(answer["refused"])
