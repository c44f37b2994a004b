"""Sessions and API keys, as the API shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from domain.identity import api_keys
from domain.identity import ports as ports
from domain.identity import sessions as identity
from resolvers.identity import sessions
from resolvers.ids import Kind
from schema import errors
from schema.binding import stands_for
from schema.identity.directory import Viewer
from schema.ids import id_of


@strawberry.type
@stands_for(identity.SignedIn)
class Session:
    access_token: str
    refresh_token: str
    expires_at: datetime = strawberry.field(description="When the access token ends.")
    viewer = strawberry.field(resolver=sessions.viewer_of, graphql_type=Viewer)


@strawberry.type
@stands_for(ports.ApiKey)
class ApiKey:
    id: strawberry.ID = id_of(Kind.API_KEY)
    name: str
    prefix: str
    created_at: datetime
    last_used_at: datetime | None = strawberry.field(description="To the minute.")


@strawberry.type
@stands_for(api_keys.CreatedApiKey)
class CreatedApiKey:
    api_key: ApiKey
    secret: str = strawberry.field(description="Shown this once.")


SignInResult = Annotated[
    Session | errors.InvalidCredentials | errors.RateLimited, strawberry.union("SignInResult")
]
CreateApiKeyResult = Annotated[
    CreatedApiKey | errors.InvalidInput, strawberry.union("CreateApiKeyResult")
]
RevokeApiKeyResult = Annotated[ApiKey | errors.NotFound, strawberry.union("RevokeApiKeyResult")]


@strawberry.type
class SessionQuery:
    api_keys = strawberry.field(
        resolver=sessions.api_keys,
        graphql_type=list[ApiKey],
        description="The viewer's own that are not revoked, newest first.",
    )


@strawberry.type
class SessionMutation:
    sign_in = strawberry.field(resolver=sessions.sign_in, graphql_type=SignInResult)
    refresh_session = strawberry.field(
        resolver=sessions.refresh_session,
        graphql_type=SignInResult,
        description="A refresh token is used once. If it is used again within 30 seconds "
        "(two tabs, or a lost answer), the answer is the same next token. "
        "A later second use ends the session.",
    )
    sign_out = strawberry.field(
        resolver=sessions.sign_out,
        graphql_type=bool,
        description="Ends the session and its access token. False where there never was such one.",
    )
    create_api_key = strawberry.field(
        resolver=sessions.create_api_key, graphql_type=CreateApiKeyResult
    )
    revoke_api_key = strawberry.field(
        resolver=sessions.revoke_api_key, graphql_type=RevokeApiKeyResult
    )
