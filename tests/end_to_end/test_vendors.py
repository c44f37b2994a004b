"""The main job at each vendor, on one running program: a send, its report, an answer, a reply."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from providers.registry import PROVIDERS
from providers.simulator.accounts import SIMULATED_ACCOUNTS, SIMULATED_SENDER
from providers.twilio import SIGNATURE_HEADER, signature_of
from tests.end_to_end.program import Api, Program, eventually, signed_in
from tests.providers.vendors_at import PATHS, VENDORS

pytestmark = [pytest.mark.xdist_group("up"), pytest.mark.timeout(600)]

# What phones see, if the account has a choice.
SENDERS = {"africastalking": "+12025550196", "twilio": "+12025550197"}
WITH_BALANCE = ("africastalking", "twilio")
PHONE, FAILS = "+12025550177", "+12025550181"
ACCOUNT = """mutation ($input: CreateProviderAccountInput!) { createProviderAccount(input: $input) {
    __typename ... on ProviderAccount { id } ... on UserError { message } } }"""
SYNC = """mutation ($input: SyncInput!) { sync(input: $input) {
    __typename ... on UserError { message } } }"""
CLIENT = """mutation ($input: CreateClientInput!) { createClient(input: $input) {
    __typename ... on Client { id } ... on UserError { message } } }"""
USER = """mutation ($input: CreateUserInput!) { createUser(input: $input) {
    __typename ... on UserError { message } } }"""
ALLOCATE = """mutation ($input: AllocateInput!) { allocate(input: $input) {
    __typename ... on UserError { message } } }"""
SEND = """mutation ($to: String!) { send(input: {to: $to, text: "Good morning"}) {
    __typename ... on Send { id } } }"""
REPLY = """mutation ($id: ID!) { reply(input: {conversationId: $id, text: "And to you"}) {
    __typename ... on Reply { warning } } }"""
CONVERSATION = """query { inbox { nodes { id messages { nodes { text direction } } } } }"""
STATUS = "query ($id: ID!) { send(id: $id) { messages { nodes { status } } } }"


def create(admin: Api, document: str, **requested: Any) -> Any:
    """The object that a mutation creates."""
    [answer] = admin.ask(document, input=requested).values()
    assert "message" not in answer, answer
    return answer.get("id")


def configuration(program: Program, provider: str) -> list[dict[str, str]]:
    """The account that the simulator knows, with the values that this provider asks for."""
    own = SIMULATED_ACCOUNTS[provider]
    values = {
        "baseUrl": program.simulator + PATHS.get(provider, ""),
        "username": own.username,
        "password": own.password,
        "signingKey": own.password,
        "sender": SENDERS.get(provider, ""),
        "unitCost": "1",
    }
    wanted = [field.name for field in PROVIDERS[provider].fields]
    return [{"name": name, "value": values[name]} for name in wanted if values.get(name)]


@contextmanager
def client_at(program: Program, provider: str) -> Iterator[Api]:
    """A new client below a new account at this provider, with 50 units and its own number."""
    with signed_in(program, "admin@ibiki.test") as admin:
        values = configuration(program, provider)
        account = create(admin, ACCOUNT, provider=provider, configuration=values, isDefault=True)
        by_hand = {} if provider in WITH_BALANCE else {"reading": 1_000}
        create(admin, SYNC, providerAccountId=account, **by_hand)
        number = SENDERS.get(provider, SIMULATED_SENDER)
        client = create(admin, CLIENT, name=provider, assignedNumbers=[number])
        create(admin, ALLOCATE, clientId=client, units=50, note="Start")
        email = f"{provider}@ibiki.test"
        new = {"email": email, "password": program.password, "role": "CLIENT"}
        create(admin, USER, clientId=client, **new)
    with signed_in(program, email) as api:
        yield api


def becomes(client: Api, sent: str, status: str) -> None:
    """Waits until the only message of a send has this status."""
    eventually(
        lambda: client.ask(STATUS, id=sent)["send"]["messages"]["nodes"] == [{"status": status}]
    )


def conversation(client: Api) -> Any:
    """Waits for the only conversation. Returns it."""
    return eventually(lambda: client.ask(CONVERSATION)["inbox"]["nodes"])[0]


def texts(client: Api) -> list[tuple[str, str]]:
    nodes = conversation(client)["messages"]["nodes"]
    return sorted((each["direction"], each["text"]) for each in nodes)


@pytest.mark.parametrize("provider", VENDORS)
def test_a_vendors_account_sends_reports_receives_and_replies(
    program: Program, provider: str
) -> None:
    with client_at(program, provider) as client:
        for number, status in ((PHONE, "DELIVERED"), (FAILS, "UNDELIVERED")):
            sent = client.ask(SEND, to=number)["send"]
            assert sent["__typename"] == "Send"
            becomes(client, sent["id"], status)
        replied = client.ask(REPLY, id=conversation(client)["id"])["reply"]
        assert replied == {"__typename": "Reply", "warning": None}
        expected = ["And to you", "Good morning"]
        eventually(
            lambda: (
                texts(client)
                == [(way, text) for way in ("INBOUND", "OUTBOUND") for text in expected]
            )
        )
    printed = "".join(program.printed)
    assert SIMULATED_ACCOUNTS[provider].password not in printed


def test_a_call_that_another_token_signed_is_refused(program: Program) -> None:
    form = {"MessageSid": "SM1", "From": PHONE, "To": SENDERS["twilio"], "Body": "Hello"}
    url = f"{program.address}/webhooks/twilio"
    own = SIMULATED_ACCOUNTS["twilio"].password
    for token, status in (("another", 401), (own, 200)):
        signature = signature_of(url, list(form.items()), token)
        answer = httpx.post(url, data=form, headers={SIGNATURE_HEADER: signature}, timeout=60)
        assert answer.status_code == status
