"""Access tokens: JWT (RFC 7519), signed by HS256 with SECRET_KEY.

The algorithm is fixed here and never read from the token (RFC 8725 §3.1). A token of another type
is refused even if its signature is valid (§3.11).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt

from domain.identity.ports import Claims

ALGORITHM = "HS256"
TYPE = "access"
CLAIMS = ["sub", "sid", "iat", "exp", "typ"]


class AccessTokens:
    """Implements `domain.identity.ports.Tokens`."""

    def __init__(self, secret_key: str, *, lifetime_seconds: int = 900) -> None:
        self._secret_key = secret_key
        self._lifetime = timedelta(seconds=lifetime_seconds)

    def issue(self, *, user_id: UUID, session_id: UUID) -> tuple[str, datetime]:
        now = datetime.now(UTC).replace(microsecond=0)
        expires_at = now + self._lifetime
        claims = {
            "sub": str(user_id),
            "sid": str(session_id),
            "iat": now,
            "exp": expires_at,
            "typ": TYPE,
        }
        return jwt.encode(claims, self._secret_key, algorithm=ALGORITHM), expires_at

    def read(self, token: str) -> Claims | None:
        try:
            claims = jwt.decode(
                token,
                self._secret_key,
                algorithms=[ALGORITHM],
                # The clocks of two machines may differ by a second.
                options={"require": CLAIMS, "verify_iat": False},
            )
            return _claims(claims) if claims["typ"] == TYPE else None
        except (jwt.InvalidTokenError, ValueError, TypeError, AttributeError, OverflowError):
            return None


def _claims(claims: dict[str, Any]) -> Claims:
    return Claims(
        user_id=UUID(claims["sub"]),
        session_id=UUID(claims["sid"]),
        expires_at=datetime.fromtimestamp(claims["exp"], UTC),
    )
