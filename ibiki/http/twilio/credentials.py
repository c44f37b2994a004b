"""The actor of a request: HTTP Basic with a SID and the secret of an API key, or Bearer."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from domain.identity.access import Actor
from domain.identity.ports import Authenticator
from domain.ids import SidKind, sid_of
from ibiki.http.headers import actor_of, bearer_of


async def caller_of(authenticator: Authenticator, headers: Mapping[bytes, bytes]) -> Actor | None:
    """The actor; None without a valid credential. Raises RequestRefused."""
    scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"basic":
        return await bearer_of(authenticator, headers)
    name, _, secret = _decoded(given).partition(":")
    actor = await actor_of(authenticator, secret) if secret else None
    return actor if actor is not None and name in _names_of(actor) else None


def _names_of(actor: Actor) -> set[str]:
    """The user names that its API key may be used with: the account's SID and the key's own."""
    if actor.expires_at is not None or actor.client_id is None:  # a session, or no account
        return set()
    return {sid_of(SidKind.ACCOUNT, actor.client_id), sid_of(SidKind.KEY, actor.credential_id)}


def _decoded(given: bytes) -> str:
    """The user name and the password; an empty text for anything that is not base64."""
    try:
        return base64.b64decode(given.strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return ""
