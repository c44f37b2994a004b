"""Two installations: the lower one is a client of the upper one, and sends through it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.end_to_end.losing import Loses, Proxy, losing
from tests.end_to_end.program import Api, Program, eventually, fresh_directory, signed_in, up
from tests.end_to_end.test_integrators import CREATE_KEY
from tests.end_to_end.test_main_job import (
    BULK_SEND,
    SEND,
    figures,
    finished,
    magic,
    progress,
    taken,
    taken_by_provider,
)
from tests.end_to_end.test_two_way import PHONE, REPLY, arrived

pytestmark = [pytest.mark.xdist_group("up"), pytest.mark.timeout(600)]

RESULT = "__typename ... on UserError { message }"
ADD_ACCOUNT = f"""
mutation ($input: CreateProviderAccountInput!) {{ createProviderAccount(input: $input) {{
  {RESULT} ... on ProviderAccount {{ id }} }} }}"""
SYNC = f"""
mutation ($input: SyncInput!) {{ sync(input: $input) {{
  {RESULT} ... on Synced {{ change inFlight balances {{ platform {{ pool state }} }} }} }} }}"""
ADD_CLIENT = f"""
mutation ($input: CreateClientInput!) {{ createClient(input: $input) {{
  {RESULT} ... on Client {{ id }} }} }}"""
ADD_USER = f"""
mutation ($input: CreateUserInput!) {{ createUser(input: $input) {{
  {RESULT} ... on User {{ id }} }} }}"""
ALLOCATE = f"""
mutation ($input: AllocateInput!) {{ allocate(input: $input) {{ {RESULT} }} }}"""
ALARMS = "{ providerAccounts { id platform { pool inFlight state alarms { kind } } } }"
ADD_ENDPOINT = f"""
mutation ($input: CreateWebhookEndpointInput!) {{ createWebhookEndpoint(input: $input) {{
  {RESULT} ... on WebhookEndpointSecret {{ secret endpoint {{ id }} }} }} }}"""
MOVE_ENDPOINT = f"""
mutation ($input: UpdateWebhookEndpointInput!) {{ updateWebhookEndpoint(input: $input) {{
  {RESULT} }} }}"""
REFUSED = "{ webhookStatus { refusedLastHour unrouted } }"
VIEWER = "{ viewer { client { id } } }"
EMAIL = "shop@ibiki.test"


@dataclass
class Chain:
    """Both programs. `reseller`: the upper client that the lower program is. `shop`: its client.

    The lower program reaches the upper one through `proxy`.
    """

    upper: Program
    lower: Program
    proxy: Proxy
    owner: Api
    reseller: Api
    operator: Api
    shop: Api
    account_id: str

    def sync(self) -> Any:
        requested = {"providerAccountId": self.account_id}
        return done(self.operator, SYNC, "Synced", input=requested)

    def platform(self) -> Any:
        accounts = self.operator.ask(ALARMS)["providerAccounts"]
        return next(each["platform"] for each in accounts if each["id"] == self.account_id)

    def held_above(self) -> int:
        return int(figures(self.reseller)["account"]["balance"])

    def held(self) -> int:
        return int(figures(self.shop)["account"]["balance"])

    def allocate_above(self, units: int) -> None:
        client_id = self.reseller.ask(VIEWER)["viewer"]["client"]["id"]
        done(self.owner, ALLOCATE, "Allocated", input={"units": units, "clientId": client_id})


def done(api: Api, document: str, kind: str, **variables: Any) -> Any:
    """The only field of an answer. Its type must be this one."""
    (answer,) = api.ask(document, **variables).values()
    assert answer["__typename"] == kind, answer
    return answer


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    with ExitStack() as stack:

        def start(**settings: str) -> Program:
            return stack.enter_context(up(stack.enter_context(fresh_directory()), **settings))

        def user(program: Program, email: str) -> Api:
            return stack.enter_context(signed_in(program, email))

        upper = start()
        reseller = user(upper, "client@ibiki.test")
        requested = {
            "url": "http://127.0.0.1:9/",
            "events": ["MESSAGE_RECEIVED", "MESSAGE_UPDATED"],
        }
        added = done(reseller, ADD_ENDPOINT, "WebhookEndpointSecret", input=requested)
        lower = start(WEBHOOK_SIGNING_SECRET=added["secret"])
        moved = {"id": added["endpoint"]["id"], "url": f"{lower.address}/webhooks/ibiki"}
        done(reseller, MOVE_ENDPOINT, "WebhookEndpoint", input=moved)
        operator = user(lower, "admin@ibiki.test")
        key = reseller.ask(CREATE_KEY)["createApiKey"]["secret"]
        proxy = stack.enter_context(losing(upper.address))
        values = [("baseUrl", proxy.address), ("apiKey", key)]
        account = {
            "provider": "ibiki",
            "configuration": [{"name": name, "value": value} for name, value in values],
            "isDefault": True,
        }
        account_id = done(operator, ADD_ACCOUNT, "ProviderAccount", input=account)["id"]
        done(operator, SYNC, "Synced", input={"providerAccountId": account_id})
        client_id = done(operator, ADD_CLIENT, "Client", input={"name": "Shop"})["id"]
        person = {"email": EMAIL, "password": lower.password, "clientId": client_id}
        done(operator, ADD_USER, "User", input={**person, "role": "CLIENT"})
        done(operator, ALLOCATE, "Allocated", input={"units": 600, "clientId": client_id})
        shop, owner = user(lower, EMAIL), user(upper, "admin@ibiki.test")
        yield Chain(upper, lower, proxy, owner, reseller, operator, shop, account_id)


def test_the_pool_is_what_the_client_above_holds(chain: Chain) -> None:
    platform = chain.platform()
    assert (platform["pool"], platform["state"]) == (chain.held_above(), "IN_SYNC")


def test_a_send_is_charged_once_in_both_and_both_agree(chain: Chain) -> None:
    above, below = chain.held_above(), chain.held()
    one = done(chain.shop, SEND, "Send", input={"to": "(202) 555-0190", "text": "One"})
    to = ["2025550191", "2025550192", "2025550191", "nonsense", "2025550193"]
    many = done(chain.shop, BULK_SEND, "Send", input={"to": to, "text": "Many"})
    assert (one["charged"], many["charged"], many["rejectedCount"]) == (1, 3, 2)
    assert taken(finished(chain.shop, one["id"])) == 1
    assert taken(finished(chain.shop, many["id"])) == 3
    assert (above - chain.held_above(), below - chain.held()) == (4, 4)
    numbers = [f"+120255501{each}" for each in (90, 91, 92, 93)]
    eventually(lambda: set(numbers) <= set(taken_by_provider(chain.upper)))
    assert sorted(each for each in taken_by_provider(chain.upper) if each in numbers) == numbers
    assert taken_by_provider(chain.lower) == []
    synced = chain.sync()
    assert (synced["change"], synced["inFlight"]) == (0, 0)


def test_an_empty_account_above_raises_an_alarm_and_loses_nothing(chain: Chain) -> None:
    left, below = chain.held_above(), chain.held()
    chain.allocate_above(-left)
    to = [f"20255501{each}" for each in (94, 95, 96)]
    sent = done(chain.shop, BULK_SEND, "Send", input={"to": to, "text": "Later"})
    eventually(lambda: "PROVIDER_REFUSING" in str(chain.platform()["alarms"]))
    waiting = progress(chain.shop, sent["id"])
    assert (waiting["counts"]["queued"], waiting["charged"]) == (3, 3)
    chain.allocate_above(left)
    chain.sync()
    assert taken(finished(chain.shop, sent["id"])) == 3
    assert (left - chain.held_above(), below - chain.held()) == (3, 3)
    synced = chain.sync()
    assert (synced["change"], synced["balances"]["platform"]["state"]) == (0, "IN_SYNC")


def test_a_message_gets_the_outcome_of_the_upper_installation(chain: Chain) -> None:
    def sent_to(kind: str) -> Any:
        return done(chain.shop, SEND, "Send", input={"to": magic(kind), "text": "Hello"})["id"]

    def reported(send_id: str, status: str) -> Any:
        return eventually(
            lambda: (now := progress(chain.shop, send_id))["counts"][status] == 1 and now
        )

    reported(sent_to("report_twice"), "delivered")
    lost = reported(sent_to("report_failed"), "undelivered")
    refused = reported(sent_to("invalid_recipient"), "rejected")
    assert refused["charged"] == 0
    failures = [each["messages"]["nodes"][0]["failure"] for each in (lost, refused)]
    assert failures[1] == "The network refused this message."
    assert failures[0] != failures[1]


def test_a_conversation_goes_through_both_in_both_directions(chain: Chain) -> None:
    sent = done(chain.shop, SEND, "Send", input={"to": PHONE, "text": "Good morning"})
    assert taken(finished(chain.shop, sent["id"])) == 1
    conversation = arrived(chain.shop, PHONE, "Good morning")
    replied = chain.shop.ask(REPLY, id=conversation["id"], text="And to you")["reply"]
    assert (replied["__typename"], replied["warning"]) == ("Reply", None)
    arrived(chain.shop, PHONE, "And to you")
    # It is sent through the line that the phone wrote to.
    log = httpx.get(f"{chain.upper.simulator}/control/log", timeout=60).json()
    lines = {each["messages"][0]["text"]: each["modem"] for each in log if each["messages"]}
    assert (lines["Good morning"], lines["And to you"]) == (None, "simulated-modem")
    assert arrived(chain.reseller, PHONE, "And to you")
    done(chain.shop, SEND, "Send", input={"to": PHONE, "text": "STOP"})
    eventually(
        lambda: (
            chain.shop.ask(SEND, input={"to": PHONE, "text": "x"})["send"]["__typename"]
            == "NoValidRecipients"
        )
    )
    assert chain.operator.ask(REFUSED)["webhookStatus"] == {"refusedLastHour": 0, "unrouted": 0}


def test_a_lost_answer_is_settled_without_a_person(chain: Chain) -> None:
    chain.sync()
    above, lost = chain.held_above(), chain.proxy.lost
    chain.proxy.loses = Loses.ANSWERS
    one = done(chain.shop, SEND, "Send", input={"to": "2025550182", "text": "One"})
    to = [f"20255501{each}" for each in (83, 84, 85)]
    many = done(chain.shop, BULK_SEND, "Send", input={"to": to, "text": "Many"})
    assert taken(finished_without_unknown(chain.shop, one["id"])) == 1
    assert taken(finished_without_unknown(chain.shop, many["id"])) == 3
    chain.proxy.loses = Loses.REQUESTS
    gone = done(chain.shop, SEND, "Send", input={"to": "2025550186", "text": "Gone"})
    refused = finished_without_unknown(chain.shop, gone["id"])
    assert refused["counts"]["rejected"] == 1
    chain.proxy.loses = Loses.NOTHING
    assert chain.proxy.lost == lost + 3
    assert above - chain.held_above() == 4
    charged = [progress(chain.shop, each["id"])["charged"] for each in (one, many, gone)]
    assert charged == [1, 3, 0]
    assert sent_above(chain, range(82, 87)) == [82, 83, 84, 85], "each once, and none of the last"
    synced = chain.sync()
    assert (synced["change"], synced["inFlight"]) == (0, 0)


def test_a_call_of_a_killed_program_is_settled_after_its_start(chain: Chain) -> None:
    above, lost = chain.held_above(), chain.proxy.lost
    chain.proxy.loses = Loses.ANSWERS
    chain.proxy.released.clear()
    sent = done(chain.shop, SEND, "Send", input={"to": "2025550187", "text": "One"})
    eventually(lambda: chain.proxy.lost > lost)
    chain.lower.kill()
    chain.proxy.loses = Loses.NOTHING
    chain.proxy.released.set()
    with up(chain.lower.directory) as again, signed_in(again, EMAIL) as shop:
        assert taken(finished_without_unknown(shop, sent["id"])) == 1
        assert progress(shop, sent["id"])["charged"] == 1
    assert above - chain.held_above() == 1
    assert sent_above(chain, [87]) == [87]


def finished_without_unknown(api: Api, send_id: str) -> Any:
    """The send when none of its messages is UNKNOWN or under way any more."""

    def settled() -> Any:
        now = progress(api, send_id)
        left = sum(now["counts"][each] for each in ("queued", "submitting", "unknown"))
        return None if left else now

    return eventually(settled)


def sent_above(chain: Chain, ends: Iterable[int]) -> list[int]:
    """The last digits of the numbers that the upper program has sent to, sorted."""
    numbers = {f"+120255501{each}": each for each in ends}
    taken_by = [each for each in taken_by_provider(chain.upper) if each in numbers]
    return sorted(numbers[each] for each in taken_by)
