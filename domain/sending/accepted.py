"""The result of each item of an accepted request, in the order of the request."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat

from domain.errors import OutcomeUnknown, RejectedRecipient, RejectionReason, TryAgain
from domain.identity.access import OfClient
from domain.numbers import Normaliser
from domain.sending.messages import AcceptedMessage, NewSend, Send
from domain.sending.ports import SendArchive
from domain.sending.recipients import rejected_recipient
from domain.sending.text import OutgoingText


async def accepted_messages(store: SendArchive, send: Send) -> Sequence[AcceptedMessage]:
    """The messages of a send that was just accepted, in the order of its recipients.

    A send that its key had accepted earlier is read. Raises OutcomeUnknown if that fails: the send
    is accepted and charged.
    """
    if send.accepted_as is not None:
        return _written(send.accepted_as)
    try:
        return await store.read_accepted(OfClient(send.client_id), send.id)
    except TryAgain as failure:
        raise OutcomeUnknown(send_id=send.id) from failure


def results_of(
    normaliser: Normaliser,
    items: Sequence[OutgoingText],
    send: Send,
    messages: Sequence[AcceptedMessage],
) -> Iterator[AcceptedMessage | RejectedRecipient]:
    """One result for each item: its message, or why it has none.

    Messages are in the order of the items, and no two are equal. So an item that is not the next
    message has no message. A send lists 1,000 rejected recipients; later ones are found again here.
    The template of an item may have changed since, so only its number is compared.
    """
    numbers = normaliser.normalise_many([item.to for item in items])
    listed = {each.position: each for each in send.rejected}
    made = {(each.number, each.text) for each in messages}
    coming = iter(messages)
    following = next(coming, None)
    for position, (item, number) in enumerate(zip(items, numbers, strict=True)):
        text = item.text if isinstance(item.text, str) else None
        if position in listed:
            yield listed[position]
        elif (
            following is not None and following.number == number and text in (None, following.text)
        ):
            yield following
            following = next(coming, None)
        else:
            yield rejected_recipient(item.to, position, _reason(number, text, made))


def _written(new_send: NewSend) -> list[AcceptedMessage]:
    texts: Iterable[str | None] = new_send.texts or repeat(None)
    return [
        AcceptedMessage(message_id, number, text)
        for message_id, number, text in zip(
            new_send.message_ids, new_send.numbers, texts, strict=False
        )
    ]


def _reason(
    number: str | None, text: str | None, made: set[tuple[str, str | None]]
) -> RejectionReason:
    if number is None:
        return RejectionReason.INVALID
    return RejectionReason.DUPLICATE if (number, text) in made else RejectionReason.OPTED_OUT
