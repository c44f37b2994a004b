"""Signing in and out: passwords, sessions, and refresh tokens that are each used once.

A refresh token is valid for one use. The use adds the next token of the session. If a token is used
again soon afterwards, the first answer may have been lost, or two tabs have used it at the same
moment: the second use gets the same next token. If it is used again later, two parties know it and
one of them may have stolen it: the session ends. See docs/decisions/0091.
"""

from __future__ import annotations

import asyncio
import hmac
import re
import secrets
import unicodedata
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from domain.errors import (
    Forbidden,
    InvalidCredentials,
    InvalidInput,
    NotFound,
    RateLimited,
    Unauthenticated,
)
from domain.identity.access import Actor
from domain.identity.actors import check_credential
from domain.identity.directory import LONGEST_EMAIL, LONGEST_PASSWORD, User, password_of
from domain.identity.ports import (
    Login,
    OpenSession,
    Passwords,
    RefreshToken,
    SessionStore,
    Throttle,
    Tokens,
)
from domain.ids import new_id
from domain.transactions import Transaction, changing

CHECKS_AT_ONCE = 4
"""Passwords that one process checks at the same time."""

MOST_WAITING = 200
"""Sign-ins that may wait for their check: a few seconds of work."""

REUSE_SECONDS = 30.0
"""How long after its use a refresh token still gets the next token of its session."""

MOST_LISTED = 100
"""Open sessions of a user that are listed."""

_NEVER_STORED = re.compile(r"[\x00\ud800-\udfff]")


class SessionOver(InvalidCredentials):
    """This session is over. Sign in again."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session with its tokens. `expires_at` is the end of the access token."""

    user_id: UUID
    session_id: UUID
    access_token: str
    refresh_token: str
    expires_at: datetime


class Sessions:
    """Signs users in and out, and changes their passwords."""

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
        self._checks = asyncio.Semaphore(CHECKS_AT_ONCE)
        self._waiting = 0

    async def sign_in(self, email: str, password: str, *, address: str) -> SignedIn:
        """Starts a session. An unknown email gets the same answer after the same time.

        Raises InvalidCredentials, or RateLimited if the account or the address failed too often.
        """
        email = _normalised(email, LONGEST_EMAIL).strip()
        return await self._begin(await self._verified(email, password, address))

    async def change_password(self, actor: Actor, *, current: str, new: str, address: str) -> User:
        """Changes the password of the actor's user, and ends its other sessions. Keys stay valid.

        A wrong current password counts as a failed sign-in. Raises InvalidInput, RateLimited,
        Unauthenticated if the session has just ended, or Forbidden if the actor is an API key.
        """
        if actor.expires_at is None:
            raise Forbidden("An API key cannot change the password. Sign in to do this.")
        password = password_of(new, field="newPassword")
        if password == _normalised(current, LONGEST_PASSWORD):
            raise InvalidInput("It must differ from the current password.", field="newPassword")
        user = await self._store.find_user(actor.user_id)
        if user is None:
            raise Unauthenticated
        wrong = InvalidInput("The current password is wrong.", field="currentPassword")
        try:
            login = await self._verified(user.email, current, address)
        except InvalidCredentials:
            raise wrong from None
        password_hash = await self._passwords.hash(password)
        async with changing(self._store) as tx:
            if not await self._store.change_password(tx, login, password_hash):
                raise wrong
            await check_credential(self._store, tx, actor)
            await self._store.end_sessions_of(tx, user.id, except_id=actor.credential_id)
            await self._store.note_access_changes(tx, [user.id])
        return user

    async def refresh(self, refresh_token: str) -> SignedIn:
        """The next tokens of the session. Raises SessionOver.

        Safe to repeat for REUSE_SECONDS: it then returns the same refresh token again.
        """
        signed_in = None
        async with changing(self._store, repeatable=True) as tx:
            used = await self._store.lock_refresh_token(tx, _hash(refresh_token))
            if used is not None:
                signed_in = await self._use(tx, used, refresh_token)
        # Raise after the commit: a rollback would open the session again.
        if signed_in is None:
            raise SessionOver
        return signed_in

    async def sign_out(self, refresh_token: str) -> bool:
        """Ends the session and its access token. False if the token never existed."""
        async with changing(self._store, repeatable=True) as tx:
            token = await self._store.lock_refresh_token(tx, _hash(refresh_token))
            if token is None:
                return False
            await self._store.end_session(tx, token.session_id)
            return True

    async def list_open(self, actor: Actor) -> Sequence[OpenSession]:
        """The open sessions of the actor's user, newest first: at most MOST_LISTED."""
        return await self._store.list_sessions(actor.user_id, most=MOST_LISTED)

    async def end(self, actor: Actor, session_id: UUID) -> OpenSession:
        """Ends an open session of the actor's user, and its access token. Raises NotFound."""
        async with changing(self._store) as tx:
            found = await self._store.find_open_session(tx, actor.user_id, session_id)
            if found is None:
                raise NotFound("session")
            await self._store.end_session(tx, session_id)
            return found

    async def end_others(self, actor: Actor) -> int:
        """Ends the sessions of the actor's user, except that of this request. Returns how many.

        Called with an API key, it ends all of them. Keys stay valid.
        """
        async with changing(self._store, repeatable=True) as tx:
            ended = await self._store.end_sessions_of(
                tx, actor.user_id, except_id=actor.credential_id
            )
            await self._store.note_access_changes(tx, [actor.user_id])
            return ended

    async def _verified(self, email: str, password: str, address: str) -> Login:
        """The login of that email if the password is right, within the limits of failures."""
        await self._throttle.check(account=email.lower(), address=address)
        if self._waiting >= MOST_WAITING:
            raise RateLimited(1)
        self._waiting += 1
        try:
            login = await self._checked(email, password, address)
        finally:
            self._waiting -= 1
        await self._throttle.succeeded(account=email.lower(), address=address)
        return login

    async def _checked(self, email: str, password: str, address: str) -> Login:
        """The login of that email if the password is right.

        The counters are read again when it is this request's turn. Otherwise many guesses that
        arrive at once would all pass before the first of them is counted.
        """
        async with self._checks:
            await self._throttle.check(account=email.lower(), address=address)
            login = await self._store.find_login(email)
            stored = login.password_hash if login else None
            right = await self._passwords.verify(_normalised(password, LONGEST_PASSWORD), stored)
            if login is None or not right:
                await self._throttle.failed(account=email.lower(), address=address)
                raise InvalidCredentials
            return login

    async def _begin(self, login: Login) -> SignedIn:
        session_id, refresh_token = new_id(), secrets.token_urlsafe(32)
        async with changing(self._store, repeatable=True) as tx:
            if not await self._store.begin_session(tx, login, session_id):
                raise InvalidCredentials
            await self._add_token(tx, session_id, refresh_token)
        return self._signed_in(login.user_id, session_id, refresh_token)

    async def _use(self, tx: Transaction, used: RefreshToken, secret: str) -> SignedIn | None:
        """The next tokens; None if this ended the session."""
        seconds_ago, salt = used.used_seconds_ago, used.successor_salt
        if not used.is_valid or (seconds_ago is not None and seconds_ago > REUSE_SECONDS):
            await self._store.end_session(tx, used.session_id)
            return None
        if salt is None:
            salt = secrets.token_bytes(32)
            await self._store.mark_refresh_token_used(tx, used.id, salt)
            await self._add_token(tx, used.session_id, _successor(secret, salt))
        return self._signed_in(used.user_id, used.session_id, _successor(secret, salt))

    async def _add_token(self, tx: Transaction, session_id: UUID, refresh_token: str) -> None:
        await self._store.add_refresh_token(
            tx, session_id, _hash(refresh_token), lifetime_days=self._refresh_days
        )

    def _signed_in(self, user_id: UUID, session_id: UUID, refresh_token: str) -> SignedIn:
        access_token, expires_at = self._tokens.issue(user_id=user_id, session_id=session_id)
        return SignedIn(user_id, session_id, access_token, refresh_token, expires_at)


def _successor(refresh_token: str, salt: bytes) -> str:
    """The next refresh token.

    It is computed again when a use is repeated, so it need not be stored. Neither the database
    (it has the salt and a hash of the token) nor the holder of the old token can compute it alone.
    """
    digest = hmac.digest(refresh_token.encode(), salt, "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode()


def _hash(token: str) -> bytes:
    """A fast hash is enough: the 256 random bits of a token cannot be guessed."""
    return sha256(token.encode(errors="replace")).digest()


def _normalised(typed: str, longest: int) -> str:
    """The text in the form that is stored; empty if no such text can be stored."""
    if len(typed) > longest or _NEVER_STORED.search(typed):
        return ""
    return unicodedata.normalize("NFC", typed)
