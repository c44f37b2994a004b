"""Top-level errors as callers see them: a refusal has its message and code, a defect is masked."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from typing import Any

from graphql import FieldNode, GraphQLError

from domain.errors import OutcomeUnknown, RateLimited, Refusal, TryAgain

BAD_USER_INPUT = "BAD_USER_INPUT"
INTERNAL = "INTERNAL"
_MASK = "Internal error. Send the correlationId to the operator."
_LONGEST_MESSAGE = 500
_REPLACED = (
    # "… to include required field 'provider', found: {'password': …}."
    (re.compile(r", found: .*", re.DOTALL), "."),
    # "String cannot represent a non string value: […]"
    (re.compile(r"(cannot represent [\w -]*value): .*", re.DOTALL), r"\1."),
    # "Expected ':', found String 'a password'."
    (re.compile(r"found (String|BlockString) .*", re.DOTALL), r"found a \1."),
    # Callers do not see that this is a Python program.
    (re.compile(r"not to be None\."), "not to be null."),
)

log = logging.getLogger("ibiki.graphql")


class AnswerIncomplete(Refusal):
    """The request was carried out, but its answer could not be read. Query it: do not repeat it."""

    code = INTERNAL


def shown_errors(
    errors: Sequence[GraphQLError], correlation_id: str, *, mutates: bool = False
) -> list[dict[str, Any]]:
    """The errors as callers see them. A masked error is logged with its correlation ID."""
    shown = [
        _formatted_error(error, _shown(error, mutates=mutates), correlation_id) for error in errors
    ]
    for error in errors:
        _free_frames(error)
    return shown


def _free_frames(error: BaseException | None) -> None:
    """Removes the tracebacks of an error and of its causes.

    Their frames hold the whole request, and some of graphql-core's hold the error. Only the garbage
    collector would free such a circle, and it counts objects, not their size.
    """
    while error is not None and error.__traceback__ is not None:
        error.__traceback__ = None
        error = getattr(error, "original_error", None) or error.__context__


def is_unavailable(errors: Sequence[GraphQLError], *, mutates: bool = False) -> bool:
    """Whether the request can be repeated because only the database is unavailable."""
    return any(isinstance(_shown(error, mutates=mutates), TryAgain) for error in errors)


def refusals_in(errors: Sequence[GraphQLError]) -> Iterator[tuple[str, str]]:
    """The field and the type of each error that is a refusal."""
    for error in errors:
        cause = _cause(error)
        node = error.nodes[0] if error.nodes else None
        if isinstance(cause, Refusal) and isinstance(node, FieldNode):
            yield node.name.value, type(cause).__name__


def _formatted_error(
    error: GraphQLError, cause: BaseException | None, correlation_id: str
) -> dict[str, Any]:
    if isinstance(cause, Refusal):
        return _formatted(error, str(cause), _refusal_extensions(cause, correlation_id))
    if cause is None:
        # One rule of graphql-core suggests fields even if suggestions are switched off.
        message = _reworded(error.message.split(" Did you mean ")[0])
        return _formatted(error, message, {"code": BAD_USER_INPUT, **(error.extensions or {})})
    log.error("resolver failed", exc_info=cause, extra={"request_id": correlation_id})
    return _formatted(error, _MASK, {"code": INTERNAL, "correlationId": correlation_id})


def _reworded(message: str) -> str:
    """The message of graphql-core in our words, without the given value: it may be a password."""
    for pattern, replacement in _REPLACED:
        message = pattern.sub(replacement, message)
    return message


def _shown(error: GraphQLError, *, mutates: bool) -> BaseException | None:
    """The cause as the caller gets it.

    An error below the field of a mutation comes after its COMMIT. With a code that tells clients to
    repeat the request, they would do the mutation twice.
    """
    cause = _cause(error)
    below = mutates and error.path is not None and len(error.path) > 1
    return AnswerIncomplete() if below and isinstance(cause, RateLimited | TryAgain) else cause


def _cause(error: GraphQLError) -> BaseException | None:
    """What a resolver raised; None if the document or its variables are wrong."""
    cause: BaseException | None = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def _refusal_extensions(refusal: Refusal, correlation_id: str) -> dict[str, Any]:
    extensions: dict[str, Any] = {"code": refusal.code}
    if isinstance(refusal, OutcomeUnknown | AnswerIncomplete):
        extensions["correlationId"] = correlation_id
    if isinstance(refusal, RateLimited | TryAgain):
        extensions["retryAfterSeconds"] = refusal.retry_after_seconds
    return extensions


def _formatted(error: GraphQLError, message: str, extensions: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"message": message[:_LONGEST_MESSAGE]}
    if error.locations:
        answer["locations"] = [location.formatted for location in error.locations]
    if error.path:
        answer["path"] = list(error.path)
    answer["extensions"] = extensions
    return answer
