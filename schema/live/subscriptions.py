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
        "Slow readers get the newest, not the backlog.",
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
        "first ones are the changes of the last five seconds, or the newest 100 messages of the "
        "send. After that, each change brings the newest state of its message.",
    )
    send_progress = strawberry.subscription(
        resolver=subscriptions.send_progress,
        graphql_type=Send,
        description="Counts of one send until it is finished; the present counts at once.",
    )


@strawberry.type
class InboxSubscription:
    inbound_message = strawberry.subscription(
        resolver=subscriptions.inbound_message,
        graphql_type=Message,
        description="Every inbound message of the viewer's client, in order, none missing. With "
        "`since` (the last message id seen), first those after it: nothing is lost over a "
        "reconnect. Who has no client: FORBIDDEN.",
    )
    conversation_updated = strawberry.subscription(
        resolver=subscriptions.conversation_updated,
        graphql_type=Conversation,
        description="A conversation of the viewer's that changed: new message, read, opted out. "
        "First those of the last five seconds; then each one's newest state after every change.",
    )


@strawberry.type
class SwitchboardSubscription:
    webhook_received = strawberry.subscription(
        resolver=subscriptions.webhook_received,
        graphql_type=WebhookEvent,
        description="Every webhook event with how it was routed: sent when it is stored, and again "
        "after every change of its outcome. First those of the last five seconds.",
    )
