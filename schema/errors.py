"""Which refusal of the domain becomes which member of a union, for every mutation at once.

A refusal whose type is in the field's union is answered as data; any other goes to the top level
with its code. Does not reach subscriptions and fields that are lists.
"""

from __future__ import annotations

from typing import Any

import strawberry
from strawberry.types.base import get_object_definition

from domain import errors
from domain.identity.directory import ClientStatus
from resolvers.ids import Kind
from schema.ids import id_of
from schema.scalars import Units
from schema.sending.recipients import RejectedRecipient


@strawberry.interface(description="A refusal that the caller can act on.")
class UserError:
    message: str


@strawberry.type
class InsufficientBalance(UserError):
    required: Units
    available: Units
    unit: str


@strawberry.type
class InsufficientPool(UserError):
    required: Units
    available: Units
    unit: str


@strawberry.type
class NoValidRecipients(UserError):
    rejected: list[RejectedRecipient]


@strawberry.type
class AccountInactive(UserError):
    status: ClientStatus


@strawberry.type
class TooManyRecipients(UserError):
    limit: int


@strawberry.type
class InvalidText(UserError):
    pass


@strawberry.type
class InvalidFile(UserError):
    line: int | None


@strawberry.type
class InvalidInput(UserError):
    field: str | None


@strawberry.type
class InvalidPhoneNumber(UserError):
    pass


@strawberry.type
class IdempotencyConflict(UserError):
    pass


@strawberry.type
class OptedOut(UserError):
    pass


@strawberry.type
class RateLimited(UserError):
    retry_after_seconds: int


@strawberry.type
class InvalidCredentials(UserError):
    pass


@strawberry.type
class ProviderUnavailable(UserError):
    pass


@strawberry.type
class AlreadyRunning(UserError):
    pass


@strawberry.type
class NotFound(UserError):
    pass


@strawberry.type(
    description="It is not known whether the request was carried out: the database did not confirm "
    "it. Look before you repeat it. To repeat it with the same idempotencyKey is safe."
)
class OutcomeUnknown(UserError):
    send_id: strawberry.ID | None = id_of(
        Kind.SEND, description="If it was carried out, `send(id:)` finds it. Null for allocate."
    )
    transfer_id: strawberry.ID | None = id_of(
        Kind.TRANSFER,
        description="For allocate: if it was carried out, `transfers` lists a transfer with this "
        "ID.",
    )


MEMBERS: dict[type[errors.Refusal], type[UserError]] = {
    errors.InsufficientBalance: InsufficientBalance,
    errors.InsufficientPool: InsufficientPool,
    errors.NoValidRecipients: NoValidRecipients,
    errors.AccountInactive: AccountInactive,
    errors.TooManyRecipients: TooManyRecipients,
    errors.InvalidText: InvalidText,
    errors.InvalidFile: InvalidFile,
    errors.InvalidInput: InvalidInput,
    errors.InvalidPhoneNumber: InvalidPhoneNumber,
    errors.IdempotencyConflict: IdempotencyConflict,
    errors.OptedOut: OptedOut,
    errors.RateLimited: RateLimited,
    errors.InvalidCredentials: InvalidCredentials,
    errors.ProviderUnavailable: ProviderUnavailable,
    errors.AlreadyRunning: AlreadyRunning,
    errors.NotFound: NotFound,
    errors.OutcomeUnknown: OutcomeUnknown,
}


class ErrorHandler:
    """Turns a refusal of the domain into its member of a union: attributes of the same names."""

    def __init__(self, refusal: type[errors.Refusal], member: type[UserError]) -> None:
        self.exception_type = refusal
        self.error_type = member
        definition = get_object_definition(member, strict=True)
        self.names = [field.python_name for field in definition.fields]

    def member(self, refusal: Exception, info: Any) -> UserError:
        """The member for the refusal, which is also counted."""
        info.context.installation.observer.refused(info.field_name, self.exception_type.__name__)
        return self.member_of(refusal)

    def member_of(self, refusal: Exception) -> UserError:
        """The member with the attributes of the refusal."""
        values: dict[str, Any] = {name: getattr(refusal, name) for name in self.names}
        return self.error_type(**values)

    def handle(self, exception: errors.Refusal, *, field: Any, info: Any) -> UserError:
        """The same, as strawberry asks for it."""
        return self.member(exception, info)


HANDLERS = [ErrorHandler(refusal, member) for refusal, member in MEMBERS.items()]


def member_of(refusal: errors.Refusal) -> UserError:
    """The refusal as the union member that a mutation returns for it. It is not counted."""
    handler = next(each for each in HANDLERS if each.exception_type is type(refusal))
    return handler.member_of(refusal)
