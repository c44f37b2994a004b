"""Errors that a caller can act on: a closed list, and why a single recipient is rejected.

    Refusal
    ├── Unauthenticated            not signed in, or not any more
    ├── Forbidden                  signed in, but not allowed to do this
    ├── NotFound                   does not exist, or not for this actor
    ├── InvalidCredentials
    ├── InvalidInput               one field, and how to fix it
    ├── InvalidText
    ├── InvalidFile
    ├── InvalidPhoneNumber
    ├── NoValidRecipients
    ├── TooManyRecipients
    ├── OptedOut
    ├── AccountInactive
    ├── InsufficientBalance        a client or a group holds too few units
    ├── InsufficientPool           the pool, or the group of a supervisor, holds too few units
    ├── IdempotencyConflict
    ├── RateLimited
    ├── ProviderUnavailable
    ├── AlreadyRunning
    ├── TryAgain                   nothing was kept: the request can be repeated
    └── OutcomeUnknown             it may have been kept: look before you repeat it

The docstring of an error is its message, with the attributes filled in. Anything else that is
raised is a defect: the caller gets a correlation ID, and the log has the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Final
from uuid import UUID

UNREACHABLE: Final = "The SMS network cannot be reached at the moment. Try again later."
_SAFE_WITH_KEY = "Repeating it with the same idempotencyKey is safe."


class Refusal(Exception):
    """The request was refused."""

    code: ClassVar[str] = "BAD_USER_INPUT"
    """The code if it is a top-level error."""

    path: Sequence[str] | None = None
    """The argument that caused it, such as input, messages, 3, text; None if it is not one."""

    @property
    def message(self) -> str:
        """The docstring's first line with the attributes of this error filled in."""
        template = (self.__doc__ or "").strip().splitlines()[0]
        return template.format_map(_Attributes(self))

    def __str__(self) -> str:
        return self.message


class Unauthenticated(Refusal):
    """Send a valid access token or API key: `Authorization: Bearer …`."""

    code = "UNAUTHENTICATED"


class Forbidden(Refusal):
    """{reason}"""

    code = "FORBIDDEN"

    def __init__(self, reason: str = "Your role does not allow this. Ask your operator.") -> None:
        self.reason = reason


class NotFound(Refusal):
    """No such {kind}."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


class InvalidCredentials(Refusal):
    """The email or the password is wrong."""


class InvalidInput(Refusal):
    """{reason}"""

    def __init__(self, reason: str, *, field: str | None = None, item: int | None = None) -> None:
        """`item`: the position in the field, from 0, if the field is a list."""
        self.reason = reason
        self.field = field
        if field is not None:
            self.path = ["input", field, *([] if item is None else [str(item)])]


class InvalidText(Refusal):
    """{reason}"""

    def __init__(self, reason: str, *, path: Sequence[str] | None = ("input", "text")) -> None:
        self.reason = reason
        self.path = path


class InvalidFile(Refusal):
    """{reason}"""

    def __init__(self, reason: str, *, line: int | None = None) -> None:
        self.reason = reason
        self.line = line


class InvalidPhoneNumber(Refusal):
    """{reason}"""

    path = ("input", "number")

    def __init__(self, reason: str) -> None:
        self.reason = reason


class NoValidRecipients(Refusal):
    """None of the recipients can be sent to. Nothing was charged. `rejected` has the reasons."""

    def __init__(self, rejected: Sequence[RejectedRecipient]) -> None:
        self.rejected = rejected

    @property
    def message(self) -> str:
        """The reason is another one if nothing was given."""
        return super().message if self.rejected else "Give at least one recipient."


class TooManyRecipients(Refusal):
    """At most {limit} recipients can be given in one request. Split the list."""

    def __init__(self, limit: int) -> None:
        self.limit = limit


class OptedOut(Refusal):
    """This number has asked not to receive messages."""


class AccountInactive(Refusal):
    """The account is {status} and cannot send. Ask your operator to activate it."""

    def __init__(self, status: str) -> None:
        self.status = status.strip().upper()


class _Shortage(Refusal):
    def __init__(self, *, required: int, available: int, unit: str) -> None:
        self.required = required
        self.available = available
        self.unit = unit

    @property
    def needed(self) -> str:
        """What is required, in words."""
        return units_in_words(self.required, self.unit)

    @property
    def left(self) -> str:
        """What is available, in words."""
        return units_in_words(self.available, self.unit)


class InsufficientBalance(_Shortage):
    """This takes {needed}, but the balance is {left}. Nothing was sent or charged."""


class InsufficientPool(_Shortage):
    """This takes {needed}, but only {left} can be given out. {advice}"""

    def __init__(self, *, required: int, available: int, unit: str, of_group: bool = False) -> None:
        """`of_group`: a supervisor gives what the group holds."""
        super().__init__(required=required, available=available, unit=unit)
        self.of_group = of_group

    @property
    def advice(self) -> str:
        """What the reader can do."""
        if self.of_group:
            return "Take units back from a client, or ask your operator for more."
        return "Top up at the provider and sync, or take units back from a client or a group."


class IdempotencyConflict(Refusal):
    """This idempotencyKey was used with another input. Use a new key for another request."""

    path = ("input", "idempotencyKey")


class RateLimited(Refusal):
    """Too many requests. Try again in {wait}."""

    code = "RATE_LIMITED"

    def __init__(self, retry_after_seconds: int) -> None:
        self.retry_after_seconds = retry_after_seconds

    @property
    def wait(self) -> str:
        """How long, in words."""
        return units_in_words(self.retry_after_seconds, "second")


class ProviderUnavailable(Refusal):
    """{reason}"""

    def __init__(
        self,
        reason: str = UNREACHABLE,
        *,
        for_operator: str = "",
    ) -> None:
        """`for_operator`: what an operator reads instead, without secrets."""
        self.reason = reason
        self.for_operator = for_operator or reason


class AlreadyRunning(Refusal):
    """This is running already. Wait until it is finished."""


class TryAgain(Refusal):
    """The service is busy or restarting. Nothing was changed. Repeat the request in a moment."""

    # The contract has a closed list of codes. This is the one after which clients repeat.
    code = "RATE_LIMITED"
    retry_after_seconds = 1


class OutcomeUnknown(Refusal):
    """It is not known whether this was done: the database did not confirm it. {advice}"""

    # Not a code after which clients repeat by themselves.
    code = "INTERNAL"

    def __init__(self, *, send_id: UUID | None = None, transfer_id: UUID | None = None) -> None:
        """`send_id`, `transfer_id`: what exists under this ID, if it was done."""
        self.send_id = send_id
        self.transfer_id = transfer_id

    @property
    def advice(self) -> str:
        """What to do next."""
        if self.send_id is not None:
            return f"Look it up with send(id:) before you repeat it. {_SAFE_WITH_KEY}"
        if self.transfer_id is not None:
            return f"Look for transferId in transfers before you repeat it. {_SAFE_WITH_KEY}"
        return "Look at the present state before you repeat it."


class _Attributes:
    """The attributes of an object as a mapping, for `str.format_map`."""

    def __init__(self, of: object) -> None:
        self._of = of

    def __getitem__(self, name: str) -> object:
        return getattr(self._of, name)


class RejectionReason(Enum):
    """Why nothing is sent to a recipient."""

    INVALID = "INVALID"
    DUPLICATE = "DUPLICATE"
    OPTED_OUT = "OPTED_OUT"
    NOT_ALLOWED = "NOT_ALLOWED"
    MISSING_VALUE = "MISSING_VALUE"


SENTENCES = {
    RejectionReason.INVALID: "This is not a valid phone number.",
    RejectionReason.DUPLICATE: "This is a duplicate. It is sent and charged once.",
    RejectionReason.OPTED_OUT: "This number has asked not to receive messages.",
    RejectionReason.NOT_ALLOWED: "Messages to this number are not allowed.",
    RejectionReason.MISSING_VALUE: "The row has no value for a placeholder of the text.",
}
"""The sentence for a reason, if nothing more exact is known."""


@dataclass(frozen=True, slots=True)
class RejectedRecipient:
    """A recipient that nothing is sent to and nothing is charged for.

    `input`: what was given, cut and made fit to be stored. `position`: from 0 in a list; for a
    file, the line on which the row begins, from 1. `message`: what is wrong, for a person to read.
    """

    input: str
    position: int
    reason: RejectionReason
    message: str


def units_in_words(units: int, unit: str) -> str:
    """`5,000 credits`, `1 credit`, `5,000 UGX`: codes of currencies have no plural."""
    plural = "s" if units != 1 and unit.islower() else ""
    return f"{units:,} {unit}{plural}"
