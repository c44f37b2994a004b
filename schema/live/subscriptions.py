"""What can be watched, as the API shows it."""

from __future__ import annotations

import strawberry

from resolvers.live import subscriptions
from schema.inbox.conversations import Conversation
from schema.inbox.webhooks import WebhookEvent
from schema.ledger.audits import LedgerAudit
from schema.ledger.ledger import Balances
from schema.ledger.reconcile import Reconciliation
from schema.sending.sends import Message, Send


@strawberry.type
class LedgerSubscription:
    balance_updated = strawberry.subscription(
        resolver=subscriptions.balance_updated,
        graphql_type=Balances,
        description="The present balances at once, then again after every change. "
        "A slow reader gets the newest balances and may miss earlier ones.",
    )
    reconcile_progress = strawberry.subscription(
        resolver=subscriptions.reconcile_progress,
        graphql_type=Reconciliation,
        description="A reconciliation after each step, until it is finished.",
    )
    ledger_audit_progress = strawberry.subscription(
        resolver=subscriptions.ledger_audit_progress,
        graphql_type=LedgerAudit,
        description="An audit as it is now, then after each step, until it is finished or stopped.",
    )


@strawberry.type
class SendSubscription:
    message_updated = strawberry.subscription(
        resolver=subscriptions.message_updated,
        graphql_type=Message,
        description="Status changes of the viewer's messages, or of the messages of one send. The "
        "first ones are the changes of the last 5 seconds, at most 5,000, or the newest 100 "
        "messages of the send. After that, each change brings the newest state of its message.",
    )
    send_progress = strawberry.subscription(
        resolver=subscriptions.send_progress,
        graphql_type=Send,
        description="The counts of one send: the present ones at once, then after each change, "
        "until it is finished.",
    )


@strawberry.type
class InboxSubscription:
    inbound_message = strawberry.subscription(
        resolver=subscriptions.inbound_message,
        graphql_type=Message,
        description="Every inbound message of the viewer's client, in order, without gaps. With "
        "`since`, the messages after that one come first, so that none is lost if you reconnect.",
    )
    conversation_updated = strawberry.subscription(
        resolver=subscriptions.conversation_updated,
        graphql_type=Conversation,
        description="Changes of the viewer's conversations: a new message, read, opted out. The "
        "first ones are those of the last 5 seconds, at most 5,000. After that, each change brings "
        "the newest state of its conversation.",
    )


@strawberry.type
class WebhookSubscription:
    webhook_received = strawberry.subscription(
        resolver=subscriptions.webhook_received,
        graphql_type=WebhookEvent,
        description="Every webhook event with its outcome: when it is stored, and again after "
        "every change of the outcome. The first ones are those of the last 5 seconds, at most "
        "5,000.",
    )
