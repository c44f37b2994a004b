"""The running program follows openapi.json, for all kinds of requests and for every role."""

from __future__ import annotations

from collections import Counter
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.end_to_end.program import Program
from tests.end_to_end.test_audits import EXAMPLES, WHO, tokens
from tests.test_tidy import ROOT

__all__ = ["tokens"]

pytestmark = [pytest.mark.xdist_group("up"), pytest.mark.timeout(1_800)]

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


def cases(mode: GenerationMode) -> st.SearchStrategy[Any]:
    """Requests to any endpoint, valid and invalid ones."""
    schema = schemathesis.openapi.from_path(str(ROOT / "openapi.json"))
    schema.config.update(base_url="http://127.0.0.1")
    strategies = []
    for each in schema.get_all_operations():
        assert isinstance(each, Ok)
        operation = each.ok()
        if mode is GenerationMode.POSITIVE or operation.method == "post":
            strategies.append(operation.as_strategy(generation_mode=mode))
    return st.one_of(strategies)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("who", WHO)
def test_no_request_breaks_anything_and_answers_keep_to_the_document(
    program: Program, tokens: dict[str, str | None], who: str, mode: GenerationMode
) -> None:
    token, statuses = tokens[who], Counter[int]()
    given = {"authorization": f"Bearer {token}"} if token else {}

    @hypothesis.given(case=cases(mode))
    @hypothesis.settings(
        max_examples=EXAMPLES,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[hypothesis.Phase.generate],
    )
    def ask(case: Any) -> None:
        answer = case.call(base_url=program.address, session=session, headers=given)
        case.validate_response(answer, checks=CHECKS)
        statuses[answer.status_code] += 1

    with requests.Session() as session:
        ask()
    expected = {200} if mode is GenerationMode.POSITIVE else {400, 403}
    assert statuses.keys() & (expected if token else {401}), statuses
