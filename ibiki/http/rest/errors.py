"""Errors of the REST API: the status, the code and the figures of each refusal."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from domain import errors, ids
from domain.errors import Refusal, RejectedRecipient
from domain.ids import Kind
from ibiki.http.requests import EGOSMS, RequestRefused
from ibiki.http.rest.answers import Code, Failure, Rejected

KINDS: dict[type[Refusal], tuple[int, Code]] = {
    errors.NoValidRecipients: (400, "INVALID_RECIPIENT"),
    errors.InvalidPhoneNumber: (400, "INVALID_RECIPIENT"),
    errors.OptedOut: (400, "INVALID_RECIPIENT"),
    errors.Unauthenticated: (401, "UNAUTHORIZED"),
    errors.InvalidCredentials: (401, "UNAUTHORIZED"),
    errors.InsufficientBalance: (402, "INSUFFICIENT_CREDITS"),
    errors.InsufficientPool: (402, "INSUFFICIENT_CREDITS"),
    errors.AccountInactive: (403, "ACCOUNT_INACTIVE"),
    errors.Forbidden: (403, "FORBIDDEN"),
    errors.NotFound: (404, "NOT_FOUND"),
    errors.IdempotencyConflict: (409, "IDEMPOTENCY_CONFLICT"),
    errors.RateLimited: (429, "RATE_LIMITED"),
    errors.TryAgain: (503, "UNAVAILABLE"),
    errors.ProviderUnavailable: (503, "UNAVAILABLE"),
    errors.AlreadyRunning: (503, "UNAVAILABLE"),
    errors.OutcomeUnknown: (504, "OUTCOME_UNKNOWN"),
}
"""All others are INVALID_PARAMS."""

FIGURES = ("required", "available", "unit", "status", "limit", "retry_after_seconds")
RETRY_SECONDS = 5
"""The wait after a 503 whose refusal names no time."""

OWN_FIELDS = frozenset({"sendAt", "text", "message", "content", "template", "values"})
"""Fields of refusals that are values of a body here. The text has another name in each body."""

LINES = frozenset({"usemodem", "port"})
LONGEST_NAME = 64
EMPTY_NAME = '""'
UNKNOWN = (
    "It is not known whether this was done: the database did not confirm it. Repeat it with the "
    "same Idempotency-Key, which is safe, or look up sendId with GraphQL before you repeat it."
)
_SENTENCES = {
    "missing": "{name} is required.",
    "string_type": "{name} must be a string.",
    "list_type": "{name} must be an array.",
    "model_type": "{name} must be an object.",
    "model_attributes_type": "{name} must be an object.",
    "dict_type": "{name} must be an object.",
    "bool_type": "{name} must be true or false.",
    "bool_parsing": "{name} must be true or false.",
    "int_parsing": "{name} must be a whole number.",
    "greater_than_equal": "{name} must be at least {ge}.",
    "less_than_equal": "{name} must be at most {le}.",
    "too_long": "{name} must have at most {max_length:,} items.",
    "string_too_long": "{name} must have at most {max_length:,} characters.",
    "string_too_short": "{name} must have at least {min_length:,} characters.",
    "enum": "{name} must be {expected}.",
    "literal_error": "{name} must be {expected}.",
    "extra_forbidden": "{name} is unknown here. Correct its name or leave it out.",
}


class RestRefused(RequestRefused):
    """A refused request whose body is a `Failure`."""

    def __init__(self, status: int, failure: Failure) -> None:
        if status == 503 and failure.retry_after_seconds is None:
            failure.retry_after_seconds = RETRY_SECONDS
        super().__init__(
            status,
            failure.error,
            code=failure.code,
            retry_after_seconds=failure.retry_after_seconds,
        )
        self.failure = failure

    def body_at(self, path: str) -> bytes:
        if path.rstrip("/") == EGOSMS:
            return super().body_at(path)
        return self.failure.model_dump_json(by_alias=True).encode()


def refused(refusal: Refusal, *, text_name: str = "message") -> RestRefused:
    """The response to a refusal of the domain. `text_name`: of the text in the body."""
    status, _ = _kind_of(refusal)
    return RestRefused(status, failure_of(refusal, text_name=text_name))


def failure_of(refusal: Refusal, *, text_name: str) -> Failure:
    """The refusal as an error of the REST API."""
    _, code = _kind_of(refusal)
    figures = {name: getattr(refusal, name) for name in FIGURES if hasattr(refusal, name)}
    if isinstance(refusal, errors.NoValidRecipients):
        figures["rejected"] = rejected_of(refusal.rejected)
    if isinstance(refusal, errors.OutcomeUnknown) and refusal.send_id is not None:
        figures["send_id"] = ids.encode(Kind.SEND, refusal.send_id)
    figures["field"] = _field_of(refusal, text_name)
    sentence = UNKNOWN if isinstance(refusal, errors.OutcomeUnknown) else str(refusal)
    return Failure(
        error=sentence.replace("idempotencyKey", "Idempotency-Key"), code=code, **figures
    )


def rejected_of(rejected: Iterable[RejectedRecipient]) -> list[Rejected]:
    """Rejected recipients as answers show them."""
    return [
        Rejected(
            recipient=each.input,
            position=each.position,
            reason=each.reason.value,
            message=each.message,
        )
        for each in rejected
    ]


def invalid(error: ValidationError, *, whole: str) -> RestRefused:
    """The response to a request that its model refuses: its first problem.

    `whole`: what is wrong if the request itself has the wrong type.
    """
    first = error.errors(include_url=False, include_input=False)[0]
    name = _name_of(first["loc"])
    if first["type"] == "extra_forbidden" and first["loc"][-1] in LINES:
        sentence = f"{name} is not allowed: a client never chooses lines. Leave it out."
    elif not name:
        sentence = f"The request must be {whole}."
    else:
        figures = {"name": name, "msg": first["msg"], **first.get("ctx", {})}
        sentence = _SENTENCES.get(first["type"], "{name}: {msg}.").format_map(figures)
    return RestRefused(400, Failure(error=sentence, code="INVALID_PARAMS", field=name or None))


def _kind_of(refusal: Refusal) -> tuple[int, Code]:
    return KINDS.get(type(refusal), (400, "INVALID_PARAMS"))


def _field_of(refusal: Refusal, text_name: str) -> str | None:
    """The value of the body that caused it, such as [3].content. None if it is not one value."""
    path = [each for each in refusal.path or () if each not in ("input", "messages")]
    if not path or path[-1] not in OWN_FIELDS:
        return None
    names = {"text": text_name}
    return _name_of(
        tuple(int(each) if each.isdecimal() else names.get(each, each) for each in path)
    )


def _name_of(places: tuple[int | str, ...]) -> str:
    """A place in a body, such as recipients[3] or [2].content."""
    parts = [
        f"[{each}]" if isinstance(each, int) else f".{each[:LONGEST_NAME] or EMPTY_NAME}"
        for each in places
    ]
    return "".join(parts).removeprefix(".")
