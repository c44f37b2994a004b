"""Signing in and out: passwords, sessions, and chains of refresh tokens that are used once each."""

from __future__ import annotations

import asyncio
import re
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from domain.errors import InvalidCredentials, RateLimited
from domain.identity.ports import Login, Passwords, SessionStore, Throttle, Tokens
from domain.identity.records import LONGEST_EMAIL, LONGEST_PASSWORD
from domain.ids import new_id
from domain.transactions import Transaction, changing

AT_ONCE = 4
"""Passwords of one process that are looked at together."""

MOST_WAITING = 200
"""Sign-ins that may wait for their turn: some seconds' worth."""


_NEVER_KEPT = re.compile(r"[\x00\ud800-\udfff]")


class SessionOver(InvalidCredentials):
    """This session is over. Sign in again."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session as its user gets it. `expires_at`: of the access token."""

    user_id: UUID
    session_id: UUID
    access_token: str
    refresh_token: str
    expires_at: datetime


class Sessions:
    """Where people come in and go out."""

    def __init__(
        self,
        *,
        store: SessionStore,
        passwords: Passwords,
        tokens: Tokens,
        throttle: Throttle,
        refresh_days: int = 30,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._tokens = tokens
        self._throttle = throttle
        self._refresh_days = refresh_days
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def sign_in(self, email: str, password: str, *, address: str) -> SignedIn:
        """A new session. An email that nobody has gets the same answer, after the same time.

        Raises InvalidCredentials, or RateLimited where the account or the address failed too often.
        """
        email = _as_kept(email, LONGEST_EMAIL).strip()
        await self._throttle.check(account=email.lower(), address=address)
        if self._waiting >= MOST_WAITING:
            raise RateLimited(1)
        self._waiting += 1
        try:
            login = await self._verified(email, password, address)
        finally:
            self._waiting -= 1
        await self._throttle.succeeded(account=email.lower(), address=address)
        return await self._begin(login)

    async def refresh(self, refresh_token: str) -> SignedIn:
        """The session's next tokens. Raises SessionOver.

        A token that was used before ends the session: two know it, and one of them stole it.
        """
        token_hash = _hash(refresh_token)
        signed_in = None
        async with changing(self._store) as tx:
            used = await self._store.use_refresh_token(tx, token_hash)
            if used is None:
                await self._end(tx, token_hash)
            else:
                user_id, session_id = used
                signed_in = await self._issue(tx, user_id=user_id, session_id=session_id)
        if signed_in is None:
            raise SessionOver
        return signed_in

    async def sign_out(self, refresh_token: str) -> bool:
        """Ends the session and so its access token; False where there never was such a session."""
        async with changing(self._store) as tx:
            return await self._end(tx, _hash(refresh_token))

    async def _verified(self, email: str, password: str, address: str) -> Login:
        """The login of that email, if the password is right.

        The counters are looked at again in turn: of a thousand guesses sent at once, no more
        come through than of a thousand sent one by one.
        """
        async with self._turns:
            await self._throttle.check(account=email.lower(), address=address)
            login = await self._store.find_login(email)
            kept = login.password_hash if login else None
            right = await self._passwords.verify(_as_kept(password, LONGEST_PASSWORD), kept)
            if login is None or not right:
                await self._throttle.failed(account=email.lower(), address=address)
                raise InvalidCredentials
            return login

    async def _begin(self, login: Login) -> SignedIn:
        session_id = new_id()
        async with changing(self._store) as tx:
            if not await self._store.begin_session(tx, login, session_id):
                raise InvalidCredentials
            return await self._issue(tx, user_id=login.user_id, session_id=session_id)

    async def _issue(self, tx: Transaction, *, user_id: UUID, session_id: UUID) -> SignedIn:
        refresh_token = secrets.token_urlsafe(32)
        await self._store.write_refresh_token(
            tx, session_id, _hash(refresh_token), lifetime_days=self._refresh_days
        )
        access_token, expires_at = self._tokens.issue(user_id=user_id, session_id=session_id)
        return SignedIn(user_id, session_id, access_token, refresh_token, expires_at)

    async def _end(self, tx: Transaction, token_hash: bytes) -> bool:
        session_id = await self._store.find_session(tx, token_hash)
        if session_id is not None:
            await self._store.end_session(tx, session_id)
        return session_id is not None


def _hash(token: str) -> bytes:
    """256 random bits cannot be guessed: a fast hash keeps them as safe as a slow one would."""
    return sha256(token.encode(errors="replace")).digest()


def _as_kept(typed: str, longest: int) -> str:
    """What was typed, as it was kept; empty, and so nobody's, where nothing is kept like this."""
    if len(typed) > longest or _NEVER_KEPT.search(typed):
        return ""
    return unicodedata.normalize("NFC", typed)
