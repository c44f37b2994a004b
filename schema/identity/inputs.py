"""Inputs of sign-in, API keys, groups, clients and users."""

from __future__ import annotations

import strawberry

from domain.identity.access import Role
from domain.identity.directory import ClientStatus
from schema.values import Money, Units


@strawberry.input(description="The credentials of a user.")
class SignInInput:
    email: str = strawberry.field(description="The email address, in any case.")
    password: str = strawberry.field(description="The password of the user.")


@strawberry.input(description="A session, named by its refresh token.")
class RefreshSessionInput:
    refresh_token: str = strawberry.field(description="The last refresh token of the session.")


@strawberry.input(description="The session to end.")
class EndSessionInput:
    id: strawberry.ID = strawberry.field(description="The ID of the session, from mySessions.")


@strawberry.input(description="A new API key.")
class CreateApiKeyInput:
    name: str = strawberry.field(description="A name to recognise the key by.")


@strawberry.input(description="The API key to revoke.")
class RevokeApiKeyInput:
    id: strawberry.ID = strawberry.field(description="The ID of the key.")


_RATE = "The value of one unit in USD, with at most 6 decimal places."
_NUMBERS = "Numbers of the platform that belong to the client. They replace the present ones."
_THRESHOLD = "Below so many units, the balance is low: see AccountBalance.isLow."
_LENGTHS = "8 to 1024 characters."
_CLIENT = "The account to send from. Required for the role CLIENT."
_GROUP = "The group to manage. Required for the role SUPERVISOR."


@strawberry.input(description="A new group.")
class CreateGroupInput:
    name: str = strawberry.field(description="1 to 200 characters.")
    rate_per_unit_usd: Money | None = strawberry.field(default=None, description=_RATE)


@strawberry.input(description="Changes of a group. Null clears a field.")
class UpdateGroupInput:
    id: strawberry.ID = strawberry.field(description="The group to change.")
    name: str | None = strawberry.field(
        default=strawberry.UNSET, description="1 to 200 characters."
    )
    rate_per_unit_usd: Money | None = strawberry.field(default=strawberry.UNSET, description=_RATE)


@strawberry.input(description="A new client.")
class CreateClientInput:
    name: str = strawberry.field(description="1 to 200 characters.")
    business: str | None = strawberry.field(
        default=None, description="The business name for contacts of this client."
    )
    group_id: strawberry.ID | None = strawberry.field(
        default=None, description="The group of the client."
    )
    rate_per_unit_usd: Money | None = strawberry.field(default=None, description=_RATE)
    assigned_numbers: list[str] | None = strawberry.field(default=None, description=_NUMBERS)
    low_balance_threshold: Units | None = strawberry.field(default=None, description=_THRESHOLD)


@strawberry.input(description="Changes of a client. Null clears a field.")
class UpdateClientInput:
    id: strawberry.ID = strawberry.field(description="The client to change.")
    name: str | None = strawberry.field(
        default=strawberry.UNSET, description="1 to 200 characters."
    )
    business: str | None = strawberry.field(
        default=strawberry.UNSET, description="The business name for contacts of this client."
    )
    status: ClientStatus | None = strawberry.field(
        default=strawberry.UNSET, description="Only an ACTIVE client may send."
    )
    group_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET,
        description="The group of the client. A client that changes groups keeps its units.",
    )
    rate_per_unit_usd: Money | None = strawberry.field(default=strawberry.UNSET, description=_RATE)
    assigned_numbers: list[str] | None = strawberry.field(
        default=strawberry.UNSET, description=_NUMBERS
    )
    low_balance_threshold: Units | None = strawberry.field(
        default=strawberry.UNSET, description=_THRESHOLD
    )


@strawberry.input(description="A time of day, and the time zone of the client.")
class QuietHoursInput:
    start: str = strawberry.field(description="When they begin, such as 21:00.")
    end: str = strawberry.field(description="When they are over, such as 08:00.")
    time_zone: str = strawberry.field(
        description="The name of a time zone, such as America/New_York."
    )


@strawberry.input(description="The quiet hours of a client.")
class SetQuietHoursInput:
    client_id: strawberry.ID | None = strawberry.field(
        default=None, description="The client. Absent: the viewer's own. Required for an admin."
    )
    quiet_hours: QuietHoursInput | None = strawberry.field(description="Null ends the quiet hours.")


@strawberry.input(description="Whose auth token is replaced, and when.")
class RotateTwilioAuthTokenInput:
    client_id: strawberry.ID | None = strawberry.field(
        default=None, description="The client. Absent: the viewer's own. Required for an admin."
    )
    delay_minutes: int | None = strawberry.field(
        default=None,
        description="How many minutes the present token still signs, so that receivers can learn "
        "the new one before: 0 to 1,440. Absent: the new token signs at once.",
    )


@strawberry.input(description="A new user.")
class CreateUserInput:
    email: str = strawberry.field(description="The email address to sign in with.")
    password: str = strawberry.field(description=_LENGTHS)
    role: Role = strawberry.field(description="What the user may see and do.")
    client_id: strawberry.ID | None = strawberry.field(default=None, description=_CLIENT)
    group_id: strawberry.ID | None = strawberry.field(default=None, description=_GROUP)


@strawberry.input(description="Changes of a user. Null clears a field.")
class UpdateUserInput:
    id: strawberry.ID = strawberry.field(description="The user to change.")
    password: str | None = strawberry.field(default=strawberry.UNSET, description=_LENGTHS)
    role: Role | None = strawberry.field(
        default=strawberry.UNSET, description="What the user may see and do."
    )
    client_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description=_CLIENT
    )
    group_id: strawberry.ID | None = strawberry.field(default=strawberry.UNSET, description=_GROUP)
    disabled: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether the user is locked out."
    )


@strawberry.input(description="Which clients to list. All conditions must hold.")
class ClientFilter:
    status: ClientStatus | None = strawberry.field(
        default=None, description="Only clients with this status."
    )


@strawberry.input(description="Which users to list. All conditions must hold.")
class UserFilter:
    role: Role | None = strawberry.field(default=None, description="Only users with this role.")
    group_id: strawberry.ID | None = strawberry.field(
        default=None, description="Only the supervisors of this group."
    )
    disabled: bool | None = strawberry.field(
        default=None, description="True: only disabled users. False: only the others. Null: all."
    )
