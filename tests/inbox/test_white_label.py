"""White label: whatever a client can ask for or be refused with names no provider, nor its parts.

Every field is asked by everybody but the operator, in a town where each secret stands wherever the
program could have kept it; then every sentence that the program can say is read by itself.
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
from providers import egosms, extreme
from providers.registry import PROVIDERS
from schema.schema import build_schema
from tests import databases, worlds
from tests.inbox import post
from tests.matrix.row import Row
from tests.matrix.rows import ROWS
from tests.matrix.test_matrix import document_of, filled
from tests.matrix.town import ROLES, Town, town

MODEM, PORT, HOST = "modem-hidden-from-clients", "port-hidden-from-clients", "gateway.hidden.test"
SECRETS = ("extreme", "egosms", "ego sms", "simulat", MODEM, PORT, HOST, "hidden-key", "/api/v2")
ASKERS = [who for who in ROLES if who != "admin"]


@pytest.fixture(scope="module")
async def settled(database_template: Any) -> AsyncIterator[Town]:
    """A town in which the secrets stand wherever they could."""
    async with databases.fresh_copy(database_template) as url, town(url) as settled:
        await _hide_secrets(settled)
        yield settled


async def _hide_secrets(settled: Town) -> None:
    for number, tenant in enumerate(settled.tenants().values()):
        ours = f"+1202555011{number}"
        await worlds.execute(
            "INSERT INTO assigned_number (number, client_id) VALUES ($1, $2)",
            ours,
            tenant.client_id,
        )
        said = post.inbound("Hello", receiver=ours, modem=MODEM, port=PORT, messageId=str(number))
        (row,) = await post.received(said)
        assert row["outcome"] == "ROUTED"
        send = await worlds.accept(tenant, numbers=[post.PHONE])
        await worlds.execute(
            "UPDATE send SET kind = 'REPLY', modem = $2, port = $3 WHERE id = $1",
            send.id,
            MODEM,
            PORT,
        )
    await worlds.execute(
        "UPDATE provider_account SET paused_at = now(), pause_reason = $1",
        f"ExtremeSMS at {HOST} refused hidden-key",
    )
    await worlds.execute("UPDATE attempt SET detail = $1", f"ExtremeSMS at {HOST}: hidden-key")
    await worlds.execute("UPDATE message SET waiting_for = $1", f"ExtremeSMS at {HOST}")


def leaks(said: str) -> list[str]:
    """Which secrets stand in a text."""
    return [secret for secret in SECRETS if secret in said.lower()]


@pytest.mark.parametrize("name", ROWS)
async def test_no_answer_names_a_provider_or_its_parts(settled: Town, name: str) -> None:
    found = [what for row in ROWS[name] async for what in _found(settled, name, row)]
    assert found == []


async def _found(settled: Town, name: str, row: Row) -> AsyncIterator[str]:
    for who in ASKERS:
        variables = await filled(settled, row.given)
        if row.first is not None:
            await row.first(settled)
        answer = (await settled.ask(who, document_of(name, row), variables)).decode()
        for secret in leaks(answer):
            yield f"{who} sees {secret!r}: {answer[:500]}"


def test_no_description_of_the_schema_names_one() -> None:
    assert leaks(print_schema(build_schema())) == []


def sentences() -> Iterator[str]:
    """What the program itself can say to a client, or keep where a client reads it."""
    for module in (errors, opt_out, reply, reports, settlement):
        for value in vars(module).values():
            if isinstance(value, str):
                yield value
            elif inspect.isclass(value) and issubclass(value, Exception):
                yield value.__doc__ or ""
    for adapter in (extreme, egosms):
        yield from re.findall(r'(?:Rejected|ProviderUnavailable)\(\s*"([^"]+)"', source_of(adapter))
    yield from extreme.REFUSES_MESSAGE.values()


def source_of(module: object) -> str:
    """A module's text, its docstring left out: that is nobody's but ours."""
    return inspect.getsource(module).split('"""', 2)[2]  # type: ignore[arg-type]


def test_no_sentence_that_a_client_can_be_told_names_one() -> None:
    said = list(sentences())
    assert len(said) > 40
    assert [(each, leaks(each)) for each in said if leaks(each)] == []


def test_a_secret_that_leaks_is_noticed() -> None:
    assert leaks("The provider ExtremeSMS says no.") == ["extreme"]
    assert leaks(f"Through {MODEM.upper()}") == [MODEM]
    assert set(PROVIDERS) <= set(SECRETS)
