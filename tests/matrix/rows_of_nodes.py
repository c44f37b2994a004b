"""Who gets what by its ID alone: one row for each kind of ID."""

from __future__ import annotations

from tests.matrix.row import NULL, Row, Thing, roles
from tests.matrix.things import (
    a_contact,
    a_conversation,
    a_hook_delivery,
    a_hook_endpoint,
    a_message_in_doubt,
    a_modem_route,
    a_send,
    a_session,
    an_api_key,
    an_inbound_message,
    an_unrouted_event,
    the_audit,
    the_client,
    the_group,
    the_provider_account,
    the_reconciliation,
    the_user,
)


def node(thing: Thing, owner: str, **others: str) -> Row:
    """A row for one object. Those who are not named get null."""
    return roles(NULL, owner=owner, given={"id": thing}, **others)


ROWS: dict[str, list[Row]] = {
    "Query.node": [
        *[
            node(each, "owner", direct="owner", admin="owner")
            for each in (
                a_send,
                a_message_in_doubt,
                an_inbound_message,
                a_conversation,
                a_contact,
                a_hook_endpoint,
                a_hook_delivery,
            )
        ],
        node(the_client, "owner", supervisor="owner", direct="owner", admin="owner"),
        node(
            the_group, "group", sibling="group", supervisor="group", direct="group", admin="group"
        ),
        node(the_user, "owner", admin="owner"),
        node(an_api_key, "owner"),
        node(a_session, "owner"),
        node(the_provider_account, NULL, admin="pool"),
        node(a_modem_route, NULL, admin="owner"),
        node(an_unrouted_event, NULL, admin="data"),
        node(the_reconciliation, NULL, admin="data"),
        node(the_audit, NULL, admin="data"),
    ]
}
