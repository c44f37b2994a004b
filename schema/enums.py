"""Enums of the domain, as the API shows them. `schema.fields` imports them before any type does."""

from __future__ import annotations

from enum import Enum

import strawberry

from domain.errors import RejectionReason
from domain.hooks.deliveries import DeliveryStatus, EventType
from domain.hooks.endpoints import EndpointStatus
from domain.identity.access import Role
from domain.identity.directory import ClientOrder, ClientStatus, UserOrder
from domain.inbox.messages import ContactOrder
from domain.inbox.webhooks import WebhookOutcome
from domain.ledger.alarms import AlarmKind
from domain.ledger.audits import AuditState
from domain.ledger.balances import SyncState
from domain.ledger.book import TransferKind
from domain.ledger.statement import StatementOrder
from domain.sending.lists import Period, SendOrder
from domain.sending.messages import Direction, MessageStatus, SendKind
from domain.sending.text import Encoding

_TYPES: dict[type[Enum], tuple[str, str]] = {
    Role: ("Role", "The role of a user: what the user may see and do."),
    ClientStatus: ("ClientStatus", "Whether a client may send."),
    ClientOrder: ("ClientOrder", "The order of a list of clients."),
    UserOrder: ("UserOrder", "The order of a list of users."),
    RejectionReason: ("RejectionReason", "Why nothing is sent to a recipient."),
    Direction: ("Direction", "The direction of a message."),
    MessageStatus: ("MessageStatus", "The status of an outbound message."),
    SendKind: ("SendKind", "What a send was requested with."),
    SendOrder: ("SendOrder", "The order of a list of sends."),
    Period: ("StatsPeriod", "The length of the periods of statistics."),
    Encoding: ("TextEncoding", "How a text is encoded. It decides how many segments the text has."),
    TransferKind: ("TransferKind", "Why units were moved."),
    StatementOrder: ("TransferOrder", "The order of a list of transfers."),
    SyncState: ("SyncState", "Whether a pool agrees with its provider."),
    AlarmKind: ("AlarmKind", "What an alarm is about."),
    AuditState: ("LedgerAuditState", "How far an audit is."),
    WebhookOutcome: ("WebhookOutcome", "What was done with a webhook event."),
    ContactOrder: ("ContactOrder", "The order of a list of contacts."),
    EventType: ("WebhookEventType", "What is posted to the webhook endpoints of a client."),
    DeliveryStatus: ("WebhookDeliveryStatus", "Whether a delivery has arrived."),
    EndpointStatus: ("WebhookEndpointStatus", "How a webhook endpoint of a client answers."),
}
for _type, (_name, _description) in _TYPES.items():
    strawberry.enum(_type, name=_name, description=_description)

_SENDING = {
    MessageStatus: {
        "QUEUED": "Accepted and charged, not yet submitted to the provider.",
        "SUBMITTING": "Being submitted to the provider at this moment.",
        "SENT": "The provider accepted it.",
        "DELIVERED": "The provider reported that it was delivered.",
        "UNDELIVERED": "The provider accepted it and later reported that it was not delivered.",
        "REJECTED": "The provider did not accept it. The charge was refunded.",
        "UNKNOWN": "It is not known whether the provider accepted it. It stays charged and is not "
        "sent again automatically.",
        "CANCELLED": "Cancelled before it was submitted. The charge was refunded.",
    },
    RejectionReason: {
        "INVALID": "It is not a valid phone number.",
        "DUPLICATE": "The same number (with bulkSendMulti, the same number and text) is in the "
        "request already.",
        "OPTED_OUT": "The number has asked not to receive messages.",
        "NOT_ALLOWED": "Messages to this number are not allowed.",
        "MISSING_VALUE": "The row has no value for a placeholder of the text.",
    },
    Direction: {
        "INBOUND": "From a contact to the client.",
        "OUTBOUND": "From the client to a contact.",
    },
    Encoding: {
        "GSM7": "The GSM 7-bit alphabet: 160 characters in one segment, 153 in each of several.",
        "UCS2": "For all other characters: 70 in one segment, 67 in each of several.",
    },
    SendKind: {
        "REPLY": "A reply in a conversation.",
        "SINGLE": "One text to one number, with send.",
        "BULK": "One text to many numbers, with bulkSend.",
        "MULTI": "A text for each number, with bulkSendMulti.",
        "CSV": "The rows of a file, with csvSend.",
    },
    SendOrder: {
        "NEWEST": "The newest send first.",
        "OLDEST": "The oldest send first.",
    },
    Period: {"HOUR": "Full hours in UTC.", "DAY": "Days in UTC."},
}
_IDENTITY = {
    Role: {
        "ADMIN": "The operator: sees and does everything.",
        "SUPERVISOR": "Manages a group: sees the balances of its clients, not their messages.",
        "CLIENT": "A user of one client: sees that client, and the total of its group.",
    },
    ClientStatus: {
        "ACTIVE": "The client may send.",
        "DORMANT": "The client has stopped sending for the time being. It may not send, and what it"
        " has queued waits.",
        "SUSPENDED": "The operator has stopped the client. It may not send, and what it has queued"
        " waits.",
    },
    ClientOrder: {
        "NEWEST": "The newest client first.",
        "OLDEST": "The oldest client first.",
        "NAME": "By name, without regard to case.",
    },
    UserOrder: {
        "NEWEST": "The newest user first.",
        "OLDEST": "The oldest user first.",
        "EMAIL": "By email address, without regard to case.",
    },
}
_LEDGER = {
    TransferKind: {
        "OPENING": "The first reading of a pool, or an imported opening balance.",
        "ALLOCATION": "Units moved between the pool or a group and a client or a group.",
        "SEND": "The charge of a send.",
        "REFUND": "The refund of messages that were cancelled or that the provider did not accept.",
        "SYNC": "The pool was set to the balance that the provider reported.",
        "RECONCILE": "A correction by a reconciliation.",
        "ROUTE_CREDIT": "What a pool gets back because another account sent its clients' messages.",
        "ROUTE_COST": "What messages cost the pool of the account that sent them by a route.",
    },
    SyncState: {
        "IN_SYNC": "The pool agrees with the last balance that the provider reported.",
        "NEEDS_SYNC": "Something since the last reading may make it wrong, or it is over 24 h old.",
        "OVER_ALLOCATED": "Clients hold more than the pool.",
        "NEVER_SYNCED": "The provider's balance was never read.",
        "PROVIDER_UNREACHABLE": "The last attempt to read the balance failed.",
    },
    AlarmKind: {
        "OVER_ALLOCATED": "Clients hold more than the provider's balance.",
        "NEEDS_SYNC": "The pool may not agree with the provider: sync, or reconcile.",
        "UNKNOWN_OLD": "Messages have been UNKNOWN for more than an hour.",
        "DISPATCH_STALLED": "Messages have been due for five minutes and none is submitted.",
        "PROVIDER_REFUSING": "The provider rejects the account. Its messages wait.",
        "PAUSED": "A person has paused the account. Its messages wait.",
        "LOW_BALANCE": "Clients hold less than their threshold.",
        "WEBHOOK_FAILING": "Webhook endpoints of clients have failed for more than a day.",
    },
    AuditState: {
        "RUNNING": "It has not read everything yet.",
        "FINISHED": "It has a result.",
        "STOPPED": "Its process ended before it had a result. Start another one.",
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
_HOOKS = {
    EventType: {
        "MESSAGE_UPDATED": "`message.updated`: a message is SENT, DELIVERED, UNDELIVERED, REJECTED,"
        " UNKNOWN or CANCELLED.",
        "MESSAGE_RECEIVED": "`message.received`: an inbound message is in the inbox.",
        "SEND_FINISHED": "`send.finished`: no message of a send is queued or being submitted.",
        "BALANCE_LOW": "`balance.low`: the client holds less than its threshold.",
        "OPTOUT_CHANGED": "`optout.changed`: a number opted out, or may be sent to again.",
        "WEBHOOK_TEST": "`webhook.test`: from testWebhookEndpoint. It cannot be chosen.",
    },
    DeliveryStatus: {
        "PENDING": "It has not arrived yet. It is posted again for up to 24 hours.",
        "DELIVERED": "The endpoint answered with a status from 200 to 299.",
        "FAILED": "It is not posted any more.",
    },
    EndpointStatus: {
        "ACTIVE": "The last attempt succeeded, or there was none yet.",
        "RETRYING": "The last attempts failed. They are repeated.",
        "FAILING": "No attempt has succeeded for 24 hours. After three days it is paused.",
        "PAUSED": "Nothing is posted to it until it is resumed. Events are not kept for it.",
    },
}
for _type, _words in (_SENDING | _IDENTITY | _LEDGER | _INBOX | _HOOKS).items():
    for _value in vars(_type)["__strawberry_definition__"].values:
        _value.description = _words[_value.name]
