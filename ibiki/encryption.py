"""Encrypts credentials and signing secrets with the keys of ENCRYPTION_KEYS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from domain.ledger.credentials import CredentialsUnreadable

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
