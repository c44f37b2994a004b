"""What the HTTP front needs to know who is asking."""

from __future__ import annotations

from typing import Protocol

from domain.access import Actor


class Authenticator(Protocol):
    """Tells whose a bearer credential is, an access token's or an API key's."""

    async def actor_for(self, credential: str) -> Actor | None:
        """The actor, None for a credential that is unknown, expired, revoked or disabled."""
        ...
