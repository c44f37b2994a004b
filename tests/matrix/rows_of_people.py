"""Who gets what: the viewer, and the directory."""

from __future__ import annotations

from typing import Any

from tests import people
from tests.matrix.row import DATA, EVERYBODY, NOT_FOUND, Row, admins, anybody, own, roles, senders
from tests.matrix.scenario import email_of
from tests.matrix.things import (
    a_refresh_token,
    a_session,
    a_supervisor,
    a_word,
    an_api_key,
    an_email,
    everybody_signs_in,
    passwords_are_known,
    the_client,
    the_group,
    the_user,
)

QUIET_HOURS = {"start": "21:00", "end": "08:00", "timeZone": "Africa/Kampala"}
VIEWERS: dict[str, Any] = {
    "owner": "owner group",
    "sibling": "sibling group",
    "supervisor": "supervisor group",
    "other_supervisor": "other_supervisor other_group",
    "direct": "direct owner group",
    "admin": "admin",
}
NEW_PASSWORD = {"currentPassword": people.PASSWORD, "newPassword": "another password"}
NEW_USER = {"email": an_email, "password": people.PASSWORD}

ROWS: dict[str, list[Row]] = {
    "Query.viewer": [Row(**VIEWERS)],
    "Query.brand": [anybody(DATA)],
    "Query.apiKeys": [own()],
    "Query.clients": [
        admins(f"{EVERYBODY} group other_group"),
        admins("owner sibling group", given={"groupId": the_group}),
    ],
    "Query.client": [admins("owner group", given={"id": the_client})],
    "Query.groups": [admins("group other_group")],
    "Query.users": [
        admins(f"{EVERYBODY} supervisor other_supervisor direct admin group other_group"),
        admins("owner direct group", given={"clientId": the_client}),
        admins("supervisor direct owner group", given={"filter": {"groupId": the_group}}),
    ],
    "Mutation.signIn": [
        anybody(
            "owner group",
            given={"input": {"email": email_of("owner"), "password": people.PASSWORD}},
            first=passwords_are_known,
        )
    ],
    "Mutation.refreshSession": [
        anybody("owner group", given={"input": {"refreshToken": a_refresh_token}})
    ],
    "Mutation.signOut": [anybody(DATA, given={"input": {"refreshToken": a_refresh_token}})],
    "Mutation.changePassword": [
        Row(**VIEWERS, given={"input": NEW_PASSWORD}, first=passwords_are_known)
    ],
    "Query.mySessions": [own(first=everybody_signs_in)],
    "Mutation.endSession": [roles(NOT_FOUND, owner="owner", given={"input": {"id": a_session}})],
    "Mutation.endOtherSessions": [roles(DATA)],
    "Mutation.createApiKey": [own(given={"input": {"name": "key"}})],
    "Mutation.revokeApiKey": [
        roles(NOT_FOUND, owner="owner", admin="owner", given={"input": {"id": an_api_key}})
    ],
    "Mutation.createGroup": [admins(DATA, given={"input": {"name": a_word}})],
    "Mutation.updateGroup": [admins("group", given={"input": {"id": the_group}})],
    "Mutation.createClient": [
        admins(DATA, given={"input": {"name": a_word}}),
        admins("group", given={"input": {"name": a_word, "groupId": the_group}}),
    ],
    "Mutation.updateClient": [
        admins("owner group", given={"input": {"id": the_client}}),
        admins("owner group", given={"input": {"id": the_client, "groupId": the_group}}),
    ],
    "Mutation.setQuietHours": [
        senders(
            "owner group",
            sibling=NOT_FOUND,
            admin="owner group",
            given={"input": {"clientId": the_client, "quietHours": QUIET_HOURS}},
        ),
        senders(
            "owner group",
            sibling="sibling group",
            admin="InvalidInput",
            given={"input": {"quietHours": None}},
        ),
    ],
    "Mutation.rotateTwilioAuthToken": [
        senders(
            "owner group",
            sibling=NOT_FOUND,
            admin="owner group",
            given={"input": {"clientId": the_client}},
        ),
        senders("owner group", sibling="sibling group", admin="InvalidInput", given={"input": {}}),
    ],
    "Mutation.createUser": [
        admins(
            "owner group", given={"input": {**NEW_USER, "role": "CLIENT", "clientId": the_client}}
        ),
        admins("group", given={"input": {**NEW_USER, "role": "SUPERVISOR", "groupId": the_group}}),
    ],
    "Mutation.updateUser": [
        admins("owner group", given={"input": {"id": the_user}}),
        admins("owner group", given={"input": {"id": the_user, "clientId": the_client}}),
        admins("group", given={"input": {"id": a_supervisor, "groupId": the_group}}),
    ],
}
