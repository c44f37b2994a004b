"""A client empties the text of a message, or removes the message from its lists.

The text is emptied everywhere it is stored here: in the message, in the send once all of its
messages are emptied, and in the webhook event of an inbound message. Charges, counts, attempts and
opt-outs stay: the ledger is never changed.
"""

from __future__ import annotations

from typing import Protocol
from uuid import UUID

from domain.errors import InvalidInput
from domain.identity.access import Actor, OfClient, own_scope
from domain.inbox.messages import AnyMessage
from domain.sending.messages import IN_FLIGHT, Message
from domain.transactions import Transaction, Transactional, changing


class Erasing(Transactional, Protocol):
    """A client's own messages, whose text is emptied or that leave its lists."""

    async def lock_message(self, tx: Transaction, scope: OfClient, message_id: UUID) -> AnyMessage:
        """A message of either direction. Locks its conversation, then the message.

        Raises NotFound.
        """

    async def empty_text(self, tx: Transaction, message: AnyMessage) -> None:
        """Empties the text of a locked message everywhere. Locks its send after it.

        The text of a send is emptied with the last of its messages.
        """

    async def hide_message(self, tx: Transaction, message: AnyMessage) -> None:
        """Removes a locked message from the client's lists.

        Its conversation shows the last message that is left, and ends if there is none.
        """


class NotFinished(InvalidInput):
    """This message is not finished. Cancel it, or wait until it is sent."""

    def __init__(self) -> None:
        super().__init__((NotFinished.__doc__ or "").strip())


async def redact(store: Erasing, actor: Actor, message_id: UUID) -> AnyMessage:
    """Empties the stored text of one of the actor's own messages. Returns the message.

    Safe to repeat. Raises NotFound, Forbidden, NotFinished, TryAgain.
    """
    async with changing(store, repeatable=True) as tx:
        message = await _lock(store, actor, tx, message_id)
        await store.empty_text(tx, message)
    return message._replace(text="")


async def delete(store: Erasing, actor: Actor, message_id: UUID) -> None:
    """Empties the text of one of the actor's own messages, and removes it from the actor's lists.

    Raises NotFound (also if it was deleted before), Forbidden, NotFinished, TryAgain.
    """
    async with changing(store, repeatable=True) as tx:
        message = await _lock(store, actor, tx, message_id)
        await store.empty_text(tx, message)
        await store.hide_message(tx, message)


async def _lock(store: Erasing, actor: Actor, tx: Transaction, message_id: UUID) -> AnyMessage:
    """The message and its conversation, locked. A message in flight still needs its text."""
    message = await store.lock_message(tx, own_scope(actor), message_id)
    if isinstance(message, Message) and message.status in IN_FLIGHT:
        raise NotFinished
    return message
