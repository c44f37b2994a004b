"""The OpenAPI document: it is the file in the repository, and each endpoint keeps to it."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from ibiki.http.rest.endpoints import ENDPOINTS
from ibiki.http.rest.openapi import export_openapi

FILE = Path(__file__).parents[2] / "openapi.json"


async def test_the_document_is_the_file_in_the_repository(web: httpx.AsyncClient) -> None:
    assert FILE.read_text() == export_openapi(), "run: ibiki export-openapi > openapi.json"
    served = await web.get("/api/openapi.json", headers={"authorization": ""})
    assert served.status_code == 200
    assert served.json() == json.loads(FILE.read_text())


def test_the_document_is_valid() -> None:
    problems = OPENAPI_31_VALIDATOR.iter_errors(json.loads(FILE.read_text()))
    assert [each.message for each in problems] == []


def test_every_endpoint_and_every_value_is_described() -> None:
    document = json.loads(FILE.read_text())
    assert document["openapi"].startswith("3.1.")
    for each in ENDPOINTS:
        operation = document["paths"][each.path][each.method.lower()]
        assert operation["summary"].endswith(".")
        for parameter in operation["parameters"]:
            assert parameter["in"] == "path" or parameter["description"]
    for name, schema in document["components"]["schemas"].items():
        assert schema["description"], name


def test_no_value_of_a_body_has_a_default_that_generated_types_would_demand() -> None:
    schemas = json.loads(FILE.read_text())["components"]["schemas"]
    bodies = {each.body.__name__ for each in ENDPOINTS if each.body is not None}
    for name in bodies | {"SendItem", "TemplateUse"}:
        for value in schemas[name].get("properties", {}).values():
            assert "default" not in value, name


def test_a_key_has_the_same_limits_in_the_body_of_settle_as_in_a_header() -> None:
    document = json.loads(FILE.read_text())
    [header] = document["paths"]["/api/v2/sms/settle"]["post"]["parameters"]
    in_body = document["components"]["schemas"]["SettleKey"]["properties"]["idempotencyKey"]
    assert header["schema"].items() <= in_body.items()


def test_generated_clients_read_large_balances() -> None:
    """Those in Go and Java take a number without a format for one of 32 bits."""
    schemas = json.loads(FILE.read_text())["components"]["schemas"]
    amounts = {"balance", "cost", "required", "available"}
    found = [
        next(each for each in value.get("anyOf", [value]) if each["type"] == "integer")
        for schema in schemas.values()
        for name, value in schema.get("properties", {}).items()
        if name in amounts
    ]
    assert [each.get("format") for each in found] == ["int64"] * 10
