"""Mistakes in claiming, calling, recording, sweeping, settling and cancelling."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

SETTLEMENT = "domain/dispatch/settlement.py"
RECORDING = "domain/dispatch/recording.py"
SETTLEMENT_SQL = "persistence/dispatch/settlement.py"
QUEUE_SQL = "persistence/dispatch/queue.py"

MUTANTS = (
    # Claim and mark
    Mutant(
        "no attempt row before the call",
        "domain/dispatch/claim.py",
        "    marked_at = now_seconds()\n    await context.store.mark_calls(",
        "    marked_at = now_seconds()\n"
        "    return Claimed(calls, marked_at)\n"
        "    await context.store.mark_calls(",
        ("dispatch/test_cancel.py",),
    ),
    Mutant(
        "two dispatchers pick the same message",
        QUEUE_SQL,
        "    ORDER BY due_at, id LIMIT quota.messages\n    FOR UPDATE SKIP LOCKED\n",
        "    ORDER BY due_at, id LIMIT quota.messages\n",
        ("dispatch/test_queue.py",),
    ),
    Mutant(
        "two dispatchers pick the same message of a part",
        QUEUE_SQL,
        "        ORDER BY id LIMIT quota.messages\n        FOR UPDATE OF message SKIP LOCKED\n",
        "        ORDER BY id LIMIT quota.messages\n",
        ("dispatch/test_queue.py",),
    ),
    Mutant(
        "a retried message is looked for in its part",
        "persistence/sending/parts.py",
        "message.in_part AND message.attempts = 0 AND",
        "message.in_part AND",
        ("dispatch/test_queued_parts.py",),
    ),
    Mutant(
        "a mark does not store the epoch",
        QUEUE_SQL,
        "        account.epoch,\n        lease_seconds,",
        "        0,\n        lease_seconds,",
        ("dispatch/test_queue.py",),
    ),
    Mutant(
        "messages are marked while the balance is read",
        "domain/dispatch/claim.py",
        "        if account.is_read:\n",
        "        if False:\n",
        ("ledger/test_sync_pause.py",),
    ),
    Mutant(
        "a mark does not lock the provider account",
        QUEUE_SQL,
        'f"{PROVIDER_ACCOUNT} FOR SHARE"',
        'f"{PROVIDER_ACCOUNT}"',
        ("ledger/test_sync_pause.py",),
    ),
    Mutant(
        "a call is made although its mark may not be committed",
        "domain/dispatch/dispatcher.py",
        "Claimed(lost.calls, marked_at=-inf)",
        "Claimed(lost.calls, marked_at=now_seconds())",
        ("dispatch/test_outages.py",),
    ),
    Mutant(
        "a call is made however long after its mark",
        "domain/dispatch/dispatcher.py",
        "if now_seconds() - claimed.marked_at > self._rules.start_within_seconds:",
        "if claimed.marked_at == -inf:",
        ("dispatch/test_stopped.py",),
    ),
    # Call
    Mutant(
        "a call is made twice",
        "domain/dispatch/dispatcher.py",
        "outcomes = [await provider.send(messages[0])]",
        "outcomes = [await provider.send(messages[0]) for _ in range(2)][1:]",
        ("dispatch/test_outcomes.py",),
    ),
    Mutant(
        "an adapter that raises counts as not sent",
        "domain/dispatch/dispatcher.py",
        'return [Unknown("The call failed on our side.")] * len(messages)',
        "return [NOT_STARTED] * len(messages)",
        ("dispatch/test_adapters.py",),
    ),
    Mutant(
        "a timeout after the connection was made counts as not sent",
        "providers/transport.py",
        "return Unknown(reason) if call.connected else NotSent(reason)",
        "return NotSent(reason)",
        ("providers/test_transport.py",),
    ),
    # Outcomes
    Mutant(
        "the locks of attempts are not ordered",
        QUEUE_SQL,
        "AND id BETWEEN $2 AND $3 ORDER BY id FOR UPDATE",
        "AND id BETWEEN $2 AND $3 FOR UPDATE",
        ("ledger/test_lock_order.py",),
    ),
    Mutant(
        "the locks of messages of calls are not ordered",
        SETTLEMENT_SQL,
        " {{among}}\nORDER BY message.id FOR UPDATE OF message",
        " {{among}}\nFOR UPDATE OF message",
        ("ledger/test_lock_order.py",),
    ),
    Mutant(
        "the locks of queued messages are not ordered",
        SETTLEMENT_SQL,
        "AND message.status = 'QUEUED'\nORDER BY message.id FOR UPDATE OF message",
        "AND message.status = 'QUEUED'\nFOR UPDATE OF message",
        ("ledger/test_lock_order.py",),
    ),
    Mutant(
        "a timeout is treated as a rejection",
        SETTLEMENT,
        "        case Unknown(reference=reference):\n"
        "            return as_unknown(message, reference)",
        "        case Unknown():\n"
        "            return Transition(message, MessageStatus.REJECTED, failure=NOT_TAKEN)",
        ("dispatch/test_settlement.py",),
    ),
    Mutant(
        "a timeout is retried",
        SETTLEMENT,
        "        case Unknown(reference=reference):\n"
        "            return as_unknown(message, reference)",
        "        case Unknown():\n"
        '            return _queue_again(message, NotSent("?"), rules, chance)',
        ("dispatch/test_settlement.py",),
    ),
    Mutant(
        "an outcome is recorded unconditionally",
        SETTLEMENT,
        "    if message.status not in UNDECIDED:\n        return None\n",
        "",
        ("dispatch/test_settlement.py",),
    ),
    Mutant(
        "all messages of a call are settled with the one that was asked for",
        SETTLEMENT_SQL,
        " {{among}}\nORDER BY message.id FOR UPDATE",
        " {{among}}\n  OR message.attempt_id = ANY($1::uuid[])\nORDER BY message.id FOR UPDATE",
        ("dispatch/test_settling.py",),
    ),
    Mutant(
        "a late “not sent” is queued again",
        SETTLEMENT,
        "        case NotSent() if is_unclear:\n"
        "            return Transition(message, MessageStatus.REJECTED, failure=NOT_TAKEN)\n",
        "",
        ("dispatch/test_settlement.py",),
    ),
    Mutant(
        "what a reading counted as UNKNOWN is queued again",
        SETTLEMENT,
        "is_unclear = message.status is MessageStatus.UNKNOWN or is_older(message, epoch)",
        "is_unclear = message.status is MessageStatus.UNKNOWN",
        ("dispatch/test_settlement.py", "dispatch/test_settling.py"),
    ),
    Mutant(
        "a message that waits for ever is never given up",
        SETTLEMENT,
        "    if message.age_seconds >= rules.give_up_seconds:\n",
        "    if False:\n",
        ("dispatch/test_settlement.py",),
    ),
    Mutant(
        "what was never tried is given up",
        SETTLEMENT_SQL,
        "  AND (message.attempts > 0 OR EXISTS (",
        "  AND (true OR EXISTS (",
        ("dispatch/test_pausing.py",),
    ),
    Mutant(
        "a part that was never tried is given up",
        "persistence/sending/parts.py",
        "WHERE upstream.id = $1 AND paused_at < clock_timestamp() - make_interval(secs => $3)\n",
        "WHERE upstream.id = $1\n",
        ("dispatch/test_pausing.py",),
    ),
    # Refunds
    Mutant(
        "nothing is refunded",
        RECORDING,
        "    if refunds or moves:\n",
        "    if False:\n",
        ("dispatch/test_settling.py",),
    ),
    Mutant(
        "refunded twice",
        RECORDING,
        "        post_refunds(book, account, refunds, actor_id=actor_id)\n",
        "        post_refunds(book, account, refunds * 2, actor_id=actor_id)\n",
        ("dispatch/test_settling.py",),
    ),
    Mutant(
        "refunded and taken",
        SETTLEMENT,
        "    return transition.status in (MessageStatus.REJECTED, MessageStatus.CANCELLED)",
        "    return transition.status is not MessageStatus.QUEUED",
        ("dispatch/test_settlement.py", "dispatch/test_settling.py"),
    ),
    Mutant(
        "a correction after a reading moves the pool",
        SETTLEMENT,
        "older = each.message.home_id is None and is_older(each.message, account.epoch)\n",
        "older = False\n",
        ("dispatch/test_settlement.py",),
    ),
    Mutant(
        "an attempt of this epoch counts as older",
        SETTLEMENT,
        "message.epoch is not None and message.epoch < epoch",
        "message.epoch is not None and message.epoch <= epoch",
        ("dispatch/test_settlement.py",),
    ),
    Mutant(
        "an owned account is refunded by the reading and once more",
        SETTLEMENT,
        "        replace(each, in_reading=True)\n",
        "        replace(each, in_reading=False)\n",
        ("dispatch/test_settlement.py",),
    ),
    # Accepted messages, which are not read
    Mutant(
        "an answer to an earlier call is recorded",
        QUEUE_SQL,
        "attempt_id = ANY($6::uuid[])\n",
        "$6::uuid[] IS NOT NULL\n",
        ("dispatch/test_accepted.py",),
    ),
    Mutant(
        "a decided message becomes SENT",
        QUEUE_SQL,
        "status IN ('SUBMITTING', 'UNKNOWN')",
        "status IN ('SUBMITTING', 'UNKNOWN', 'REJECTED')",
        ("dispatch/test_accepted.py",),
    ),
    Mutant(
        "a message with another outcome becomes SENT",
        QUEUE_SQL,
        "[width_bucket(id, $1::uuid[])], true)",
        "[width_bucket(id, $1::uuid[])] OR true, true)",
        ("dispatch/test_accepted.py",),
    ),
    Mutant(
        "what a route costs is not charged",
        QUEUE_SQL,
        "route_id IS NULL AND ",
        "",
        ("dispatch/test_routes.py",),
    ),
    # Sweep
    Mutant(
        "the sweep requeues a submitted message",
        RECORDING,
        "changes = [as_unknown(message) for message in await store.lock_undecided(tx, ids)]",
        "changes = [\n"
        "            Transition(message, MessageStatus.QUEUED)\n"
        "            for message in await store.lock_undecided(tx, ids)\n"
        "        ]",
        ("dispatch/test_settling.py",),
    ),
    Mutant(
        "the sweep does not wait for the lease",
        SETTLEMENT_SQL,
        "AND ended_at IS NULL AND lease_until < clock_timestamp()\nORDER BY",
        "AND ended_at IS NULL\nORDER BY",
        ("dispatch/test_settling.py",),
    ),
    Mutant(
        "the sweep changes what is decided",
        SETTLEMENT,
        "    if message.status is not MessageStatus.SUBMITTING:\n        return None\n",
        "",
        ("dispatch/test_settlement.py",),
    ),
    # Late results
    Mutant(
        "a message whose call is open can be settled",
        "domain/dispatch/recording.py",
        "        if each.status is MessageStatus.UNKNOWN\n",
        "",
        ("dispatch/test_settling.py", "dispatch/test_settling_many.py"),
    ),
    Mutant(
        "messages that become UNKNOWN later are settled too",
        "persistence/dispatch/unknowns.py",
        "  AND ($3::timestamptz IS NULL OR attempt.started_at < $3)\n",
        "  AND ($3::timestamptz IS NULL OR true)\n",
        ("dispatch/test_settling_many.py",),
    ),
    Mutant(
        "a report that a message failed refunds it",
        "domain/inbox/reports.py",
        "    (MessageStatus.UNKNOWN, ReportedStatus.FAILED): MessageStatus.UNDELIVERED,",
        "    (MessageStatus.UNKNOWN, ReportedStatus.FAILED): MessageStatus.REJECTED,",
        ("inbox/test_reports.py",),
    ),
    # Lost answers
    Mutant(
        "what another account does not know is refunded",
        "domain/dispatch/lost.py",
        "    if not call.is_ours:\n",
        "    if False:\n",
        ("dispatch/test_lost.py",),
    ),
    Mutant(
        "a key that was not used stays open",
        "domain/sending/used_keys.py",
        "        await once(installation.store, keyed, close)\n",
        "        if not await installation.store.find_answers(None, [keyed]):\n"
        "            return None\n"
        "        raise IdempotencyConflict\n",
        ("rest/test_settle.py",),
    ),
    Mutant(
        "a query that finds a returned message refunds nothing",
        "domain/inbox/polling.py",
        "            await refund(self._store, tx, accounts, returned, returned=ids)\n",
        "",
        ("inbox/test_polling.py",),
    ),
    Mutant(
        "one client that is refused delays the others",
        "domain/dispatch/rules.py",
        "        return 1, only\n",
        "        return self.allowance, None\n",
        ("dispatch/test_breaker.py",),
    ),
    # Outages
    Mutant(
        "an outcome is dropped if the database is unavailable",
        RECORDING,
        "            return [failure] * len(calls)\n",
        "            del failure\n            return [None] * len(calls)\n",
        ("dispatch/test_outages.py",),
    ),
    # Cancel
    Mutant(
        "a message is cancelled while its call is open",
        SETTLEMENT_SQL,
        "AND status IS NOT DISTINCT FROM 'QUEUED'",
        "AND status IN ('QUEUED', 'SUBMITTING')",
        ("dispatch/test_cancel.py",),
    ),
    Mutant(
        "what is cancelled is not refunded",
        "domain/dispatch/cancel.py",
        "    if count:\n        await _refund(store, tx, account, found, count, note=CANCELLED",
        "    if False:\n        await _refund(store, tx, account, found, count, note=CANCELLED",
        ("dispatch/test_cancel.py",),
    ),
    # Jobs
    Mutant(
        "a part is written by a process that has lost its job",
        "persistence/dispatch/jobs.py",
        "AND claimed_by = $2 AND rows_read = $3 AND unwritten > 0\nFOR UPDATE",
        "AND $2::uuid IS NOT NULL AND $3::int4 IS NOT NULL AND unwritten > 0\nFOR UPDATE",
        ("dispatch/test_jobs.py",),
    ),
    Mutant(
        "a part is counted without its messages",
        "persistence/dispatch/jobs.py",
        "unwritten = unwritten - $3, scheduled",
        "unwritten = unwritten - least($3, 9), scheduled",
        ("dispatch/test_jobs.py",),
    ),
    Mutant(
        "rows that read otherwise than before are sent",
        "domain/dispatch/jobs.py",
        "if not part.written or checksum(",
        "if not part.written and checksum(",
        ("dispatch/test_jobs.py",),
    ),
    Mutant(
        "messages that are not written are not refunded",
        "domain/dispatch/cancel.py",
        "        count += unwritten\n",
        "",
        ("dispatch/test_unwritten.py",),
    ),
)
