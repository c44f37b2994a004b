"""What a route moves between pools when another account sends a message: docs/decisions/0184.

The client pays its own pool as for any message. When an account has taken the message, or may have,

- ROUTE_CREDIT: the client's pool gets the price back, because its own account sent nothing;
- ROUTE_COST: the pool of the account that sent pays the cost of the route.

Both are undone if the message turns out not to have been taken. So a message that is queued or
submitted has moved nothing, and a fallback to an account with another cost needs no correction.

The cost follows the readings of the account that sends, like the charge of a client that owns its
account: what was submitted before the last reading is in that reading, and nothing moves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from domain.dispatch.messages import LockedProviderAccount, Transition
from domain.dispatch.settlement import is_older
from domain.ledger.book import Book, Purpose, TransferKind
from domain.sending.messages import TAKEN


@dataclass(frozen=True, slots=True)
class Carriage:
    """What the routes of one send move in one settlement. Negative figures undo.

    `home_id`: the node of the client's pool. `credit`: units that it gets. `cost`: units that the
    pool of the sending account pays.
    """

    send_id: UUID
    home_id: UUID
    credit: int
    cost: int


def with_costs(
    account: LockedProviderAccount, transitions: Iterable[Transition]
) -> list[Transition]:
    """The same transitions; routed messages have the units that they cost the account then."""
    return [
        each if each.message.home_id is None else replace(each, carried=_carried(account, each))
        for each in transitions
    ]


def carriages_of(transitions: Iterable[Transition]) -> list[Carriage]:
    """What the transitions move, one for each send. They have their costs: see `with_costs`."""
    credits: Mapping[tuple[UUID, UUID], list[int]] = defaultdict(lambda: [0, 0])
    for each in transitions:
        message = each.message
        if message.home_id is not None:
            moved = credits[message.send_id, message.home_id]
            moved[0] += message.price * ((each.status in TAKEN) - (message.status in TAKEN))
            moved[1] += (each.carried or 0) - (message.carried or 0)
    return [Carriage(*key, *moved) for key, moved in credits.items() if any(moved)]


def nodes_of(account: LockedProviderAccount, carriages: Iterable[Carriage]) -> set[UUID]:
    """The accounts of the ledger that the carriages change."""
    changed: set[UUID] = set()
    for each in carriages:
        changed |= {each.home_id} if each.credit else set()
        changed |= {account.account_id} if each.cost else set()
    return changed


def post_carriages(
    book: Book,
    account: LockedProviderAccount,
    carriages: Sequence[Carriage],
    *,
    actor_id: UUID | None = None,
) -> None:
    """Posts the transfers of the carriages, between the nodes of pools and outside."""
    for each in carriages:
        purpose = Purpose(send_id=each.send_id, actor_id=actor_id)
        _post(book, TransferKind.ROUTE_CREDIT, each.home_id, each.credit, purpose)
        _post(book, TransferKind.ROUTE_COST, account.account_id, -each.cost, purpose)


def _carried(account: LockedProviderAccount, transition: Transition) -> int | None:
    """The units that the message costs the account after the transition; None if nothing yet."""
    message = transition.message
    is_taken, was_taken = transition.status in TAKEN, message.status in TAKEN
    if is_taken == was_taken or is_older(message, account.epoch):
        return message.carried
    return message.cost if is_taken else None


def _post(book: Book, kind: TransferKind, node_id: UUID, units: int, purpose: Purpose) -> None:
    """Units that the node gets from outside; negative: that it gives."""
    if units:
        node = book.holdings[node_id]
        source, destination = (None, node) if units > 0 else (node, None)
        book.post(kind, abs(units), source=source, destination=destination, purpose=purpose)
