"""Who may read and change what: the inbox, webhook events and routes."""

from __future__ import annotations

from tests.matrix.row import EMPTY, EVERYBODY, FORBIDDEN, NOT_FOUND, NULL, Row, admins, senders
from tests.matrix.things import (
    a_conversation,
    a_modem_route,
    a_word,
    an_inbound_message,
    an_unrouted_event,
    everybody_receives,
    the_client,
)

TEXT = {"text": "Good morning"}
GROUPS = "group other_group"

ROWS: dict[str, list[Row]] = {
    "Query.inbox": [senders("owner", sibling="sibling", admin=EVERYBODY, first=everybody_receives)],
    "Query.conversation": [
        senders("owner", sibling=NULL, admin="owner", given={"id": a_conversation})
    ],
    "Mutation.reply": [
        senders(
            "owner",
            sibling=NOT_FOUND,
            admin=FORBIDDEN,
            given={"input": {"conversationId": a_conversation, **TEXT}},
        ),
        senders(
            "owner",
            sibling=NOT_FOUND,
            admin=FORBIDDEN,
            given={"input": {"inboundMessageId": an_inbound_message, **TEXT}},
        ),
    ],
    "Mutation.markRead": [
        senders(
            "owner",
            sibling=NOT_FOUND,
            admin="owner",
            given={"input": {"conversationId": a_conversation}},
        )
    ],
    "Query.webhookEvents": [admins(f"{EVERYBODY} {GROUPS}", first=everybody_receives)],
    "Query.webhookStatus": [admins("stranger other_group", first=everybody_receives)],
    "Query.modemRoutes": [admins(f"{EVERYBODY} {GROUPS}", first=everybody_receives)],
    "Mutation.setModemRoute": [
        admins(
            "owner group", given={"input": {"clientId": the_client, "modem": a_word, "port": "1"}}
        )
    ],
    "Mutation.deleteModemRoute": [admins("owner group", given={"input": {"id": a_modem_route}})],
    "Mutation.assignInbound": [
        admins(
            "owner group",
            given={"input": {"webhookEventId": an_unrouted_event, "clientId": the_client}},
        ),
        admins(
            "owner group",
            given={
                "input": {
                    "webhookEventId": an_unrouted_event,
                    "clientId": the_client,
                    "optOutAll": True,
                }
            },
        ),
    ],
    "Mutation.testReplyReadiness": [
        admins("owner", given={"input": {"clientId": the_client}}, first=everybody_receives)
    ],
    "Subscription.inboundMessage": [
        senders(EMPTY, sibling=EMPTY, admin=FORBIDDEN),
        senders(
            "owner",
            sibling=NOT_FOUND,
            admin=FORBIDDEN,
            given={"since": an_inbound_message},
            first=everybody_receives,
        ),
    ],
    "Subscription.conversationUpdated": [
        senders("owner", sibling="sibling", admin=EVERYBODY, first=everybody_receives)
    ],
    "Subscription.webhookReceived": [admins(f"{EVERYBODY} {GROUPS}", first=everybody_receives)],
}
