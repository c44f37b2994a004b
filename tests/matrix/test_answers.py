"""No mutation reads the database between its COMMIT and its answer.

A read there could fail, and then the caller would repeat the mutation. Here the database
becomes unavailable right after the COMMIT, for every mutation of the schema.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from graphql import GraphQLObjectType, GraphQLUnionType, get_named_type, is_leaf_type

from resolvers.ledger import reconcile
from tests import databases
from tests.commit_outage import CommitOutage
from tests.installations import ENGINE
from tests.matrix.documents import document_for, is_restricted
from tests.matrix.row import FORBIDDEN, UNAUTHENTICATED, Row
from tests.matrix.rows import ROWS
from tests.matrix.scenario import ROLES, Scenario, scenario
from tests.matrix.test_matrix import field_of, filled, is_refusal, refusal_in

MUTATIONS = [name for name in ROWS if name.startswith("Mutation.")]

# Commits before the one that carries out the mutation, each with the reason.
EARLIER_COMMITS = {
    "Mutation.sync": 1  # marks are paused before the balance is read
}

# Mutations that change nothing, or whose row of the matrix is a dry run: there is no COMMIT.
READ_ONLY = {"Mutation.testReplyReadiness", "Mutation.settleUnknowns"}

CHECKED = sorted(set(MUTATIONS) - READ_ONLY)


@pytest.fixture(scope="module")
async def settled(database_template: Any) -> AsyncIterator[Scenario]:
    """The scenario, once for all tests of this module."""
    async with databases.fresh_copy(database_template) as url, scenario(url) as settled:
        yield settled


@pytest.mark.parametrize("name", CHECKED)
async def test_a_mutation_answers_though_the_database_becomes_unavailable_after_its_commit(
    settled: Scenario, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    row, who = somebody_who_may(name)
    body = await run_until_commit(settled, monkeypatch, name, row, who, values_document(name, row))
    assert "errors" not in body, body
    [answer] = body["data"].values()
    assert answer is not None
    if isinstance(answer, dict):
        assert refusal_in(answer) is None, answer


@pytest.mark.parametrize("name", CHECKED)
async def test_a_part_that_cannot_be_read_after_the_commit_does_not_ask_for_a_repetition(
    settled: Scenario, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    row, who = somebody_who_may(name)
    whole = document_for(ENGINE.schema, name, row.given)
    body = await run_until_commit(settled, monkeypatch, name, row, who, whole)
    for error in body.get("errors", ()):
        assert error["extensions"]["code"] == "INTERNAL", error
        assert error["message"].startswith("The request was carried out"), error


async def test_every_exception_is_needed(settled: Scenario) -> None:
    assert set(MUTATIONS) >= READ_ONLY
    assert set(EARLIER_COMMITS) <= set(MUTATIONS)


async def run_until_commit(
    scenario: Scenario,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    row: Row,
    who: str,
    document: str,
) -> dict[str, Any]:
    """The answer to a mutation if the database becomes unavailable after its COMMIT."""
    variables = await filled(scenario, row.given)
    if row.first is not None:
        await row.first(scenario)
    for runs in (scenario.app.installation.reconciler, scenario.app.installation.auditor):
        # A run of an earlier test tries again in the background: its COMMIT must not be counted.
        await runs.stop()
        runs.start()
    outage = CommitOutage(commits=1 + EARLIER_COMMITS.get(name, 0))
    with monkeypatch.context() as patched:
        outage.install(patched)
        # The run cannot end without a database, and the answer would wait for it.
        patched.setattr(reconcile, "ANSWER_SECONDS", 0.1)
        answer = await scenario.ask(who, document, variables)
    body: dict[str, Any] = orjson.loads(answer)
    assert outage.has_begun, f"{name} has committed nothing: {body}"
    return body


def somebody_who_may(name: str) -> tuple[Row, str]:
    """A row of the matrix for the mutation, and an actor for whom it succeeds."""
    refusals = {FORBIDDEN, UNAUTHENTICATED}
    for row in ROWS[name]:
        for who in ROLES:
            cell = getattr(row, who)
            if cell not in refusals and not is_refusal(cell):
                return row, who
    raise AssertionError(f"{name} succeeds for nobody in the matrix")


def values_document(name: str, row: Row) -> str:
    """The mutation with all fields of its result that are values, so that nothing is looked up."""
    field = field_of(name)
    declared = ", ".join(f"${each}: {field.args[each].type}" for each in row.given)
    passed = ", ".join(f"{each}: ${each}" for each in row.given)
    head = f"mutation ({declared})" if row.given else "mutation"
    arguments = f"({passed})" if row.given else ""
    selected = _values(get_named_type(field.type))
    return f"{head} {{ {name.split('.')[1]}{arguments}{selected} }}"


def _values(type_: Any) -> str:
    if is_leaf_type(type_):
        return ""
    if isinstance(type_, GraphQLUnionType):
        members = [f"... on {each.name}{_values(each)}" for each in type_.types]
        return f" {{ __typename {' '.join(members)} }}"
    assert isinstance(type_, GraphQLObjectType)
    selected = [
        name + _values(get_named_type(field.type))
        for name, field in type_.fields.items()
        if _is_value(field)
    ]
    return f" {{ {' '.join(selected)} }}"


def _is_value(field: Any) -> bool:
    """Whether the field is an attribute, or a leaf made from one, for everybody to see."""
    is_leaf = is_leaf_type(get_named_type(field.type))
    is_attribute = field.extensions["strawberry-definition"].is_basic_field
    return (is_leaf or is_attribute) and not is_restricted(field)
