"""The actor of an HTTP request, by `Authorization: Bearer …`, and its idempotency key.

The credential is an access token or an API key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from domain.errors import InvalidInput, TryAgain
from domain.identity.access import Actor
from domain.identity.ports import Authenticator
from ibiki.http.refusals import RequestRefused

if TYPE_CHECKING:
    from starlette.types import Scope

KEY_HEADER = b"idempotency-key"


def headers_of(scope: Scope) -> dict[bytes, bytes]:
    """The headers, the last of each name. Raises RequestRefused for two credentials."""
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name == b"authorization" and name in headers:
            raise RequestRefused(400, "Send one Authorization header, not several.")
        headers[name] = value
    return headers


def credential_of(headers: Mapping[bytes, bytes]) -> str | None:
    """The access token or API key of a request; None without one."""
    scheme, _, credential = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return (credential.strip() or None) if scheme.lower() == "bearer" else None


async def bearer_of(authenticator: Authenticator, headers: Mapping[bytes, bytes]) -> Actor | None:
    """The actor; None without a valid credential. Raises RequestRefused."""
    credential = credential_of(headers)
    return None if credential is None else await actor_of(authenticator, credential)


async def actor_of(authenticator: Authenticator, credential: str) -> Actor | None:
    """The actor of a credential; None if it is not valid. Raises RequestRefused."""
    try:
        return await authenticator.actor_for(credential)
    except TryAgain as refusal:
        raise try_again(refusal) from None


def try_again(refusal: TryAgain) -> RequestRefused:
    """The refusal as an HTTP response."""
    retry = [(b"retry-after", b"1")]
    return RequestRefused(503, str(refusal), code=refusal.code, headers=retry)


def idempotency_key_of(scope: Scope) -> str | None:
    """The Idempotency-Key of a request; None without one. Raises InvalidInput."""
    keys = [value for name, value in scope["headers"] if name == KEY_HEADER]
    if len(keys) > 1:
        raise InvalidInput("Send one Idempotency-Key header, not several.")
    if keys and not keys[0].isascii():
        raise InvalidInput("An Idempotency-Key has only ASCII characters.")
    return keys[0].decode("ascii") if keys else None
