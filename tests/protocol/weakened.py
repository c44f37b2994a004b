"""Protocols that are wrong by one line each: the model must say which invariant they break.

A model that accepts everything proves nothing. Each entry replaces one text of a module of steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from tests.protocol import ledger_steps, message_steps
from tests.protocol.state import Step

MODULES = (message_steps, ledger_steps)


@dataclass(frozen=True)
class Weakened:
    """`old` occurs once in the steps. `breaks`: the invariant; `setup`: the name of the setup."""

    name: str
    setup: str
    breaks: str
    old: str
    new: str

    def steps(self) -> Sequence[Step]:
        """The steps of the protocol, with this line changed."""
        sources = [Path(module.__file__ or "").read_text() for module in MODULES]
        if sum(source.count(self.old) for source in sources) != 1:
            raise ValueError(f"{self.name}: the text must occur once in the steps")
        changed: list[Step] = []
        for source in sources:
            module = ModuleType("weakened")
            exec(compile(source.replace(self.old, self.new), self.name, "exec"), module.__dict__)
            changed += module.STEPS
        return changed


WEAKENED = (
    # Accepting
    Weakened(
        "a send is charged without a condition",
        "too few units",
        "no_client_is_below_zero",
        "if s.client < cost:",
        "if False:",
    ),
    Weakened(
        "a repeated request is charged again",
        "a bulk call",
        "each_message_is_charged_once",
        "if send.stored:",
        "if False:",
    ),
    Weakened(
        "a message is cancelled although its call may have begun",
        "a bulk call",
        "statuses_change_as_drawn",
        "if not setup.cancels or message.status != QUEUED:",
        "if not setup.cancels or message.status not in (QUEUED, SUBMITTING):",
    ),
    # A dispatcher
    Weakened(
        "a call is made before its attempt is committed",
        "a bulk call",
        "no_message_is_refunded_and_taken",
        "_with(marked, which, Dispatcher(MARKED, number, attempt)),",
        "_with(s, which, Dispatcher(MARKED, number, attempt)),",
    ),
    Weakened(
        "a call is made although its mark may not be committed",
        "a bulk call",
        "a_message_is_sent_at_most_once",
        "unsure = dispatcher._replace(phase=CALLED, outcome=NOT_SENT)",
        "unsure = dispatcher",
    ),
    Weakened(
        "a call begins after its lease, in a process that was suspended",
        "a bulk call",
        "no_call_without_a_committed_attempt",
        "if message.lease != RUNNING:",
        "if False:",
    ),
    Weakened(
        "a mark takes messages that another dispatcher has marked",
        "a bulk call",
        "statuses_change_as_drawn",
        "if message.status != QUEUED or message.marks == setup.marks:",
        "if message.status not in (QUEUED, UNKNOWN) or message.marks == setup.marks:",
    ),
    Weakened(
        "a call without an answer counts as rejected",
        "a bulk call",
        "no_message_is_refunded_and_taken",
        "elif outcome == NO_ANSWER:",
        "elif False:",
    ),
    Weakened(
        "a call without an answer is made again",
        "a bulk call",
        "no_message_is_refunded_and_taken",
        "s.with_message(number, ended._replace(status=UNKNOWN))",
        "s.with_message(number, ended._replace(status=QUEUED, attempt=0, epoch=0))",
    ),
    Weakened(
        "an outcome is recorded even if it belongs to an older attempt",
        "many crashes",
        "no_message_is_refunded_and_taken",
        "if message.attempt != dispatcher.attempt or message.status not in UNDECIDED:",
        "if message.status not in UNDECIDED:",
    ),
    Weakened(
        "an outcome is recorded although the message is decided",
        "a bulk call",
        "what_was_not_taken_is_refunded_once",
        "if message.attempt != dispatcher.attempt or message.status not in UNDECIDED:",
        "if message.attempt != dispatcher.attempt:",
    ),
    Weakened(
        "a sweep queues a message again",
        "a bulk call",
        "no_message_is_refunded_and_taken",
        "swept = message._replace(status=UNKNOWN, lease=NO_LEASE)",
        "swept = message._replace(status=QUEUED, attempt=0, epoch=0, lease=NO_LEASE)",
    ),
    Weakened(
        "nothing is swept",
        "a bulk call",
        "nothing_is_stuck",
        "if message.lease == EXPIRED and message.status == SUBMITTING:",
        "if False:",
    ),
    Weakened(
        "a late “not sent” queues an UNKNOWN message again",
        "a bulk call",
        "statuses_change_as_drawn",
        "unclear = message.status == UNKNOWN or is_older(message, s.epoch)",
        "unclear = is_older(message, s.epoch)",
    ),
    Weakened(
        "a “not sent” from before a reading is queued again",
        "two syncs",
        "the_pool_is_what_the_provider_says",
        "unclear = message.status == UNKNOWN or is_older(message, s.epoch)",
        "unclear = message.status == UNKNOWN",
    ),
    Weakened(
        "what is rejected is not refunded",
        "a bulk call",
        "what_was_not_taken_is_refunded_once",
        "yield what, _refunded(setup, after, message.send, older=older)",
        "yield what, after",
    ),
    Weakened(
        "a refund is written, and the holding does not change",
        "a bulk call",
        "a_holding_is_the_sum_of_its_transfers",
        "client = s.client + price\n",
        "client = s.client\n",
    ),
    # Late results
    Weakened(
        "an UNKNOWN message is settled as SENT without evidence",
        "a bulk call",
        "sent_means_taken",
        "if message.taken:\n",
        "if True:\n",
    ),
    Weakened(
        "what is decided can be settled",
        "a bulk call",
        "what_was_not_taken_is_refunded_once",
        "if message.status != UNKNOWN:",
        "if message.status not in (UNKNOWN, REJECTED):",
    ),
    Weakened(
        "a report that a message failed refunds it",
        "delivery reports",
        "statuses_change_as_drawn",
        '(SENT, "failed"): UNDELIVERED,',
        '(SENT, "failed"): REJECTED,',
    ),
    Weakened(
        "a report that a message failed refunds it if the provider is a gateway",
        "a gateway",
        "no_message_is_refunded_and_taken",
        "if message.status == UNDELIVERED and message.refused:",
        "if message.status == UNDELIVERED:",
    ),
    Weakened(
        "what a network refused stays charged",
        "a gateway",
        "nothing_is_stuck",
        "if message.status == UNDELIVERED and message.refused:",
        "if False:",
    ),
    Weakened(
        "what a network refused is refunded again and again",
        "a gateway",
        "what_was_not_taken_is_refunded_once",
        "if message.status == UNDELIVERED and message.refused:",
        "if message.status in (UNDELIVERED, REJECTED) and message.refused:",
    ),
    # Sync
    Weakened(
        "the pool is set to the raw reading",
        "two syncs",
        "the_pool_is_what_the_provider_says",
        "change = sync.reading - in_flight - (s.client + s.pool)",
        "change = sync.reading - (s.client + s.pool)",
    ),
    Weakened(
        "a message of a crashed call counts as in flight",
        "two syncs",
        "the_pool_is_what_the_provider_says",
        "sum(m.status == QUEUED for m in s.messages)",
        'sum(m.status in (QUEUED, "SUBMITTING") for m in s.messages)',
    ),
    Weakened(
        "a reading does not wait for open calls",
        "two syncs",
        "the_pool_is_what_the_provider_says",
        "if not setup.costs and any(message.lease == RUNNING for message in s.messages):",
        "if False:",
    ),
    Weakened(
        "messages are marked while the balance is read",
        "two syncs",
        "the_pool_is_what_the_provider_says",
        "if s.paused_by != NOBODY:\n        return",
        "if False:\n        return",
    ),
    Weakened(
        "a reading is written although its pause has expired",
        "two syncs",
        "the_pool_is_what_the_provider_says",
        "if s.paused_by != which:",
        "if False:",
    ),
    Weakened(
        "a reading is written in the pause of another sync",
        "two syncs",
        "the_pool_is_what_the_provider_says",
        "if s.paused_by != which:",
        "if s.paused_by == NOBODY:",
    ),
    Weakened(
        "a sync does not count as a new epoch",
        "two syncs",
        "the_pool_is_what_the_provider_says",
        "epoch=s.epoch + 1, paused_by=NOBODY",
        "paused_by=NOBODY",
    ),
    Weakened(
        "all refunds come from outside",
        "two syncs",
        "the_pool_is_what_the_provider_says",
        "pool = s.pool - price if older else s.pool\n",
        "pool = s.pool\n",
    ),
    Weakened(
        "a reading and a refund both give the units back to an owned account",
        "an owned account",
        "the_pool_is_what_the_provider_says",
        "older = is_older(message, s.epoch)\n",
        "older = False\n",
    ),
    # Routes
    Weakened(
        "a message goes to the fallback although it is not known whether it was sent",
        "a route",
        "statuses_change_as_drawn",
        "if setup.costs and message.status == QUEUED and not message.account:\n"
        "            moved = message._replace(account=1)\n",
        "if setup.costs and message.status in (QUEUED, UNKNOWN) and not message.account:\n"
        "            moved = message._replace(account=1, status=QUEUED)\n",
    ),
    Weakened(
        "a message goes to the fallback while its call is open",
        "a route",
        "no_call_without_a_committed_attempt",
        "if setup.costs and message.status == QUEUED and not message.account:\n"
        "            moved = message._replace(account=1)\n",
        "if setup.costs and message.status in (QUEUED, SUBMITTING) and not message.account:\n"
        "            moved = message._replace(account=1, status=QUEUED)\n",
    ),
    Weakened(
        "what the first account costs is paid for the fallback",
        "a route",
        "each_carrier_pays_for_what_it_may_have_taken",
        "cost = paid * setup.costs[new.account]\n",
        "cost = paid * setup.costs[0]\n",
    ),
    Weakened(
        "the account that a message is moved to is not stored",
        "a route",
        "each_carrier_is_what_its_provider_says",
        "carried=_changed(s.carried, message.account, -cost)",
        "carried=_changed(s.carried, 0, -cost)",
    ),
    Weakened(
        "the client's pool keeps the price of a routed message out",
        "a route",
        "the_pool_is_what_the_provider_says",
        "pool=after.pool + paid * setup.price,",
        "pool=after.pool,",
    ),
    Weakened(
        "a sync counts a routed message that is submitted as taken",
        "a route",
        "the_pool_is_what_the_provider_says",
        "in_flight += setup.price * sum(m.status == SUBMITTING for m in s.messages)",
        "pass",
    ),
    # Reconcile
    Weakened(
        "reconcile does not check again under locks",
        "two runs of reconcile",
        "a_correction_leaves_no_difference",
        "units = expected(setup, s, number) - found(s.sends[number])\n",
        "pass\n",
    ),
    Weakened(
        "reconcile corrects with outside what a reading includes",
        "reconcile and a sync",
        "the_pool_is_what_the_provider_says",
        "through_pool = _is_in_reading(setup, s, number)",
        "through_pool = False",
    ),
    Weakened(
        "reconcile corrects within the pool what no reading includes",
        "reconcile and a sync",
        "the_pool_is_what_the_provider_says",
        "through_pool = _is_in_reading(setup, s, number)",
        "through_pool = True",
    ),
    Weakened(
        "a refund too much always goes outside",
        "reconcile and a sync",
        "the_pool_is_what_the_provider_says",
        "return send.from_pool or send.refunded_at < s.epoch",
        "return send.refunded_at < s.epoch",
    ),
    Weakened(
        "reconcile leaves no arrears behind",
        "arrears",
        "no_client_is_below_zero",
        "return s._replace(arrears=max(-s.client, 0))",
        "return s",
    ),
)
