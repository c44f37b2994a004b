"""Secrets and phone numbers are masked in logs, useful values are not."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from ibiki.observability.masks import masked, masked_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sent to +12025550143.", "sent to +***43."),
        ("to +1 (202) 555-0143, again", "to +***43, again"),
        ("to + 1 202 555 0143", "to +***43"),
        ("from 12025550143", "from ***43"),
        ("from 2025550143", "from ***43"),
        ("from (202) 555-0143", "from ***43"),
        ("from 202-555-0143 and 202.555.0144", "from ***43 and ***44"),
        ('{"to": "+12025550143"}', '{"to": "+***43"}'),
        ("['+12025550143', '+12025550144']", "['+***43', '+***44']"),
        ("tel:+12025550143", "tel:+***43"),
        ("DETAIL:  Key (number)=(+12025550143) already exists.", "DETAIL:  Key (number)=(+***43) "
         "already exists."),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ('"authorization": "bearer abc"', '"authorization": "bearer ***"'),
        ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "got ***"),
        ("postgresql://ibiki:pa:ss@db:5432/ibiki", "postgresql://***@db:5432/ibiki"),
        ("redis://:hidden@cache:6379/0", "redis://***@cache:6379/0"),
        ("GET /graphql?token=hidden HTTP/1.1", "GET /graphql?*** HTTP/1.1"),
        (
            "https://sms.example/api/v1/plain/?username=u&password=hidden&number=1",
            "https://sms.example/api/v1/plain/?***",
        ),
        ("url='https://h.example/?a=b', status=200", "url='https://h.example/?***', status=200"),
        ("POST /webhooks/extreme/hidden HTTP/1.1", "POST /webhooks/extreme/*** HTTP/1.1"),
        ("password=hidden, user=u", "password=***, user=u"),
        ('{"password": "hid den", "n": 1}', '{"password": ***, "n": 1}'),
        ("refreshToken: hidden", "refreshToken: ***"),
        ("EXTREME_API_KEY=hidden", "EXTREME_API_KEY=***"),
        ("api-key: 'hidden'", "api-key: ***"),
    ],
)  # fmt: skip
def test_a_secret_or_a_phone_number_is_masked(text: str, expected: str) -> None:
    assert masked_text(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T23:48:18.089123Z",
        "2026-11-20 23:48:18",
        "took 1234567890.5 ms",
        "019360a1-7c00-7123-8123-123456789012",
        "msg_01jd0q3v9m8n7p6k5h4g3f2e1d",
        "507f1f77bcf86cd799439011",
        "accepted 100000 messages in 1.25 s",
        "127.0.0.1:8000",
        "Is it there? yes, a=b",
        "POST /api/webhook/extreme 200",
        "wait for 5 tokens, then continue",
    ],
)
def test_useful_values_are_not_masked(text: str) -> None:
    assert masked_text(text) == text


@dataclass
class _Message:
    to: str


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("count", 12025550143, 12025550143),
        ("ok", True, True),
        ("password", None, None),
        ("password", "hidden", "***"),
        ("access_token", "hidden", "***"),
        ("tokens", 5, 5),
        ("secret_key", b"hidden", "***"),
        ("encryption_keys", ["+12025550143"], ["+***43"]),
        ("message", _Message("+12025550143"), "_Message(to='+***43')"),
        ("body", b'{"to": "+12025550143"}', """b'{"to": "+***43"}'"""),
        (
            "variables",
            {"input": {"to": ["+12025550143"], "password": "hidden", "+12025550143": 1}},
            {"input": {"to": ["+***43"], "password": "***", "+***43": 1}},
        ),
        ("pair", ("+12025550143", {"secret": "hidden"}), ["+***43", {"secret": "***"}]),
    ],
)
def test_nested_values_are_masked(name: str, value: object, expected: object) -> None:
    assert masked(value, name=name) == expected


def test_a_recursive_value_is_cut() -> None:
    endless: list[object] = []
    endless.append(endless)
    assert masked(endless) == [[[[[["…"]]]]]]


@pytest.mark.parametrize(
    "piece",
    ["a", "password", "password ", "?", "?=", "://", "eyJ", "+1 ", "1", "1 ", "(202) ", "Bearer "],
)
def test_no_text_takes_long(piece: str) -> None:
    begun_at = time.thread_time()
    assert len(masked_text(piece * 1_000_000)) <= 20_001
    assert time.thread_time() - begun_at < 0.5


def test_a_value_with_a_broken_repr_is_logged_by_type() -> None:
    class FailingRepr:
        def __repr__(self) -> str:
            raise ValueError("no")

    assert masked(FailingRepr()) == "<FailingRepr>"
