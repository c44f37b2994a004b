"""Routes the inbound messages of a batch and writes them to their clients' inboxes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from domain.inbox.keywords import Keyword, Keywords
from domain.inbox.messages import ConversationKey, NewInbound, OptOut, OptOutSource
from domain.inbox.opt_out import apply_opt_outs, cancel_queued_to
from domain.inbox.ports import ReceivingStore
from domain.inbox.routing import WHICH_ACCOUNT, CandidateIndex, DecideLater, Routed, Unrouted
from domain.inbox.senders import Sender, is_answerable, read_numbers, read_sender
from domain.inbox.webhooks import (
    DueEvent,
    EventResult,
    Malformed,
    Parsed,
    Parsers,
    ReceivedMessage,
    WebhookOutcome,
)
from domain.loops import backoff_seconds
from domain.numbers import Normaliser
from domain.transactions import Transaction

FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 5.0
"""The waits before an event is read again, if sends must be captured first. They double, because a
large send takes minutes to capture, and each read writes each waiting event again."""

WAITS_FOR_CAPTURE = "Waits a moment, until earlier sends are recorded by number."
BLOCKS = "It is a STOP: the number is blocked for {} until you assign it."


@dataclass(frozen=True, slots=True)
class Receiver:
    """The store, parsers and rules that events are received with."""

    store: ReceivingStore
    parsers: Parsers
    normaliser: Normaliser
    keywords: Keywords = field(default_factory=Keywords)

    def parse(self, event: DueEvent) -> Parsed:
        """What an event says; its numbers are as given."""
        parser = self.parsers.get(event.provider)
        return Malformed("This provider is not known.") if parser is None else parser(event.body)

    def message(
        self, event: DueEvent, received: ReceivedMessage, sender: str, client_id: UUID
    ) -> NewInbound:
        """The message of an event that was routed to a client."""
        receivers = read_numbers(self.normaliser, received.receiver)
        keyword = self._keyword(received)
        return NewInbound(
            id=event.id,
            client_id=client_id,
            number=sender,
            text=received.text,
            created_at=event.received_at,
            receiver=receivers[0] if receivers else received.receiver,
            line=received.line,
            name=received.name,
            business=received.business,
            keyword=keyword,
            blocked=received.blocked,
            mentions_opt_out=keyword is None and self.keywords.mentions_stop(received.text),
        )

    def is_stop(self, received: ReceivedMessage) -> bool:
        """Whether a message opts its sender out."""
        return received.blocked or self._keyword(received) is Keyword.STOP

    def _keyword(self, received: ReceivedMessage) -> Keyword | None:
        """The provider's own reading first: it may know words that we do not."""
        return received.keyword or self.keywords.match(received.text)


@dataclass(frozen=True, slots=True)
class _Inbound:
    """An inbound message of an event, with what its numbers can be read as.

    `is_ambiguous`: its line can be one of several accounts.
    """

    event: DueEvent
    received: ReceivedMessage
    sender: Sender
    receivers: Sequence[str]
    is_ambiguous: bool


@dataclass(slots=True)
class _Batch:
    """What one transaction writes."""

    results: list[EventResult] = field(default_factory=list)
    messages: list[NewInbound] = field(default_factory=list)
    blocks: list[OptOut] = field(default_factory=list)


async def receive_inbound(
    receiver: Receiver, tx: Transaction, messages: Sequence[tuple[DueEvent, ReceivedMessage]]
) -> list[EventResult]:
    """Routes and delivers the messages, and blocks the numbers of pending opt-outs."""
    accounts = await receiver.store.first_accounts(tx)
    read = [_read(receiver, accounts, *each) for each in messages]
    batch = await _route_all(receiver, tx, read)
    await deliver(receiver.store, tx, batch.messages, batch.blocks)
    return batch.results


async def deliver(
    store: ReceivingStore,
    tx: Transaction,
    messages: Sequence[NewInbound],
    blocks: Sequence[OptOut] = (),
) -> None:
    """Writes the messages to their inboxes, applies opt-outs, and blocks pending numbers."""
    if not messages and not blocks:
        return
    counts = Counter({each.client_id: 0 for each in blocks})
    counts.update(each.client_id for each in messages)
    next_number = await store.take_feed_numbers(tx, counts)
    numbered: list[tuple[NewInbound, int]] = []
    for message in messages:
        numbered.append((message, next_number[message.client_id]))
        next_number[message.client_id] += 1
    opted_out = {(each.client_id, each.number) for each in blocks}
    if numbered:
        await store.write_inbound(tx, numbered)
        opted_out |= await apply_opt_outs(store, tx, messages)
    if blocks:
        await store.write_opt_outs(tx, blocks)
    # In one call for all numbers: messages are locked before accounts.
    await cancel_queued_to(store, tx, sorted(opted_out))


def with_own_line(
    event: DueEvent, received: ReceivedMessage, accounts: Mapping[str, Sequence[UUID]]
) -> ReceivedMessage:
    """The message. Its line names its account too, if that is not the first one of its provider.

    `accounts`: the first two of each provider.
    """
    account_id, line = event.provider_account_id, received.known_line
    is_first = account_id in accounts.get(event.provider, ())[:1]
    if account_id is None or line is None or is_first or not received.line_repeats:
        return received
    return replace(received, line=line.at(account_id))


def _read(
    receiver: Receiver,
    accounts: Mapping[str, Sequence[UUID]],
    event: DueEvent,
    given: ReceivedMessage,
) -> _Inbound:
    received = with_own_line(event, given, accounts)
    is_named = event.provider_account_id is not None or not received.line_repeats
    has_others = len(accounts.get(event.provider, ())) > 1
    return _Inbound(
        event,
        received,
        read_sender(receiver.normaliser, received.sender),
        read_numbers(receiver.normaliser, received.receiver),
        is_ambiguous=received.known_line is not None and has_others and not is_named,
    )


async def _route_all(receiver: Receiver, tx: Transaction, inbound: Sequence[_Inbound]) -> _Batch:
    """Routes the messages in order: an earlier one may decide where a later one belongs."""
    store = receiver.store
    # Read before the candidates: a send that is captured in between is then among them.
    captured_until = await store.captured_until(tx)
    index = await store.read_candidates(
        tx,
        senders={number for each in inbound for number in each.sender.numbers},
        receivers={number for each in inbound for number in each.receivers},
        lines={each.received.known_line for each in inbound if each.received.known_line},
    )
    await _read_correspondents(store, tx, index, inbound)
    batch = _Batch()
    pending: list[tuple[_Inbound, EventResult]] = []
    for each in (_with_certain_line(index, given) for given in inbound):
        complete = captured_until is None or each.event.received_at < captured_until
        result = _route_one(index, each, complete=complete)
        is_final = result.due_in_seconds is None
        if result.client_id is not None and result.sender is not None:
            message = receiver.message(each.event, each.received, result.sender, result.client_id)
            batch.messages.append(message)
        elif is_final and each.sender.numbers and receiver.is_stop(each.received):
            pending.append((each, result))
            continue
        batch.results.append(result)
    await _block_pending(store, tx, batch, pending)
    return batch


async def _read_correspondents(
    store: ReceivingStore, tx: Transaction, index: CandidateIndex, inbound: Sequence[_Inbound]
) -> None:
    """Reads which clients have sent to the numbers of senders with several possible numbers."""
    numbers = {
        number for each in inbound if len(each.sender.numbers) > 1 for number in each.sender.numbers
    }
    if numbers:
        for client_id, number in await store.find_correspondents(tx, numbers):
            index.correspondents.setdefault(number, set()).add(client_id)


def _with_certain_line(index: CandidateIndex, inbound: _Inbound) -> _Inbound:
    """The message, without a line that can be one of several accounts and is not set by hand."""
    if not inbound.is_ambiguous or inbound.received.line in index.by_hand:
        return inbound
    return replace(inbound, received=replace(inbound.received, line=None))


def _route_one(index: CandidateIndex, inbound: _Inbound, *, complete: bool) -> EventResult:
    event_id, received = inbound.event.id, inbound.received
    found, sender = index.route(
        inbound.sender, receivers=inbound.receivers, line=received.known_line, complete=complete
    )
    match found:
        case Routed(client_id, reason):
            if is_answerable(sender):
                index.learn(sender=sender, line=received.known_line, client_id=client_id)
            return routed(event_id, received, sender, client_id, reason)
        case Unrouted(reason):
            return EventResult(
                event_id,
                WebhookOutcome.UNROUTED,
                WHICH_ACCOUNT if inbound.is_ambiguous else reason,
                line=received.line,
                sender=sender or None,
            )
        case DecideLater():
            return EventResult(
                event_id,
                WebhookOutcome.UNROUTED,
                WAITS_FOR_CAPTURE,
                line=received.line,
                due_in_seconds=backoff_seconds(
                    inbound.event.tries + 1,
                    first_seconds=FIRST_WAIT_SECONDS,
                    longest_seconds=LONGEST_WAIT_SECONDS,
                ),
            )


async def _block_pending(
    store: ReceivingStore,
    tx: Transaction,
    batch: _Batch,
    pending: Sequence[tuple[_Inbound, EventResult]],
) -> None:
    """Blocks the number of an unrouted STOP for every client that it could concern."""
    numbers = {number for each, _ in pending for number in each.sender.numbers}
    found = await store.find_correspondents(tx, numbers) if numbers else set()
    for each, result in pending:
        keys = [key for key in sorted(found) if key[1] in each.sender.numbers]
        batch.blocks += [_block(key, each.event.id) for key in keys]
        batch.results.append(_with_block(result, keys))


def _block(key: ConversationKey, event_id: UUID) -> OptOut:
    return OptOut(key[0], key[1], OptOutSource.PENDING, event_id)


def _with_block(result: EventResult, keys: Collection[ConversationKey]) -> EventResult:
    if not keys:
        return result
    clients = len({client_id for client_id, _ in keys})
    blocks = BLOCKS.format("1 client" if clients == 1 else f"{clients} clients")
    return replace(result, reason=f"{result.reason} {blocks}", opt_out_pending=True)


def routed(
    event_id: UUID, received: ReceivedMessage, sender: str, client_id: UUID, reason: str
) -> EventResult:
    """The result of an event whose message was routed to a client."""
    return EventResult(
        event_id,
        WebhookOutcome.ROUTED,
        reason,
        client_id=client_id,
        inbound_id=event_id,
        line=received.line,
        sender=sender,
    )
