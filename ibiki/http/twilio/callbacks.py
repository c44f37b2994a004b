"""Status callbacks: forms that are posted to the URL of one message, signed as Twilio does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode, urlsplit

from domain.hooks.addresses import AddressRules
from domain.hooks.deliveries import DueDelivery, HookRequest
from domain.identity.access import OfClient
from domain.identity.auth_tokens import AuthTokens
from domain.ids import SidKind, sid_of
from domain.installation import Store
from domain.sending.messages import Callback, Message
from ibiki.http.twilio.forms import FORM
from ibiki.http.twilio.resources import VERSION, error_of, find_own, status_of
from providers.twilio import signature_of

FORMAT = "twilio"


class CallbackFormat:
    """Implements `domain.hooks.ports.HookFormat`."""

    def __init__(self, tokens: AuthTokens, store: Store) -> None:
        self._tokens = tokens
        self._store = store

    async def request(
        self, delivery: DueDelivery, subject: Any, _secrets: Sequence[str]
    ) -> HookRequest:
        """The form of a status. The subject is a message that was sent."""
        assert isinstance(subject, Message)
        own = await find_own(self._store, OfClient(delivery.client_id))
        form = form_of(subject, own.number_of(subject))
        token = self._tokens.signing(own.client)
        headers = {
            "Content-Type": FORM,
            "X-Twilio-Signature": signature_of(delivery.url, list(form.items()), token),
            # The same for every attempt: a callback may come twice.
            "I-Twilio-Idempotency-Token": str(delivery.event_id),
        }
        return HookRequest(headers, urlencode(form).encode())


def callback_to(addresses: AddressRules, url: str) -> Callback:
    """The callback to a URL as it is signed: with a path, at least "/". Raises InvalidInput."""
    parts = urlsplit(addresses.checked_url(url))
    return Callback(parts._replace(path=parts.path or "/").geturl(), FORMAT)


def form_of(message: Message, own_number: str | None) -> dict[str, str]:
    """The fields of a callback. None of them is empty."""
    sid, status = sid_of(SidKind.MESSAGE, message.id), status_of(message)
    code, sentence = error_of(message)
    fields = {
        "AccountSid": sid_of(SidKind.ACCOUNT, message.client_id),
        "ApiVersion": VERSION,
        "ErrorCode": None if code is None else str(code),
        "ErrorMessage": sentence,
        "From": own_number,
        "MessageSid": sid,
        "MessageStatus": status,
        "SmsSid": sid,
        "SmsStatus": status,
        "To": message.number,
    }
    return {name: value for name, value in fields.items() if value}
