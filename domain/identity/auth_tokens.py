"""Auth tokens of the Twilio-compatible API: they sign status callbacks and are not passwords.

A token is made of SECRET_KEY, the client's ID and a number, so it is the same in every process, and
nothing secret is stored. A new number makes a new token: docs/decisions/0165.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final
from uuid import UUID

from domain.errors import InvalidInput
from domain.identity.clients import existing_client
from domain.identity.directory import Client
from domain.identity.ports import IdentityStore
from domain.transactions import changing

TOKEN_OF: Final = b"the auth token of a client of the Twilio-compatible API"
TOKEN_DIGITS: Final = 32
LONGEST_DELAY_MINUTES: Final = 1_440


@dataclass(frozen=True, slots=True)
class AuthToken:
    """The newest token of a client. `signs_from`: until then, the previous token signs."""

    client: Client
    token: str
    signs_from: datetime


class AuthTokens:
    """The auth tokens of clients."""

    def __init__(self, secret_key: str) -> None:
        # A separate key, so that a token reveals nothing about access tokens.
        self._key = hmac.digest(secret_key.encode(), TOKEN_OF, sha256)

    def of(self, client_id: UUID, number: int = 0) -> str:
        """A token of a client, in Twilio's form."""
        # The first one has no number: it is the token of clients that never asked for another one.
        source = client_id.bytes + (number.to_bytes(4, "big") if number else b"")
        return hmac.digest(self._key, source, sha256).hex()[:TOKEN_DIGITS]

    def signing(self, client: Client) -> str:
        """The token that signs the callbacks of a client now."""
        starts, number = client.auth_token_from, client.auth_token_number
        is_waiting = starts is not None and datetime.now(UTC) < starts
        return self.of(client.id, number - 1 if is_waiting else number)

    async def rotate(
        self, store: IdentityStore, client_id: UUID, *, delay_minutes: int
    ) -> AuthToken:
        """Makes a new token for a client, which signs after the delay.

        Raises NotFound, and InvalidInput for a wrong delay or if the last new token does not sign
        yet.
        """
        if not 0 <= delay_minutes <= LONGEST_DELAY_MINUTES:
            raise InvalidInput(
                f"delayMinutes is 0 to {LONGEST_DELAY_MINUTES:,}.", field="delayMinutes"
            )
        now = datetime.now(UTC)
        starts = now + timedelta(minutes=delay_minutes)
        async with changing(store) as tx:
            await store.lock_identities(tx)
            client = await existing_client(store, tx, client_id)
            before = client.auth_token_from
            if delay_minutes and before is not None and before > now:
                raise InvalidInput(
                    f"A new token signs from {before:%Y-%m-%d %H:%M} UTC on. Until then, only a"
                    " rotation without a delay is possible.",
                    field="delayMinutes",
                )
            number = client.auth_token_number + 1
            client = replace(client, auth_token_number=number, auth_token_from=starts)
            await store.update_client(tx, client)
        return AuthToken(client, self.of(client_id, number), starts)
