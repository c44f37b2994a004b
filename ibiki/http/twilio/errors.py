"""Errors of the Twilio-compatible API: the status and Twilio's code of each refusal."""

from __future__ import annotations

from domain import errors
from domain.errors import Refusal, RejectionReason
from ibiki.http.requests import RequestRefused, twilio_body

RETRY_SECONDS = 5
"""The wait after a 503 whose refusal names no time."""

KINDS: dict[type[Refusal], tuple[int, int]] = {
    errors.Unauthenticated: (401, 20003),
    errors.InvalidText: (400, 21618),
    errors.OptedOut: (400, 21610),
    errors.InsufficientBalance: (402, 20402),
    errors.AccountInactive: (403, 20005),
    errors.Forbidden: (403, 20403),
    errors.NotFound: (404, 20404),
    errors.IdempotencyConflict: (409, 20409),
    errors.RateLimited: (429, 20429),
    errors.TryAgain: (503, 20503),
    errors.ProviderUnavailable: (503, 20503),
    errors.OutcomeUnknown: (504, 20504),
}
"""All others are 400 and 20001."""

RECIPIENTS = {
    RejectionReason.INVALID: 21211,
    RejectionReason.OPTED_OUT: 21610,
    RejectionReason.NOT_ALLOWED: 21408,
}
OWN_SENTENCES = {
    errors.OutcomeUnknown: (
        "It is not known whether the message was accepted: the database did not confirm it. Repeat "
        "the request with the same Idempotency-Key, which is safe, or look for the message in the "
        "list."
    ),
    errors.Unauthenticated: (
        "Send the SID of the account or of an API key as the user name, and the secret of a valid "
        "API key as the password."
    ),
}
"""What callers of this API read instead of the message of the domain."""


class TwilioRefused(RequestRefused):
    """A request that is refused with a code of Twilio's."""

    def __init__(
        self, status: int, code: int, message: str, *, retry_after_seconds: int | None = None
    ) -> None:
        if status == 503 and retry_after_seconds is None:
            retry_after_seconds = RETRY_SECONDS
        super().__init__(
            status,
            message,
            headers=[(b"www-authenticate", b'Basic realm="API"')] if status == 401 else (),
            retry_after_seconds=retry_after_seconds,
        )
        self.twilio_code = code

    def body_at(self, path: str) -> bytes:
        return twilio_body(self.status, self.message, self.twilio_code)


def refused(refusal: Refusal) -> TwilioRefused:
    """The response to a refusal of the domain."""
    if isinstance(refusal, errors.NoValidRecipients) and refusal.rejected:
        first = refusal.rejected[0]
        return TwilioRefused(400, RECIPIENTS.get(first.reason, 21211), first.message)
    status, code = KINDS.get(type(refusal), (400, 20001))
    sentence = OWN_SENTENCES.get(type(refusal)) or str(refusal)
    return TwilioRefused(
        status,
        code,
        sentence.replace("idempotencyKey", "Idempotency-Key"),
        retry_after_seconds=getattr(refusal, "retry_after_seconds", None),
    )


def invalid(message: str, code: int = 20001) -> TwilioRefused:
    """The response to a request with a wrong value."""
    return TwilioRefused(400, code, message)
