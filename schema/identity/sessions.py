"""Sessions and API keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from domain.identity import api_keys
from domain.identity import ports as ports
from domain.identity import sessions as identity
from domain.ids import Kind
from resolvers.identity import sessions
from schema import errors
from schema.fields import described, mutation_field, resolved_field
from schema.identity.directory import Viewer
from schema.nodes import Node
from schema.values import id_of, represents


@strawberry.type(description="A session with its tokens.")
@represents(identity.SignedIn)
class Session:
    access_token: str = described("Send it as `Authorization: Bearer …` until `expiresAt`.")
    refresh_token: str = described(
        "Exchange it for the next tokens with `refreshSession`. It can be used once."
    )
    expires_at: datetime = described("When the access token expires.")
    viewer = resolved_field(sessions.viewer_of, Viewer, description="The user of the session.")


@strawberry.type(description="A session of the viewer that has not ended.")
@represents(ports.OpenSession)
class OpenSession(Node):
    id: strawberry.ID = id_of(Kind.SESSION, description="The session's ID.")
    created_at: datetime = described("When the user signed in.")
    refreshed_at: datetime = described(
        "When the tokens were last renewed: about when the session was last used."
    )
    expires_at: datetime = described(
        "When the session ends by itself, if its tokens are not renewed before."
    )
    current = resolved_field(
        sessions.is_current, bool, description="Whether this request was made with this session."
    )


@strawberry.type(description="The credential of a program. It acts for its user.")
@represents(ports.ApiKey)
class ApiKey(Node):
    id: strawberry.ID = id_of(Kind.API_KEY, description="The ID of the key.")
    name: str = described("The name that the user gave it.")
    prefix: str = described("The beginning of the secret, to recognise it.")
    twilio_sid: str = described(
        "The SID of the key in the Twilio-compatible API. The secret is its password."
    )
    created_at: datetime = described("When the key was created.")
    last_used_at: datetime | None = described(
        "When the key was last used, to the minute. Null if it never was."
    )


@strawberry.type(description="A new API key with its secret.")
@represents(api_keys.CreatedApiKey)
class CreatedApiKey:
    api_key: ApiKey = described("The key.")
    secret: str = described("The credential itself. It is shown only this once: store it safely.")


SignInResult = Annotated[
    Session | errors.InvalidCredentials | errors.RateLimited, strawberry.union("SignInResult")
]


@strawberry.type
class SessionQuery:
    my_sessions = resolved_field(
        sessions.my_sessions,
        list[OpenSession],
        description="The viewer's own sessions that have not ended, newest first; at most 100.",
    )
    api_keys = resolved_field(
        sessions.api_keys,
        list[ApiKey],
        description="The viewer's own keys that are not revoked, newest first.",
    )


@strawberry.type
class SessionMutation:
    sign_in = resolved_field(
        sessions.sign_in,
        SignInResult,
        description="Starts a session. Failed attempts are limited per account and per address.",
    )
    refresh_session = resolved_field(
        sessions.refresh_session,
        SignInResult,
        description="A refresh token is used once. If it is used again within 30 seconds "
        "(two tabs, or a lost answer), it returns the same next token. "
        "If it is used again later, the session ends.",
    )
    sign_out = resolved_field(
        sessions.sign_out,
        bool,
        description="Ends the session and its access token, everywhere within a second. "
        "False if the token never existed.",
    )
    end_session = mutation_field(
        sessions.end_session,
        OpenSession,
        refusals=(errors.NotFound,),
        description="Signs one of the viewer's sessions out, everywhere within a second.",
    )
    end_other_sessions = resolved_field(
        sessions.end_other_sessions,
        int,
        description="Signs the viewer out everywhere else: ends all sessions except the one of "
        "this request, within a second. API keys stay valid. Returns how many sessions it ended.",
    )
    change_password = mutation_field(
        sessions.change_password,
        Viewer,
        refusals=(errors.InvalidInput, errors.RateLimited),
        description="Changes the viewer's own password and ends its other sessions, with their "
        "sockets, within a second. The session of this request continues, and API keys stay valid. "
        "A wrong current password counts as a failed sign-in. An API key may not use it.",
    )
    create_api_key = mutation_field(
        sessions.create_api_key,
        CreatedApiKey,
        refusals=(errors.InvalidInput,),
        description="Adds an API key that acts for the viewer.",
    )
    revoke_api_key = mutation_field(
        sessions.revoke_api_key,
        ApiKey,
        refusals=(errors.NotFound,),
        description="Revokes an API key of the viewer, everywhere within a second. "
        "An admin may revoke any key. Safe to repeat.",
    )
