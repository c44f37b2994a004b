"""The domain's closed lists, as enums of the API: imported before any type that shows one."""

from __future__ import annotations

import strawberry

from domain.direction import Direction
from domain.identity.access import Role
from domain.identity.records import ClientStatus
from domain.inbox.messages import ContactOrder
from domain.inbox.webhooks import WebhookOutcome
from domain.ledger.balances import SyncState
from domain.ledger.book import TransferKind
from domain.ledger.statement import StatementOrder
from domain.rejections import RejectionReason
from domain.sending.sends import MessageStatus
from domain.sending.text import Encoding

for _enum in (
    Role,
    ClientStatus,
    RejectionReason,
    Direction,
    TransferKind,
    SyncState,
    WebhookOutcome,
    ContactOrder,
):
    strawberry.enum(_enum)
strawberry.enum(Encoding, name="TextEncoding")
strawberry.enum(StatementOrder, name="TransferOrder")

_STATUSES = {
    MessageStatus.QUEUED: "Accepted and charged, not yet handed over.",
    MessageStatus.SUBMITTING: "Being handed to the provider at this moment.",
    MessageStatus.SENT: "The provider took it.",
    MessageStatus.UNDELIVERED: "The provider took it and later said that it could not be "
    "delivered.",
    MessageStatus.REJECTED: "Never taken by the provider. The charge was given back.",
    MessageStatus.UNKNOWN: "Nobody can tell whether the provider took it. Stays charged, is never "
    "sent again by itself.",
    MessageStatus.CANCELLED: "Called back before it was handed over. The charge was given back.",
}
strawberry.enum(MessageStatus)
for _value in MessageStatus.__strawberry_definition__.values:  # type: ignore[attr-defined]
    _value.description = _STATUSES.get(_value.value)

_IDENTITY = {
    Role: {
        "ADMIN": "The operator: sees and does everything.",
        "SUPERVISOR": "Manages a group: sees the balances of its clients, not their messages.",
        "CLIENT": "A user of one client: sees that client, and the total of its group.",
    },
    ClientStatus: {
        "ACTIVE": "The client may send.",
        "DORMANT": "The client has stopped sending for the time being. It may not send.",
        "SUSPENDED": "The operator has stopped the client. It may not send.",
    },
}
_LEDGER = {
    TransferKind: {
        "OPENING": "The first reading of a pool, or an imported opening balance.",
        "ALLOCATION": "Units moved between the pool or a group and a client or a group.",
        "SEND": "The charge of a send.",
        "REFUND": "The charge of messages that the provider did not accept, or were cancelled.",
        "SYNC": "The pool was set to the balance that the provider reported.",
        "RECONCILE": "A correction by a reconciliation.",
    },
    SyncState: {
        "IN_SYNC": "The pool agrees with the last balance that the provider reported.",
        "NEEDS_SYNC": "Something since the last reading may make it wrong, or it is over 24 h old.",
        "OVER_ALLOCATED": "Clients hold more than the pool.",
        "NEVER_SYNCED": "The provider's balance was never read.",
        "PROVIDER_UNREACHABLE": "The last attempt to read the balance failed.",
    },
    StatementOrder: {
        "NEWEST": "The newest transfer first.",
        "OLDEST": "The oldest transfer first.",
    },
}
_INBOX = {
    WebhookOutcome: {
        "ROUTED": "It belongs to a client.",
        "UNROUTED": "No rule found its client, or it was not received yet.",
        "DUPLICATE": "The same event was stored before. It changed nothing.",
        "REFUSED": "The caller was not allowed. The content was not stored.",
        "INVALID": "It could not be read.",
    },
    ContactOrder: {
        "NEWEST": "The newest contact first.",
        "OLDEST": "The oldest contact first.",
        "NAME": "By name, without regard to case; contacts without a name come last.",
    },
}
for _type, _words in (_IDENTITY | _LEDGER | _INBOX).items():
    for _value in vars(_type)["__strawberry_definition__"].values:
        _value.description = _words[_value.name]
