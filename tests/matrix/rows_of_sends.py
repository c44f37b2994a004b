"""Who gets what: sends and their messages."""

from __future__ import annotations

from tests.matrix.row import (
    DATA,
    EMPTY,
    EVERYBODY,
    FORBIDDEN,
    NOT_FOUND,
    NULL,
    Row,
    admins,
    senders,
)
from tests.matrix.things import a_message_in_doubt, a_send, messages_change, the_client

TO = "+12025550141"
TEXT = {"text": "Good morning"}
A_DAY = {"by": "HOUR", "from": "2026-11-28T00:00:00Z", "to": "2026-11-29T00:00:00Z"}

ROWS: dict[str, list[Row]] = {
    "Query.sends": [
        senders("owner", sibling="sibling", admin=EVERYBODY),
        senders("owner", sibling=EMPTY, admin="owner", given={"filter": {"clientId": the_client}}),
    ],
    "Query.messages": [
        senders("owner", sibling="sibling", admin=EVERYBODY),
        senders("owner", sibling=EMPTY, admin="owner", given={"filter": {"sendId": a_send}}),
    ],
    "Query.messageStats": [
        senders(DATA, sibling=DATA, admin=DATA, given=A_DAY),
        senders(DATA, sibling=NOT_FOUND, admin=DATA, given={**A_DAY, "clientId": the_client}),
    ],
    "Query.send": [senders("owner", sibling=NULL, admin="owner", given={"id": a_send})],
    "Query.message": [
        senders("owner", sibling=NULL, admin="owner", given={"id": a_message_in_doubt})
    ],
    "Query.quote": [
        senders(DATA, sibling=DATA, admin=FORBIDDEN, given={"input": {"to": [TO], **TEXT}})
    ],
    "Mutation.send": [
        senders("owner", sibling="sibling", admin=FORBIDDEN, given={"input": {"to": TO, **TEXT}})
    ],
    "Mutation.bulkSend": [
        senders("owner", sibling="sibling", admin=FORBIDDEN, given={"input": {"to": [TO], **TEXT}})
    ],
    "Mutation.bulkSendMulti": [
        senders(
            "owner",
            sibling="sibling",
            admin=FORBIDDEN,
            given={"input": {"messages": [{"to": TO, **TEXT}]}},
        )
    ],
    "Mutation.cancelSend": [
        senders("owner", sibling=NOT_FOUND, admin="owner", given={"input": {"sendId": a_send}})
    ],
    "Mutation.settleUnknown": [
        admins("owner", given={"input": {"messageId": a_message_in_doubt, "taken": True}})
    ],
    "Mutation.settleUnknowns": [
        admins(
            DATA, given={"input": {"filter": {"sendId": a_send}, "taken": True, "dryRun": True}}
        ),
        admins(
            DATA,
            given={"input": {"filter": {"clientId": the_client}, "taken": True, "dryRun": True}},
        ),
    ],
    "Send.client": [
        senders(
            FORBIDDEN, sibling=NULL, admin="owner group", through="Query.send", given={"id": a_send}
        )
    ],
    "Message.client": [
        senders(
            FORBIDDEN,
            sibling=NULL,
            admin="owner group",
            through="Query.message",
            given={"id": a_message_in_doubt},
        )
    ],
    "Message.modem": [
        senders(
            FORBIDDEN,
            sibling=NULL,
            admin=NULL,
            through="Query.message",
            given={"id": a_message_in_doubt},
        )
    ],
    "Message.port": [
        senders(
            FORBIDDEN,
            sibling=NULL,
            admin=NULL,
            through="Query.message",
            given={"id": a_message_in_doubt},
        )
    ],
    "Subscription.messageUpdated": [
        senders("owner", sibling="sibling", admin=EVERYBODY, first=messages_change),
        senders("owner", sibling=NOT_FOUND, admin="owner", given={"sendId": a_send}),
    ],
    "Subscription.sendProgress": [
        senders("owner", sibling=NOT_FOUND, admin="owner", given={"sendId": a_send})
    ],
}
