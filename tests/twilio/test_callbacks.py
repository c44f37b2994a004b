"""Status callbacks: rows that are committed with each status, and forms that the SDK verifies."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl
from uuid import UUID

import pytest
from twilio.request_validator import RequestValidator

from domain import ids
from domain.hooks.addresses import AddressRules
from domain.hooks.worker import Deliverer
from domain.identity.auth_tokens import AuthTokens
from domain.ids import Kind
from ibiki.encryption import FernetCipher
from ibiki.http.twilio.callbacks import FORMAT, CallbackFormat
from persistence import store
from providers.guarded import GuardedClient, GuardRules
from tests import db
from tests.hooks.conftest import RULES, change_status, deliveries, until
from tests.hooks.receiver import Received, Receiver, receiving
from tests.inbox import post as inbound
from tests.installations import AUTH_TOKENS as TOKENS
from tests.installations import ENCRYPTION_KEY
from tests.twilio.conftest import HELLO, TO, Web, account_of, assign, failure

HOSTS = """{ webhookEndpoints(callbacks: true) { id url status
    deliveries(first: 5) { nodes { id url objectId answerStatus error } } } }"""
AGAIN = """mutation ($input: RedeliverInput!) {
    redeliver(input: $input) { __typename ... on WebhookDelivery { url } } }"""


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver, and a worker that posts to it."""
    client = GuardedClient(
        GuardRules(AddressRules(loopback=True), deadline_seconds=RULES.deadline_seconds)
    )
    formats = {FORMAT: CallbackFormat(TOKENS, store)}
    async with receiving() as made:
        worker = Deliverer(store, client, formats, FernetCipher([ENCRYPTION_KEY]), rules=RULES)
        worker.start()
        yield made
        await worker.stop()
        await client.close()


def form_of(received: Received) -> dict[str, str]:
    """The form of a callback, which has no field twice."""
    pairs = parse_qsl(received.body.decode(), keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


async def test_each_status_is_posted_in_order_and_the_sdk_verifies_it(
    web: Web, receiver: Receiver
) -> None:
    await assign(web, inbound.OUR_NUMBER)
    url = f"{receiver.url}/status?order=17&x=%2f"
    made = await web.created(StatusCallback=url)
    await receiver.wait_for("/status", 1)
    await change_status(UUID(made["sid"][2:]), "SUBMITTING", "SENT", "UNDELIVERED", "DELIVERED")
    received = await receiver.wait_for("/status", 4)
    forms = [form_of(each) for each in received]
    statuses = ["queued", "sent", "undelivered", "delivered"]
    assert [each["MessageStatus"] for each in forms] == statuses
    assert forms[0] == {
        "AccountSid": web.account,
        "ApiVersion": "2010-04-01",
        "From": inbound.OUR_NUMBER,
        "MessageSid": made["sid"],
        "MessageStatus": "queued",
        "SmsSid": made["sid"],
        "SmsStatus": "queued",
        "To": TO,
    }
    assert forms[2]["ErrorCode"] == "30008"
    token = (await web.call("GET", ".json")).json()["auth_token"]
    validator = RequestValidator(token)
    for each, form in zip(received, forms, strict=True):
        assert each.headers["Content-Type"] == "application/x-www-form-urlencoded"
        signature = each.headers["X-Twilio-Signature"]
        assert validator.validate(url, form, signature)
        assert not validator.validate(url, form | {"To": "+12025550199"}, signature)
        assert not RequestValidator("0" * 32).validate(url, form, signature)
    tokens = {each.headers["I-Twilio-Idempotency-Token"] for each in received}
    assert len(tokens) == len(received)


async def test_a_url_without_a_path_is_signed_with_its_slash(web: Web, receiver: Receiver) -> None:
    await web.created(StatusCallback=receiver.url)
    [received] = await receiver.wait_for("/", 1)
    validator = RequestValidator(TOKENS.of(web.app.owner.client_id))
    signature = received.headers["X-Twilio-Signature"]
    assert validator.validate(f"{receiver.url}/", form_of(received), signature)


async def test_only_messages_with_a_callback_are_posted(web: Web, receiver: Receiver) -> None:
    other = await web.created()
    made = await web.created(StatusCallback=f"{receiver.url}/status")
    await change_status(UUID(other["sid"][2:]), "SENT")
    await change_status(UUID(made["sid"][2:]), "SENT")
    received = await receiver.wait_for("/status", 2)
    assert {form_of(each)["MessageSid"] for each in received} == {made["sid"]}
    assert await db.held(web.app.owner.account_id) == 98


async def test_the_owner_sees_callbacks_that_failed_and_posts_them_again(
    web: Web, receiver: Receiver
) -> None:
    receiver.answers["/status"] = 500
    url = f"{receiver.url}/status"
    made = await web.created(StatusCallback=url)
    await receiver.wait_for("/status", 2)
    [host] = await web.app.answer("owner", HOSTS)
    assert (host["url"], host["status"]) == (receiver.url, "RETRYING")
    [delivery] = host["deliveries"]["nodes"]
    assert (delivery["url"], delivery["answerStatus"]) == (url, 500)
    assert delivery["error"] == "The endpoint answered 500."
    assert delivery["objectId"] == ids.encode(Kind.MESSAGE, UUID(made["sid"][2:]))
    assert await web.app.answer("owner", HOSTS.replace("true", "false")) == []
    assert await web.app.answer("sibling", HOSTS) == []
    receiver.answers["/status"] = 204
    await db.execute("UPDATE hook_delivery SET status = 'FAILED', due_at = now()")
    for who, shown in (("sibling", "NotFound"), ("owner", "WebhookDelivery")):
        again = await web.app.answer(who, AGAIN, input={"deliveryId": delivery["id"]})
        assert again["__typename"] == shown
    # Not of the first delivery: a FAILED one stays so, also if its request is still under way.
    await until(lambda: deliveries(status="DELIVERED"))
    for change in ("updateWebhookEndpoint", "deleteWebhookEndpoint", "rotateWebhookSecret"):
        kind = f"{change[0].upper()}{change[1:]}Input!"
        requested = f"mutation ($input: {kind}) {{ {change}(input: $input) {{ __typename }} }}"
        refused = await web.app.answer("owner", requested, input={"id": host["id"]})
        assert refused["__typename"] == "NotFound"


async def test_a_repeated_key_has_one_callback_and_another_url_conflicts(web: Web) -> None:
    given = {**HELLO, "StatusCallback": "https://a.example.com/x"}
    keyed = {"idempotency-key": "order-1"}
    first = await web.create(given, headers=keyed)
    again = await web.create(given, headers=keyed)
    assert again.json() == first.json()
    failure(
        await web.create({**given, "StatusCallback": "https://b.test"}, headers=keyed), 409, 20409
    )
    failure(await web.create(headers=keyed), 409, 20409)
    rows = await db.fetch("SELECT url FROM hook_callback")
    assert [row["url"] for row in rows] == ["https://a.example.com/x"]
    assert len(await db.fetch("SELECT FROM hook_delivery")) == 1


async def test_a_refused_message_leaves_no_callback(web: Web) -> None:
    await db.opt_out(web.app.owner.client_id, TO)
    failure(await web.create({**HELLO, "StatusCallback": "https://a.example.com"}), 400, 21610)
    for wrong in (
        "ftp://a.example.com",
        "http://a.example.com",
        "a.example.com",
        "https://user:pass@a.example.com",
        "https://169.254.169.254/",
        "https://" + "a" * 3000,
        "https://a.example.com/\u00e9",
    ):
        failure(await web.create({**HELLO, "StatusCallback": wrong}), 400, 21609)
    assert await db.fetch("SELECT FROM hook_callback") == []
    assert await db.fetch("SELECT FROM hook_endpoint") == []


def test_tokens_differ_by_client_and_key(web: Web) -> None:
    owner, sibling = web.app.owner.client_id, web.app.sibling.client_id
    tokens = {TOKENS.of(owner), TOKENS.of(sibling), AuthTokens("another key").of(owner)}
    assert len(tokens) == 3
    assert all(len(each) == 32 for each in tokens)
    assert account_of(web.app.owner)[2:] not in tokens


ROTATE = """mutation ($input: RotateTwilioAuthTokenInput!) { rotateTwilioAuthToken(input: $input) {
    __typename ... on UserError { message path } ... on InvalidInput { path }
    ... on TwilioAuthToken { token signsFrom client { name } } } }"""


async def test_one_client_gets_a_new_token_and_the_others_keep_theirs(
    web: Web, receiver: Receiver
) -> None:
    app = web.app
    before = [TOKENS.of(each.client_id) for each in (app.owner, app.sibling)]
    rotated = await app.answer("owner", ROTATE, input={})
    assert rotated["client"] == {"name": "Acme"}
    assert len(rotated["token"]) == 32
    assert rotated["token"] not in before
    assert (await web.call("GET", ".json")).json()["auth_token"] == rotated["token"]
    await web.created(StatusCallback=receiver.url)
    [received] = await receiver.wait_for("/", 1)
    signed = (f"{receiver.url}/", form_of(received), received.headers["X-Twilio-Signature"])
    assert RequestValidator(rotated["token"]).validate(*signed)
    assert not RequestValidator(before[0]).validate(*signed)
    [row] = await db.fetch("SELECT name FROM client WHERE auth_token_number > 0")
    assert row["name"] == "Acme"
    again = await app.answer("owner", ROTATE, input={"delayMinutes": 0})
    assert again["token"] not in (*before, rotated["token"])


async def test_the_token_before_signs_until_receivers_know_the_new_one(
    web: Web, receiver: Receiver
) -> None:
    app, client_id = web.app, ids.encode(Kind.CLIENT, web.app.owner.client_id)
    before = TOKENS.of(app.owner.client_id)
    given = {"clientId": client_id, "delayMinutes": 60}
    rotated = await app.answer("admin", ROTATE, input=given)
    wait = datetime.fromisoformat(rotated["signsFrom"]) - datetime.now(UTC)
    assert timedelta(minutes=59) < wait <= timedelta(minutes=60)
    assert (await web.call("GET", ".json")).json()["auth_token"] == before
    await web.created(StatusCallback=receiver.url)
    [first] = await receiver.wait_for("/", 1)
    twice = await app.answer("owner", ROTATE, input={"delayMinutes": 5})
    assert (twice["__typename"], twice["path"]) == ("InvalidInput", ["input", "delayMinutes"])
    await db.execute("UPDATE client SET auth_token_from = now() WHERE auth_token_number > 0")
    await web.created(StatusCallback=receiver.url)
    _, second = await receiver.wait_for("/", 2)
    for received, token in ((first, before), (second, rotated["token"])):
        form, signature = form_of(received), received.headers["X-Twilio-Signature"]
        assert RequestValidator(token).validate(f"{receiver.url}/", form, signature)


async def test_a_wrong_delay_and_another_client_are_refused(web: Web) -> None:
    client_id = ids.encode(Kind.CLIENT, web.app.owner.client_id)
    for minutes in (-1, 1_441):
        refused = await web.app.answer("owner", ROTATE, input={"delayMinutes": minutes})
        assert (refused["__typename"], refused["path"]) == (
            "InvalidInput",
            ["input", "delayMinutes"],
        )
    for who, kind in (("sibling", "NotFound"), ("admin", "TwilioAuthToken")):
        given = {"clientId": client_id}
        assert (await web.app.answer(who, ROTATE, input=given))["__typename"] == kind
    nobody = await web.app.answer("admin", ROTATE, input={})
    assert (nobody["__typename"], nobody["path"]) == ("InvalidInput", ["input", "clientId"])
