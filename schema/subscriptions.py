"""What can be watched, as the API shows it."""

from __future__ import annotations

import strawberry

from resolvers import subscriptions
from schema.ledger import Balances
from schema.sends import Message, Send


@strawberry.type
class LedgerSubscription:
    balance_updated = strawberry.subscription(
        resolver=subscriptions.balance_updated,
        graphql_type=Balances,
        description="The present balances at once, then again after every change. "
        "Slow readers get the newest, not the backlog.",
    )


@strawberry.type
class SendSubscription:
    message_updated = strawberry.subscription(
        resolver=subscriptions.message_updated,
        graphql_type=Message,
        description="Status changes of the viewer's messages; of one send where named. First those "
        "of the last five seconds, or the newest hundred messages of the send as they stand; then "
        "each message's newest state after every change.",
    )
    send_progress = strawberry.subscription(
        resolver=subscriptions.send_progress,
        graphql_type=Send,
        description="Counts of one send until it is finished; the present counts at once.",
    )
