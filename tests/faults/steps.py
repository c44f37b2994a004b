"""The named steps at which a program can be killed, each recognised by an SQL statement."""

from __future__ import annotations

from persistence.dispatch import queue
from persistence.ledger import transfers as ledger
from persistence.sending import batches
from tests.faults.triggers import COMMIT, Moment, Step

ACCEPTING = (
    Step("before it begins", batches.ACCEPT_SENDS, Moment.BEFORE),
    Step("key taken", ledger.TAKE_KEY, Moment.AFTER),
    Step("payers locked", ledger.LOCK_ACCOUNTS, Moment.AFTER),
    Step("charged and written", batches.ACCEPT_SENDS, Moment.AFTER),
    Step("answers kept", ledger.KEEP_ANSWERS, Moment.AFTER),
    Step("not committed", COMMIT, Moment.BEFORE, within=batches.ACCEPT_SENDS),
    Step("committed", COMMIT, Moment.AFTER, within=batches.ACCEPT_SENDS),
    Step("in a COPY", 'COPY "message"', Moment.AFTER),
    Step("copied, not committed", COMMIT, Moment.BEFORE, within='COPY "message"'),
    Step("copied and committed", COMMIT, Moment.AFTER, within='COPY "message"'),
)
"""Of accepting, in a server: what its batcher does for many at once, and for a large one alone."""

HANDING_OVER = (
    Step("picked", queue.PICK, Moment.AFTER),
    Step("marked, not committed", COMMIT, Moment.BEFORE, within=queue.MARK),
    Step("marked", COMMIT, Moment.AFTER, within=queue.MARK),
    Step("before it records", queue.LOCK_ATTEMPTS, Moment.BEFORE),
    Step("recorded, not committed", COMMIT, Moment.BEFORE, within=queue.END_ATTEMPTS),
    Step("recorded", COMMIT, Moment.AFTER, within=queue.END_ATTEMPTS),
)
"""Of submitting, in a dispatcher; its batcher records many calls at once."""
