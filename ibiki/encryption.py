"""Encrypts credentials and signing secrets with the keys of ENCRYPTION_KEYS."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from uuid import UUID

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from domain import ids
from domain.errors import TryAgain, units_in_words
from domain.ids import Kind
from domain.ledger.credentials import CredentialsUnreadable, unreadable_accounts
from persistence import store

_log = logging.getLogger(__name__)

SIGN_IN = ("username", "password")


class FernetCipher:
    """Implements `domain.ledger.credentials.Cipher` and `domain.hooks.ports.HookCipher`.

    The first key encrypts, all of them decrypt.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def encrypt(self, provider_account_id: UUID, secrets: Mapping[str, str]) -> bytes:
        return self._fernet.encrypt(orjson.dumps([str(provider_account_id), secrets]))

    def decrypt(self, provider_account_id: UUID, encrypted: bytes) -> dict[str, str]:
        try:
            account_id, *stored = orjson.loads(self._fernet.decrypt(encrypted))
            # Earlier versions stored a user name and a password without names.
            secrets = dict(stored[0] if len(stored) == 1 else zip(SIGN_IN, stored, strict=True))
        except (InvalidToken, ValueError, TypeError):
            raise CredentialsUnreadable from None
        # Credentials that an UPDATE copies to another client cannot be decrypted there.
        if account_id != str(provider_account_id):
            raise CredentialsUnreadable
        return secrets

    def encrypt_secret(self, endpoint_id: UUID, secret: str) -> bytes:
        return self._fernet.encrypt(orjson.dumps([str(endpoint_id), secret]))

    def decrypt_secret(self, endpoint_id: UUID, encrypted: bytes) -> str:
        try:
            owner_id, secret = orjson.loads(self._fernet.decrypt(encrypted))
        except (InvalidToken, ValueError, TypeError):
            raise CredentialsUnreadable from None
        if owner_id != str(endpoint_id):
            raise CredentialsUnreadable
        return str(secret)

    def rotate(self, encrypted: bytes) -> bytes:
        try:
            return self._fernet.rotate(encrypted)
        except InvalidToken:
            raise CredentialsUnreadable from None


async def log_unreadable(cipher: FernetCipher) -> None:
    """Logs whether accounts wait because the key of their credentials is lost. For a start."""
    with suppress(TryAgain):
        if unreadable := await unreadable_accounts(await store.encrypted_credentials(), cipher):
            _log.error(
                "no key of ENCRYPTION_KEYS, or of the file encryption-keys, decrypts the"
                " credentials of %s, such as %s: nothing is sent through them. Add the key that is"
                " missing and restart, or set the credentials again",
                units_in_words(len(unreadable), "provider account"),
                ids.encode(Kind.PROVIDER_ACCOUNT, unreadable[0]),
            )
