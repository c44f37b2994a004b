"""Access tokens: valid ones are read, and all others are refused."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt
import pytest

from ibiki.tokens import AccessTokens

KEY = "a secret key of the tests, 32 bytes or more"
TOKENS = AccessTokens(KEY)
USER, SESSION = UUID(int=7), UUID(int=8)


def claims(**changes: Any) -> dict[str, Any]:
    now = int(datetime.now(UTC).timestamp())
    usual = {"sub": str(USER), "sid": str(SESSION), "iat": now, "exp": now + 900, "typ": "access"}
    return {name: value for name, value in (usual | changes).items() if value is not ...}


def signed(key: str = KEY, algorithm: str = "HS256", **changes: Any) -> str:
    return jwt.encode(claims(**changes), key, algorithm=algorithm)


def unsigned(header: dict[str, str], body: dict[str, Any], signature: str = "") -> str:
    parts = [json.dumps(each).encode() for each in (header, body)]
    return ".".join(
        [*(base64.urlsafe_b64encode(p).rstrip(b"=").decode() for p in parts), signature]
    )


def test_a_token_has_user_session_and_expiry() -> None:
    token, expires_at = TOKENS.issue(user_id=USER, session_id=SESSION)
    read = TOKENS.read(token)
    assert read is not None
    assert (read.user_id, read.session_id, read.expires_at) == (USER, SESSION, expires_at)
    left = expires_at - datetime.now(UTC)
    assert timedelta(minutes=14, seconds=57) < left <= timedelta(minutes=15)


def test_the_lifetime_of_a_token_is_a_setting() -> None:
    _, expires_at = AccessTokens(KEY, lifetime_seconds=60).issue(user_id=USER, session_id=SESSION)
    assert expires_at - datetime.now(UTC) <= timedelta(seconds=60)


def test_a_token_holds_no_more_than_it_needs() -> None:
    token, _ = TOKENS.issue(user_id=USER, session_id=SESSION)
    read = jwt.decode(token, options={"verify_signature": False})
    assert set(read) == {"sub", "sid", "iat", "exp", "typ"}
    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}


def test_a_token_from_a_machine_with_a_fast_clock_is_accepted() -> None:
    assert TOKENS.read(signed(iat=int(datetime.now(UTC).timestamp()) + 30)) is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 1},
        {"exp": 10**30},
        {"exp": "soon"},
        {"exp": None},
        {"exp": ...},
        {"iat": ...},
        {"sub": ...},
        {"sub": 7},
        {"sub": "7"},
        {"sub": None},
        {"sid": ...},
        {"sid": [str(SESSION)]},
        {"sid": "not a session"},
        {"typ": ...},
        {"typ": "refresh"},
        {"typ": ["access"]},
        {"typ": None},
    ],
    ids=str,
)
def test_a_token_with_missing_claims_or_another_type_is_refused(changes: dict[str, Any]) -> None:
    try:
        token = signed(**changes)
    except TypeError:  # the library refuses to write it, so it is written here
        token = jwt.api_jws.encode(json.dumps(claims(**changes)).encode(), KEY, algorithm="HS256")
    assert TOKENS.read(token) is None


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "HS384", "RS256", ""])
def test_a_token_that_names_another_algorithm_is_refused(algorithm: str) -> None:
    header = {"alg": algorithm, "typ": "JWT"}
    genuine = signed().rpartition(".")[2]
    assert TOKENS.read(unsigned(header, claims())) is None
    assert TOKENS.read(unsigned(header, claims(), genuine)) is None


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_token_that_is_signed_with_anything_else_is_refused() -> None:
    assert TOKENS.read(signed("another secret key of 32 bytes or more")) is None
    assert TOKENS.read(signed(KEY * 2, "HS512")) is None
    assert TOKENS.read(signed(algorithm="HS384", key=KEY * 2)) is None
    genuine = signed()
    head, body, signature = genuine.split(".")
    flipped = "A" if signature[0] != "A" else "B"
    assert TOKENS.read(f"{head}.{body}.{flipped}{signature[1:]}") is None
    assert TOKENS.read(f"{head}.{body}.") is None
    assert TOKENS.read(unsigned({"alg": "HS256"}, claims(sub=str(UUID(int=0))), signature)) is None


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b.c", "é.é.é", "\ud800", "a" * 2000, "e30.e30.e30", "null", "{}"]
)
def test_text_that_is_not_a_token_is_refused(token: str) -> None:
    assert TOKENS.read(token) is None
