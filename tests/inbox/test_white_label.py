"""White label: nothing that a client can read names a provider, a modem or a port.

Every role but the operator reads every field, after the secrets were stored wherever the program
could store them. Then every sentence that the program can answer is checked.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from graphql import print_schema

from domain import errors
from domain.dispatch import settlement
from domain.inbox import opt_out, reply, reports
from providers import africastalking, android, egosms, extreme, kannel, twilio
from providers.registry import PROVIDERS
from schema.schema import build_schema
from tests import databases, db
from tests.inbox import post
from tests.matrix.row import Row
from tests.matrix.rows import ROWS
from tests.matrix.scenario import ROLES, Scenario, scenario
from tests.matrix.test_matrix import document_of, filled

MODEM, PORT, HOST = "modem-hidden-from-clients", "port-hidden-from-clients", "gateway.hidden.test"
NAMES = (
    "extreme",
    "egosms",
    "ego sms",
    "simulat",
    "kannel",
    "android",
    "africastalking",
    "africa's",
)
SECRETS = (*NAMES, MODEM, PORT, HOST, "hidden-key", "/api/v2")
# The API has these words with another meaning: the brand, and the API that stock SDKs call.
OTHER_MEANING = {"ibiki", "twilio"}
ASKERS = [who for who in ROLES if who != "admin"]


@pytest.fixture(scope="module")
async def settled(database_template: Any) -> AsyncIterator[Scenario]:
    """Clients whose rows contain the secrets wherever the program could store them."""
    async with databases.fresh_copy(database_template) as url, scenario(url) as settled:
        await _hide_secrets(settled)
        yield settled


async def _hide_secrets(settled: Scenario) -> None:
    for number, tenant in enumerate(settled.tenants().values()):
        ours = f"+1202555011{number}"
        await db.assign_number(tenant.client_id, ours)
        call = post.inbound("Hello", receiver=ours, modem=MODEM, port=PORT, messageId=str(number))
        (row,) = await post.received(call)
        assert row["outcome"] == "ROUTED"
        send = await db.accept(tenant, numbers=[post.PHONE])
        await db.execute(
            "UPDATE send SET kind = 'REPLY', modem = $2, port = $3 WHERE id = $1",
            send.id,
            MODEM,
            PORT,
        )
    await db.execute(
        "UPDATE provider_account SET paused_at = now(), pause_reason = $1",
        f"ExtremeSMS at {HOST} refused hidden-key",
    )
    await db.execute("UPDATE attempt SET detail = $1", f"ExtremeSMS at {HOST}: hidden-key")
    await db.execute("UPDATE message SET waiting_for = $1", f"ExtremeSMS at {HOST}")


def leaks(text: str) -> list[str]:
    """The secrets that a text contains."""
    return [secret for secret in SECRETS if secret in text.lower()]


@pytest.mark.parametrize("name", ROWS)
async def test_no_answer_names_a_provider_modem_or_port(settled: Scenario, name: str) -> None:
    found = [what for row in ROWS[name] async for what in _found(settled, name, row)]
    assert found == []


async def _found(settled: Scenario, name: str, row: Row) -> AsyncIterator[str]:
    for who in ASKERS:
        variables = await filled(settled, row.given)
        if row.first is not None:
            await row.first(settled)
        answer = (await settled.ask(who, document_of(name, row), variables)).decode()
        for secret in leaks(answer):
            yield f"{who} sees {secret!r}: {answer[:500]}"


def test_no_description_of_the_schema_names_a_provider() -> None:
    assert leaks(print_schema(build_schema())) == []


def sentences() -> Iterator[str]:
    """The sentences that a client can read in answers and stored values."""
    for module in (errors, opt_out, reply, reports, settlement):
        for value in vars(module).values():
            if isinstance(value, str):
                yield value
            elif inspect.isclass(value) and issubclass(value, Exception):
                yield value.__doc__ or ""
    for adapter in (extreme, egosms, africastalking, android, kannel, twilio):
        yield from re.findall(r'(?:Rejected|ProviderUnavailable)\(\s*"([^"]+)"', source_of(adapter))
    for refusing in (extreme, africastalking, twilio):
        yield from refusing.REFUSES_MESSAGE.values()


def source_of(module: object) -> str:
    """The source of a module without its docstring, which no client reads."""
    return inspect.getsource(module).split('"""', 2)[2]  # type: ignore[arg-type]


def test_no_error_message_names_a_provider() -> None:
    texts = list(sentences())
    assert len(texts) > 40
    assert [(each, leaks(each)) for each in texts if leaks(each)] == []


def test_the_leak_check_finds_a_leak() -> None:
    assert leaks("The provider ExtremeSMS says no.") == ["extreme"]
    assert leaks(f"Through {MODEM.upper()}") == [MODEM]
    assert [name for name in PROVIDERS if not leaks(name)] == sorted(OTHER_MEANING)
