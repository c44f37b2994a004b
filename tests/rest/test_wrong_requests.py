"""Wrong requests to the REST API: each is refused, names what is wrong, and sends nothing."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest

from domain import ids
from domain.ids import Kind
from tests import db
from tests.installations import App
from tests.rest import test_schools as schools
from tests.rest.test_rest import (
    BALANCE,
    BULK,
    HELLO,
    INBOX,
    MANY,
    MULTI,
    QUOTE,
    SINGLE,
    STATUS,
    TO,
    failure,
)

TWICE = {"no": "1", "NO": "2"}
VALUES_IN_LIST = "[0].template.values"


@pytest.mark.parametrize(
    ("path", "given", "field"),
    [
        (SINGLE, {"recipient": TO}, "message"),
        (SINGLE, {"recipient": 12025550101, "message": "Hello"}, "recipient"),
        (SINGLE, {**HELLO, "usemodem": "3"}, "usemodem"),
        (SINGLE, {**HELLO, "port": 1}, "port"),
        (BULK, {**MANY, "port": 1}, "port"),
        (MULTI, [{"recipient": TO, "content": "Hello", "usemodem": 1}], "[0].usemodem"),
        (QUOTE, {**MANY, "port": 1}, "port"),
        (SINGLE, {**HELLO, "mesage": "x"}, "mesage"),
        (BULK, {"recipients": TO, "content": "Hello"}, "recipients"),
        (BULK, {"recipients": [TO, None], "content": "Hello"}, "recipients[1]"),
        (MULTI, [{"recipient": TO, "content": "Hello"}, 7], "[1]"),
        (
            MULTI,
            [{"recipient": TO, "content": "Hello"}, {"recipient": TO, "content": ""}],
            "[1].content",
        ),
        (MULTI, [{"recipient": TO, "content": "Hello"}, {"recipient": TO}], "[1].content"),
        (MULTI, [{"recipient": TO, "template": {"name": "x", "values": TWICE}}], VALUES_IN_LIST),
        (MULTI, {"recipient": TO, "content": "Hello"}, None),
        (SINGLE, [HELLO], None),
        (SINGLE, {**HELLO, "message": ""}, "message"),
        (SINGLE, {**HELLO, "message": "nul\0"}, "message"),
        (SINGLE, {"recipient": TO, "template": {"name": "x", "values": TWICE}}, "template.values"),
        (BULK, {**MANY, "content": "x" * 10_000}, "content"),
        (schools.SINGLE, {**HELLO, "message": " "}, "message"),
        (schools.BULK, {"recipients": [TO], "message": " "}, "message"),
        (schools.SINGLE, {"recipient": TO, "content": "Hi"}, "content"),
        (schools.SINGLE, {**HELLO, "port": "1"}, "port"),
        (schools.BULK, {"recipients": [TO], "content": "Hi"}, "content"),
        (schools.BULK, {"recipients": {"0": TO}, "message": "Hi"}, "recipients"),
        (schools.BULK, {"recipients": [TO], "message": ["Hi"]}, "message"),
        (schools.BULK, [], None),
    ],
)
async def test_a_wrong_value_is_named_and_nothing_is_sent(
    web: httpx.AsyncClient, app: App, path: str, given: Any, field: str | None
) -> None:
    figures = failure(await web.post(path, json=given), 400, "INVALID_PARAMS")
    assert figures == ({} if field is None else {"field": field})
    assert await db.held(app.owner.account_id) == 100


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", "application/json", 400, "INVALID_PARAMS"),
        (b"", "application/json", 400, "INVALID_PARAMS"),
        (b"\xff", "application/json", 400, "INVALID_PARAMS"),
        (b'{"recipient":"\\ud800","message":"x"}', "application/json", 400, "INVALID_PARAMS"),
        (b"null", "application/json", 400, "INVALID_PARAMS"),
        (b"[" * 5_000, "application/json", 400, "INVALID_PARAMS"),
        (b"[" * 300_000, "application/json", 413, "TOO_LARGE"),
        (b" " * 1_000_001, "application/json", 413, "TOO_LARGE"),
        (b"recipient=1", "application/x-www-form-urlencoded", 415, "UNSUPPORTED_TYPE"),
        (b"{}", "application/json; charset=latin-1", 415, "UNSUPPORTED_TYPE"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    web: httpx.AsyncClient, body: bytes, content_type: str, status: int, code: str
) -> None:
    headers = {"content-type": content_type}
    assert failure(await web.post(SINGLE, content=body, headers=headers), status, code) == {}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (SINGLE, b'{"recipient":"%b","recipient":"2025550102","message":"x"}', "recipient"),
        (SINGLE, b'{"recipient":"%b","message":"x","message" : "x"}', "message"),
        (
            SINGLE,
            b'{"recipient":"%b","messag\\u0065":"x","message":"say \\u0022hi\\u0022"}',
            "message",
        ),
        (SINGLE, b'{"recipient":"%b","template":{"name":"a","name":"b"}}', "name"),
        (BULK, b'{"recipients":["%b"],"content":"x","content":"y"}', "content"),
        (
            MULTI,
            b'[{"recipient":"%b","content":"x"},{"recipient":"%b","content":"x","content":""}]',
            "content",
        ),
        (schools.BULK, b'{"recipients":["%b"],"recipients":[],"message":"x"}', "recipients"),
        (SINGLE, b'{"a":1,"a":' + b'{"a":' * 200 + b"1" + b"}" * 201, "a"),
        (SINGLE, b'{"a":' * 1_000 + b"1" + b"}" * 1_000, None),
    ],
)
async def test_a_name_that_is_given_twice_is_refused(
    web: httpx.AsyncClient, app: App, path: str, body: bytes, field: str | None
) -> None:
    given = body.replace(b"%b", TO.encode())
    answer = await web.post(path, content=given, headers={"content-type": "application/json"})
    assert failure(answer, 400, "INVALID_PARAMS") == ({} if field is None else {"field": field})
    assert await db.held(app.owner.account_id) == 100


@pytest.mark.parametrize(
    "text",
    ['{"message": "a", "message": "b"}', "\\u0022\\u0022", '"' * 40, "message", '\u20ac"\\x'],
)
@pytest.mark.parametrize("escapes", [False, True])
async def test_a_text_that_looks_like_a_body_is_sent(
    web: httpx.AsyncClient, text: str, escapes: bool
) -> None:
    body = json.dumps({"recipient": TO, "message": text}, ensure_ascii=escapes)
    if escapes:
        body = body.replace('\\"', "\\u0022")
    headers = {"content-type": "application/json"}
    assert (await web.post(SINGLE, content=body, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", SINGLE, 405, "METHOD_NOT_ALLOWED"),
        ("POST", f"{SINGLE}/", 404, "NOT_FOUND"),
        ("GET", "/api/v2/nothing", 404, "NOT_FOUND"),
        ("GET", f"{STATUS}msg_1", 404, "NOT_FOUND"),
        ("GET", f"{STATUS}{ids.encode(Kind.MESSAGE, UUID(int=7))}", 404, "NOT_FOUND"),
        ("GET", f"{INBOX}?after=msg_1", 404, "NOT_FOUND"),
        ("GET", f"{BALANCE}?access_token=abc", 400, "INVALID_PARAMS"),
        ("GET", f"{BALANCE}?key=ibk_0123abcd_secret", 400, "INVALID_PARAMS"),
        ("GET", f"{INBOX}?limit=1&limit=2", 400, "INVALID_PARAMS"),
    ],
)
async def test_an_address_that_has_no_answer_is_refused(
    web: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    assert failure(await web.request(method, path), status, code).keys() <= {"field"}


async def test_a_limit_out_of_its_range_is_refused(web: httpx.AsyncClient) -> None:
    for limit in ("0", "101", "-1", "x", "1e9", "1.0", "+1", "1_0", "\u0661", " 1"):
        answer = await web.get(INBOX, params={"limit": limit})
        assert failure(answer, 400, "INVALID_PARAMS") == {"field": "limit"}, limit


@pytest.mark.parametrize(
    ("path", "given", "sentence"),
    [
        (SINGLE, {**HELLO, "ignoreQuietHours": "yes"}, "ignoreQuietHours must be true or false."),
        (SINGLE, {**HELLO, "template": {"name": "x", "values": []}}, "template.values must be an"),
        (f"{MULTI}?ignoreQuietHours=2", [], "ignoreQuietHours must be true or false."),
        (BULK, {**MANY, "recipients": []}, "Give at least one recipient."),
        (MULTI, [], "Give at least one recipient."),
        (SINGLE, {**HELLO, "": 1}, '"" is unknown here.'),
        (f"{SINGLE}?=1", HELLO, '"" is unknown here.'),
    ],
)
async def test_a_wrong_value_has_a_sentence_of_our_own(
    web: httpx.AsyncClient, path: str, given: Any, sentence: str
) -> None:
    assert (await web.post(path, json=given)).json()["error"].startswith(sentence)


async def test_an_empty_parameter_means_an_absent_one(web: httpx.AsyncClient) -> None:
    assert (await web.get(f"{INBOX}?after=&limit=")).json()["messages"] == []
    assert (await web.get(f"{INBOX}?limit=0")).json()["error"] == "limit must be at least 1."
    assert (await web.get(f"{INBOX}?limit=101")).json()["error"] == "limit must be at most 100."
    assert (await web.get(f"{INBOX}?page=")).json()["field"] == "page"


async def test_a_body_of_dotnet_or_of_a_proxy_is_read(web: httpx.AsyncClient) -> None:
    body = BOM_UTF8 + orjson.dumps(HELLO)
    for encoding in ("Identity", ""):
        headers = {"content-type": "application/json", "content-encoding": encoding}
        assert (await web.post(SINGLE, content=body, headers=headers)).status_code == 200


async def test_a_wrong_method_is_refused_with_those_that_are_right(web: httpx.AsyncClient) -> None:
    for method, path, allowed in [
        ("OPTIONS", SINGLE, "POST"),
        ("PUT", BULK, "POST"),
        ("DELETE", BALANCE, "HEAD, GET"),
        ("POST", INBOX, "HEAD, GET"),
    ]:
        answer = await web.request(method, path)
        assert failure(answer, 405, "METHOD_NOT_ALLOWED") == {}
        assert set(answer.headers["allow"].split(", ")) == set(allowed.split(", "))
    head = await web.head(BALANCE)
    assert (head.status_code, head.content) == (200, b"")
