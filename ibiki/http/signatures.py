"""Signatures of webhooks, as specified by Standard Webhooks 1.0.0 (2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from standardwebhooks.webhooks import Webhook

SIGNATURE_HEADER = "webhook-signature"


class Signatures:
    """The valid keys. There are several while a key is being changed."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        """`secrets` are in base64, with or without `whsec_`."""
        self._keys = [Webhook(secret) for secret in secrets]

    def __bool__(self) -> bool:
        return bool(self._keys)

    def are_valid(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """Whether one of the keys signed this body within the last five minutes."""
        signed = [_is_signed(key, body, headers) for key in self._keys]
        return any(signed)


def _is_signed(key: Webhook, body: bytes, headers: Mapping[str, str]) -> bool:
    try:
        key.verify(body, dict(headers), json_parse=False)
    except Exception:  # noqa: BLE001 - any error means that it is not valid
        return False
    return True
