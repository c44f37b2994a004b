"""The viewer, the brand, users, clients and groups."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain import brand
from domain.identity import auth_tokens, quiet_hours
from domain.identity import directory as domain_directory
from domain.identity.access import Role
from domain.identity.directory import ClientStatus
from domain.ids import Kind
from resolvers.identity import directory as fields
from resolvers.pages import BY_KEY
from schema import errors
from schema.connections import connection_field
from schema.fields import described, mutation_field, resolved_field
from schema.nodes import Node
from schema.values import Money, PhoneNumber, Units, id_of, represents

RATE = (
    "The value of one unit in USD, for reports. It is never used to compute credits. "
    "Null without one."
)


@strawberry.type(description="Clients that a supervisor manages, with their own units.")
@represents(domain_directory.Group)
class Group(Node):
    id: strawberry.ID = id_of(Kind.GROUP)
    name: str = described("The name of the group.")
    rate_per_unit_usd: Money | None = described(
        f"{RATE} It applies to the clients of the group that have no rate."
    )


@strawberry.type(
    description="The time of day in which messages of a client are held, in the local time of each "
    "recipient. Replies are never held."
)
@represents(quiet_hours.QuietHours)
class QuietHours:
    start: str = described("When they begin, such as 21:00.")
    end: str = described("When they are over, such as 08:00.")
    time_zone: str = described(
        "The time zone of the client, such as America/New_York. It is used for "
        "recipients whose own time zone is not known."
    )


@strawberry.type(description="A tenant: a company, department or school that sends messages.")
@represents(domain_directory.Client)
class Client(Node):
    id: strawberry.ID = id_of(Kind.CLIENT)
    name: str = described("The name of the client.")
    business: str | None = described(
        "The business name that is stored with contacts of this client. Null without one."
    )
    status: ClientStatus = described("Only an ACTIVE client may send.")
    group = resolved_field(
        fields.groups_of_clients,
        Group | None,
        description="The group of the client. Null without one.",
    )
    assigned_numbers: list[PhoneNumber] = described(
        "Numbers of the platform. The client receives the messages to them."
    )
    rate_per_unit_usd: Money | None = described(RATE)
    low_balance_threshold: Units | None = described(
        "Its balance is low if it is less than this. Null without a threshold."
    )
    twilio_account_sid: str = described(
        "The account SID of the client in the Twilio-compatible API."
    )
    created_at: datetime = described("When the client was added.")
    quiet_hours: QuietHours | None = described(
        "When its messages are held. Null without quiet hours."
    )


@strawberry.type(
    description="The key that verifies the status callbacks of a client in the Twilio-compatible "
    "API. It is not a password."
)
@represents(auth_tokens.AuthToken)
class TwilioAuthToken:
    client: Client = described("The client whose callbacks it verifies.")
    token: str = described("The new token.")
    signs_from: datetime = described("When it begins to sign. Until then, the previous one signs.")


@strawberry.type(description="The brand under which this installation sells.")
@represents(brand.Brand)
class Brand:
    name: str = described("The name to show to users.")
    color: str = described("The colour of the brand, as `#rrggbb`.")
    logo: str | None = described(
        "The path of the logo on the host of the API: a PNG or SVG picture. Null if it has none."
    )


@strawberry.type(description="The user who makes the request.")
@represents(domain_directory.User)
class Viewer:
    id: strawberry.ID = id_of(Kind.USER)
    email: str = described("The email address that the user signs in with.")
    role: Role = described("What the user may see and do.")
    client = resolved_field(
        fields.clients_of,
        Client | None,
        description="The account that the user sends from. A supervisor may have one in its group. "
        "Null without one: an admin has none.",
    )
    group = resolved_field(
        fields.groups_of,
        Group | None,
        description="The group of a supervisor, or the group of the client of the user. "
        "Null without one.",
    )
    brand = resolved_field(fields.brand, Brand, description="The brand of this installation.")


@strawberry.type(description="A person who signs in, or whose programs use API keys.")
@represents(domain_directory.User)
class User(Node):
    id: strawberry.ID = id_of(Kind.USER)
    email: str = described("The email address that the user signs in with.")
    role: Role = described("What the user may see and do.")
    client = resolved_field(
        fields.clients_of,
        Client | None,
        description="The account that the user sends from. Null without one.",
    )
    group = resolved_field(
        fields.groups_of,
        Group | None,
        description="The group of a supervisor, or the group of the client of the user. "
        "Null without one.",
    )
    disabled: bool = described("A disabled user cannot sign in.")
    created_at: datetime = described("When the user was added.")


@strawberry.type
class DirectoryQuery:
    brand = resolved_field(
        fields.brand,
        Brand,
        description="The brand of this installation. It can be read before sign-in.",
    )
    viewer = resolved_field(fields.viewer, Viewer, description="The user who makes the request.")
    clients = connection_field(
        fields.clients,
        Client,
        cursors=BY_KEY,
        description="All clients, newest first unless orderBy says otherwise.",
    )
    client = resolved_field(
        fields.client, Client | None, description="One client. Null if it does not exist."
    )
    groups = resolved_field(fields.groups, list[Group], description="All groups, by name.")
    users = connection_field(
        fields.user_page,
        User,
        cursors=BY_KEY,
        description="All users, newest first unless orderBy says otherwise.",
    )


@strawberry.type
class DirectoryMutation:
    create_group = mutation_field(
        fields.create_group,
        Group,
        refusals=(errors.InvalidInput,),
        description="Adds a group under the default pool.",
    )
    update_group = mutation_field(
        fields.update_group,
        Group,
        refusals=(errors.InvalidInput, errors.NotFound),
        description="Changes the given fields of a group.",
    )
    create_client = mutation_field(
        fields.create_client,
        Client,
        refusals=(errors.InvalidInput, errors.NotFound),
        description="Adds a client to the default pool. It is ACTIVE and holds nothing.",
    )
    update_client = mutation_field(
        fields.update_client,
        Client,
        refusals=(errors.InvalidInput, errors.NotFound),
        description="Changes the given fields of a client. A client that changes groups keeps its "
        "units.",
    )
    set_quiet_hours = mutation_field(
        fields.set_quiet_hours,
        Client,
        refusals=(errors.InvalidInput, errors.NotFound),
        description="Sets or ends the quiet hours of the viewer's client; for an admin, of the "
        "named client. They apply to later sends.",
    )
    rotate_twilio_auth_token = mutation_field(
        fields.rotate_twilio_auth_token,
        TwilioAuthToken,
        refusals=(errors.InvalidInput, errors.NotFound),
        description="Gives the viewer's client, or the client that an admin names, a new auth "
        "token for the status callbacks of the Twilio-compatible API.",
    )
    create_user = mutation_field(
        fields.create_user,
        User,
        refusals=(errors.InvalidInput, errors.NotFound),
        description="Adds a user.",
    )
    update_user = mutation_field(
        fields.update_user,
        User,
        refusals=(errors.InvalidInput, errors.NotFound),
        description="Changes the given fields of a user. A new password or role, or disabling the "
        "user, ends all its sessions and closes its sockets.",
    )
