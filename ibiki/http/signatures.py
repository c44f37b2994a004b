"""Signatures of what providers send, as Standard Webhooks has them (specification 1.0.0, 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from standardwebhooks.webhooks import Webhook

SIGNATURE_HEADER = "webhook-signature"


class Signatures:
    """The keys that may sign: two at once while one takes the place of the other."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        """`secrets`: base64, with `whsec_` before it or not."""
        self._keys = [Webhook(secret) for secret in secrets]

    def __bool__(self) -> bool:
        return bool(self._keys)

    def are_of(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """Whether one of the keys signed exactly this, within the last five minutes."""
        signed = [_is_signed(key, body, headers) for key in self._keys]
        return any(signed)


def _is_signed(key: Webhook, body: bytes, headers: Mapping[str, str]) -> bool:
    try:
        key.verify(body, dict(headers), json_parse=False)
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is no signature
        return False
    return True
