"""Stock clients, audits and generated documents against the running program.

Documents are made from the exported schema. FUZZ_EXAMPLES: how many for each actor.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.graphql import nodes

from tests.end_to_end.program import SIGN_IN, Api, Program
from tests.end_to_end.test_live import NODE, SecondServer, clients
from tests.test_tidy import ROOT

__all__ = ["clients"]

pytestmark = [pytest.mark.xdist_group("up"), pytest.mark.timeout(1_800)]

AUDITS = 61
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "250"))
SLOWEST_SECONDS = 40.0
"""`reconcile` may take 30 s. A call that takes longer than this hangs."""

CODES = {"UNAUTHENTICATED", "FORBIDDEN", "BAD_USER_INPUT", "RATE_LIMITED", "TOO_COMPLEX"}
"""Codes of refusals. Any other code is a defect."""

WHO = ("nobody", "client", "supervisor", "admin")


@pytest.mark.usefixtures("clients")
def test_every_audit_of_graphql_over_http_is_passed(program: Program) -> None:
    ended = subprocess.run(
        ["node", "audit.mjs", program.address],
        cwd=NODE,
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    results = [json.loads(line) for line in ended.stdout.splitlines()]
    assert [each for each in results if each["status"] != "ok"] == []
    assert len(results) >= AUDITS


@pytest.mark.usefixtures("clients")
@pytest.mark.parametrize("kind", ["apollo", "urql"])
def test_stock_clients_send_and_find_what_they_sent(program: Program, kind: str) -> None:
    ended = subprocess.run(
        ["node", "work.mjs", kind, program.address, "client@ibiki.test", program.password],
        cwd=NODE,
        capture_output=True,
        text=True,
        timeout=200,
        check=True,
    )
    sent, listed, refused, unknown = map(json.loads, ended.stdout.splitlines())
    send = sent["data"]["send"]
    assert send["accepted"] == 1
    assert listed["data"]["sends"]["edges"][0]["node"]["id"] == send["id"]
    assert refused["data"]["send"]["__typename"] == "InvalidText"
    assert unknown == {"step": "unknown", "codes": ["UNAUTHENTICATED"]}


def test_the_schema_is_hidden_in_production(program: Program) -> None:
    second = SecondServer(program.directory, ENVIRONMENT="production")
    second.start()
    try:
        with httpx.Client(base_url=second.address, timeout=200) as http:
            for query in ("{ __schema { types { name } } }", '{ __type(name: "Query") { name } }'):
                ended = http.post("/graphql", json={"query": query}).json()
                assert "data" not in ended
                assert ended["errors"][0]["message"] == "Sign in to read the schema."
            misspelt = http.post("/graphql", json={"query": "{ viewr { id } }"})
            assert "Did you mean" not in misspelt.text
            assert "viewer" not in misspelt.text
            local = {"origin": "http://localhost:3000"}
            assert http.post("/graphql", json={"query": "{ x }"}, headers=local).status_code == 403
    finally:
        second.stop()


@pytest.fixture(scope="module")
def tokens(program: Program) -> dict[str, str | None]:
    """A token for each actor. They sign in before any test guesses passwords."""
    api, given = Api(program.address), {}
    for who in WHO[1:]:
        requested = {"email": f"{who}@ibiki.test", "password": program.password}
        given[who] = api.ask(SIGN_IN, input=requested)["signIn"]["accessToken"]
    api.close()
    return {"nobody": None, **given}


def documents() -> st.SearchStrategy[Any]:
    """Documents of any query and mutation of the exported schema, with arguments of any kind."""
    texts = st.one_of(st.text(), st.sampled_from(["+12025550100", "2025550100", "150.00", "0"]))
    for name in ("Money", "PhoneNumber", "DateTime", "JSON"):
        schemathesis.graphql.scalar(name, texts.map(nodes.String))
    schemathesis.graphql.scalar("Units", st.integers().map(nodes.Int))
    schema = schemathesis.graphql.from_path(str(ROOT / "schema.graphql"))
    schema.config.update(base_url="http://127.0.0.1")
    strategies = []
    for each in schema.get_all_operations():
        assert isinstance(each, Ok)
        strategies.append(each.ok().as_strategy())
    assert len(strategies) >= 50
    return st.one_of(strategies)


@pytest.mark.parametrize("who", WHO)
def test_no_document_of_the_schema_breaks_anything(
    program: Program, tokens: dict[str, str | None], who: str
) -> None:
    token, codes = tokens[who], Counter[str]()
    headers = {"authorization": f"Bearer {token}"} if token else {}

    @hypothesis.given(case=documents())
    @hypothesis.settings(
        max_examples=EXAMPLES,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    def ask(case: Any) -> None:
        began = time.monotonic()
        answer = http.post("/graphql", json={"query": case.body})
        assert time.monotonic() - began < SLOWEST_SECONDS, case.body
        assert answer.status_code < 500, (case.body, answer.text)
        body = answer.json()
        found = [each["extensions"]["code"] for each in body.get("errors", ())]
        assert CODES.issuperset(found), (case.body, body)
        codes.update(found or ["none"])

    with httpx.Client(base_url=program.address, headers=headers, timeout=200) as http:
        ask()
        assert http.get("/healthz").status_code == 200
    assert codes["none" if token else "UNAUTHENTICATED"] > 0, codes
