"""Encrypts the credentials of provider accounts with the keys of ENCRYPTION_KEYS."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import orjson
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from domain.ledger.credentials import CredentialsUnreadable
from domain.provider import Credentials


class FernetCipher:
    """Fills the port `domain.ledger.credentials.Cipher`. The first key encrypts, all decrypt."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def encrypt(self, provider_account_id: UUID, credentials: Credentials) -> bytes:
        """The encrypted credentials. They can be decrypted for this provider account only."""
        plain = [str(provider_account_id), credentials.username, credentials.password]
        return self._fernet.encrypt(orjson.dumps(plain))

    def decrypt(self, provider_account_id: UUID, encrypted: bytes) -> Credentials:
        """The credentials of this provider account. Raises CredentialsUnreadable."""
        try:
            account_id, username, password = orjson.loads(self._fernet.decrypt(encrypted))
        except (InvalidToken, ValueError, TypeError):
            raise CredentialsUnreadable from None
        # Credentials that an UPDATE copies to another client cannot be decrypted there.
        if account_id != str(provider_account_id):
            raise CredentialsUnreadable
        return Credentials(username, password)

    def rotate(self, encrypted: bytes) -> bytes:
        """The same, encrypted with the first key. Raises CredentialsUnreadable."""
        try:
            return self._fernet.rotate(encrypted)
        except InvalidToken:
            raise CredentialsUnreadable from None
