"""Inputs of sign-in, passwords, API keys, groups, clients and users."""

from __future__ import annotations

import strawberry

from domain.identity.access import Role
from domain.identity.directory import ClientStatus
from schema.fields import change, described, optional
from schema.values import Money, Units


@strawberry.input(description="The credentials of a user.")
class SignInInput:
    email: str = described("The email address. Upper and lower case are the same.")
    password: str = described("The password of the user.")


@strawberry.input(description="A session, named by its refresh token.")
class RefreshSessionInput:
    refresh_token: str = described("The last refresh token of the session.")


@strawberry.input(description="The session to end.")
class EndSessionInput:
    id: strawberry.ID = described("The ID of the session, from mySessions.")


@strawberry.input(description="The viewer's present and next password.")
class ChangePasswordInput:
    current_password: str = described("The present password. A wrong one is a failed sign-in.")
    new_password: str = described("8 to 1024 characters. It is not the present one.")


@strawberry.input(description="A new API key.")
class CreateApiKeyInput:
    name: str = described("A name to recognise the key by: 1 to 200 characters.")


@strawberry.input(description="The API key to revoke.")
class RevokeApiKeyInput:
    id: strawberry.ID = described("The ID of the key.")


_RATE = "The value of one unit in USD: 0 to 1,000,000, with at most 6 decimal places."
_NUMBERS = (
    "At most 1,000 numbers of the platform that belong to the client: it receives the messages to "
    "them."
)
_THRESHOLD = "The balance is low if it is less than this, at least 1: see AccountBalance.isLow."
_LENGTHS = "8 to 1024 characters."
_CLIENT = "The account to send from. Required for the role CLIENT."
_GROUP = "The group to manage. Required for the role SUPERVISOR."


@strawberry.input(description="A new group.")
class CreateGroupInput:
    name: str = described("1 to 200 characters.")
    rate_per_unit_usd: Money | None = optional(_RATE)


@strawberry.input(description="Changes of a group. Absent keeps a value, null clears it.")
class UpdateGroupInput:
    id: strawberry.ID = described("The group to change.")
    name: str | None = change("1 to 200 characters.")
    rate_per_unit_usd: Money | None = change(_RATE)


@strawberry.input(description="A new client.")
class CreateClientInput:
    name: str = described("1 to 200 characters.")
    business: str | None = optional("The business name for contacts of this client.")
    group_id: strawberry.ID | None = optional("The group of the client.")
    rate_per_unit_usd: Money | None = optional(_RATE)
    assigned_numbers: list[str] | None = optional(_NUMBERS)
    low_balance_threshold: Units | None = optional(_THRESHOLD)


@strawberry.input(description="Changes of a client. Absent keeps a value, null clears it.")
class UpdateClientInput:
    id: strawberry.ID = described("The client to change.")
    name: str | None = change("1 to 200 characters.")
    business: str | None = change("The business name for contacts of this client.")
    status: ClientStatus | None = change("Only an ACTIVE client may send.")
    group_id: strawberry.ID | None = change(
        "The group of the client. A client that changes groups keeps its units."
    )
    rate_per_unit_usd: Money | None = change(_RATE)
    assigned_numbers: list[str] | None = change(f"{_NUMBERS} They replace the present ones.")
    low_balance_threshold: Units | None = change(_THRESHOLD)


@strawberry.input(description="A time of day, and the time zone of the client.")
class QuietHoursInput:
    start: str = described("When they begin, such as 21:00.")
    end: str = described("When they are over, such as 08:00.")
    time_zone: str = described("The name of a time zone, such as America/New_York.")


@strawberry.input(description="The quiet hours of a client.")
class SetQuietHoursInput:
    client_id: strawberry.ID | None = optional(
        "The client. Absent: the viewer's own. Required for an admin."
    )
    quiet_hours: QuietHoursInput | None = described("Null ends the quiet hours.")


@strawberry.input(description="Whose auth token is replaced, and when.")
class RotateTwilioAuthTokenInput:
    client_id: strawberry.ID | None = optional(
        "The client. Absent: the viewer's own. Required for an admin."
    )
    delay_minutes: int | None = optional(
        "How many minutes the present token still signs, so that you can give the new "
        "one to receivers first: 0 to 1,440. Absent: the new token signs at once."
    )


@strawberry.input(description="A new user.")
class CreateUserInput:
    email: str = described("The email address to sign in with.")
    password: str = described(_LENGTHS)
    role: Role = described("What the user may see and do.")
    client_id: strawberry.ID | None = optional(_CLIENT)
    group_id: strawberry.ID | None = optional(_GROUP)


@strawberry.input(description="Changes of a user. Absent keeps a value, null clears it.")
class UpdateUserInput:
    id: strawberry.ID = described("The user to change.")
    password: str | None = change(_LENGTHS)
    role: Role | None = change("What the user may see and do.")
    client_id: strawberry.ID | None = change(_CLIENT)
    group_id: strawberry.ID | None = change(_GROUP)
    disabled: bool | None = change("True: the user cannot sign in, and its API keys do not work.")


@strawberry.input(description="Which clients to list. All conditions must hold.")
class ClientFilter:
    status: ClientStatus | None = optional("Only clients with this status.")


@strawberry.input(description="Which users to list. All conditions must hold.")
class UserFilter:
    role: Role | None = optional("Only users with this role.")
    group_id: strawberry.ID | None = optional("Only the supervisors of this group.")
    disabled: bool | None = optional(
        "True: only disabled users. False: only the others. Null: all."
    )
