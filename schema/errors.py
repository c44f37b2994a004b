"""Errors of mutations: which refusal of the domain becomes which member of a union.

If the type of a refusal is in the union of a field, the answer is that member. Otherwise it becomes
a top-level error with its code. Subscriptions and fields that are lists have top-level errors only.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Any, Protocol

import strawberry
from strawberry.types.base import get_object_definition

from domain import errors
from domain.identity.directory import ClientStatus
from domain.ids import Kind
from schema.fields import described
from schema.sending.recipients import RejectedRecipient
from schema.values import Units, id_of


@strawberry.enum(description="The kind of an error: one value for each type of error.")
class UserErrorCode(Enum):
    """Each value gets the description of its type: see `describe_codes`."""

    INSUFFICIENT_BALANCE = "INSUFFICIENT_BALANCE"
    INSUFFICIENT_POOL = "INSUFFICIENT_POOL"
    NO_VALID_RECIPIENTS = "NO_VALID_RECIPIENTS"
    ACCOUNT_INACTIVE = "ACCOUNT_INACTIVE"
    TOO_MANY_RECIPIENTS = "TOO_MANY_RECIPIENTS"
    INVALID_TEXT = "INVALID_TEXT"
    INVALID_FILE = "INVALID_FILE"
    INVALID_INPUT = "INVALID_INPUT"
    INVALID_PHONE_NUMBER = "INVALID_PHONE_NUMBER"
    IDEMPOTENCY_CONFLICT = "IDEMPOTENCY_CONFLICT"
    OPTED_OUT = "OPTED_OUT"
    RATE_LIMITED = "RATE_LIMITED"
    INVALID_CREDENTIALS = "INVALID_CREDENTIALS"
    PROVIDER_UNAVAILABLE = "PROVIDER_UNAVAILABLE"
    ALREADY_RUNNING = "ALREADY_RUNNING"
    NOT_FOUND = "NOT_FOUND"
    OUTCOME_UNKNOWN = "OUTCOME_UNKNOWN"


@strawberry.interface(
    description="A refusal that the caller can act on. Nothing was changed, except "
    "possibly for OutcomeUnknown."
)
class UserError:
    message: str = described("What is wrong and what to do, as a sentence for a person.")
    code: UserErrorCode = described(
        "The kind of the error, for programs: it says the same as the type."
    )
    path: list[str] | None = described(
        'The value in the arguments that caused the error, such as ["input", "messages", "3", '
        '"text"]. Positions in lists count from 0. Null if it is not one value.'
    )


REQUIRED = "Units that it takes."
AVAILABLE = "Units that are available."
UNIT = 'The unit of the pool: "credit", or a currency such as "UGX".'


@strawberry.type(description="The client or group holds too few units.")
class InsufficientBalance(UserError):
    required: Units = described(REQUIRED)
    available: Units = described(AVAILABLE)
    unit: str = described(UNIT)


@strawberry.type(description="The pool has too few units that are not allocated.")
class InsufficientPool(UserError):
    required: Units = described(REQUIRED)
    available: Units = described(AVAILABLE)
    unit: str = described(UNIT)


@strawberry.type(description="Nothing can be sent to any of the recipients. Nothing was charged.")
class NoValidRecipients(UserError):
    rejected: list[RejectedRecipient] = described(
        "The first 1,000 recipients, with the reason for each."
    )


@strawberry.type(description="The client is not ACTIVE and cannot send.")
class AccountInactive(UserError):
    status: ClientStatus = described("The present status of the client.")


@strawberry.type(description="The list of recipients is over its limit. Split it.")
class TooManyRecipients(UserError):
    limit: int = described("The most recipients of one request.")


@strawberry.type(
    description="The text is empty, has too many segments (more than 10, unless the operator has "
    "changed the limit), or has a character that cannot be sent."
)
class InvalidText(UserError):
    pass


@strawberry.type(description="The file does not exist or has expired, or cannot be used for this.")
class InvalidFile(UserError):
    line: int | None = described(
        "The line of the file that is wrong, from 1. Null if it is not one line."
    )


@strawberry.type(description="A field of the input has a value that is not allowed.")
class InvalidInput(UserError):
    field: str | None = described(
        "The name of the field. `path` has its position. Null if it is not one field."
    )


@strawberry.type(description="The number is not a valid phone number.")
class InvalidPhoneNumber(UserError):
    pass


@strawberry.type(description="The idempotency key was used before, with another input.")
class IdempotencyConflict(UserError):
    pass


@strawberry.type(description="The number has asked not to receive messages.")
class OptedOut(UserError):
    pass


@strawberry.type(description="There were too many requests, or too many failed sign-ins.")
class RateLimited(UserError):
    retry_after_seconds: int = described("Seconds to wait before the next attempt.")


@strawberry.type(description="The email or password is wrong, or the session is over.")
class InvalidCredentials(UserError):
    pass


@strawberry.type(description="The provider could not be reached, or gave no usable answer.")
class ProviderUnavailable(UserError):
    pass


@strawberry.type(description="It is running already. Wait until it is finished.")
class AlreadyRunning(UserError):
    pass


@strawberry.type(description="It does not exist, or belongs to somebody else.")
class NotFound(UserError):
    pass


@strawberry.type(
    description="It is not known whether the request was carried out: the database did not confirm "
    "it. Check before you repeat it. Repeating it with the same idempotencyKey is safe."
)
class OutcomeUnknown(UserError):
    send_id: strawberry.ID | None = id_of(
        Kind.SEND, description="If it was carried out, `send(id:)` finds it. Null for allocate."
    )
    transfer_id: strawberry.ID | None = id_of(
        Kind.TRANSFER,
        description="For allocate: if it was carried out, `transfers` lists a transfer with this "
        "ID. Null for others.",
    )


MEMBERS: dict[type[errors.Refusal], type[UserError]] = {
    getattr(errors, member.__name__): member for member in UserError.__subclasses__()
}
"""The type of each refusal: it has the same name."""


def describe_codes() -> None:
    """Gives each code the description of its type."""
    values = {each.name: each for each in vars(UserErrorCode)["__strawberry_definition__"].values}
    for member in MEMBERS.values():
        definition = get_object_definition(member, strict=True)
        values[code_of(member).name].description = definition.description


def code_of(member: type[UserError]) -> UserErrorCode:
    """The code of an error type: its name, in capitals with underscores."""
    return UserErrorCode[re.sub(r"(?<!^)(?=[A-Z])", "_", member.__name__).upper()]


class ErrorHandler:
    """Turns a refusal of the domain into its member of a union: attributes of the same names."""

    def __init__(self, refusal: type[errors.Refusal], member: type[UserError]) -> None:
        self.exception_type = refusal
        self.error_type = member
        self.code = code_of(member)
        definition = get_object_definition(member, strict=True)
        # A refusal has a code, too, but that is the code of a top-level error.
        self.names = [each.python_name for each in definition.fields if each.python_name != "code"]

    def member(self, refusal: Exception, info: Any) -> UserError:
        """The member for the refusal, which is also counted."""
        info.context.installation.observer.refused(info.field_name, self.exception_type.__name__)
        return self.member_of(refusal)

    def member_of(self, refusal: Exception) -> UserError:
        """The member with the attributes of the refusal."""
        values: dict[str, Any] = {name: getattr(refusal, name) for name in self.names}
        return self.error_type(**values, code=self.code)

    def handle(self, exception: errors.Refusal, *, field: Any, info: Any) -> UserError:
        """The same, with the signature that strawberry calls."""
        return self.member(exception, info)


describe_codes()
HANDLERS = [ErrorHandler(refusal, member) for refusal, member in MEMBERS.items()]


class Quoted(Protocol):
    """A quote of a send. `problem`: the refusal that the send would get; None if it would not."""

    @property
    def problem(self) -> errors.Refusal | None: ...


def problem_of(root: Quoted) -> UserError | None:
    """The problem of a quote as the error of the send, or None. It is not counted."""
    refusal = root.problem
    if refusal is None:
        return None
    handler = next(each for each in HANDLERS if isinstance(refusal, each.exception_type))
    return handler.member_of(refusal)
