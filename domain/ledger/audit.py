"""The audit: proves each balance from its transfers, and each charge from its messages.

It reads page by page, and each page is one statement, so that no snapshot is older than a page. Its
result is right although transfers continue:

*Accounts.* The transfers of an account have gapless versions and are never changed, so an account
is proven by its transfers up to a version, then by the next ones. Its last page reads the account
and its last transfers in one snapshot: there the sum of all transfers must be what it holds.

*Sends.* A charge, a refund or a correction is committed together with the messages that it is for.
In any snapshot, a send agrees with its messages.

So concurrent transfers never cause a violation. Everything that was committed before the audit
began is checked. Later commits may be checked by the next audit only.

It starts from the newest checkpoint: from the balances of each account, the sends since, and the
older sends that a transfer since is for. A full audit starts from the beginning, and computes every
checkpoint again. See docs/decisions/0197.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from uuid import UUID

from domain.errors import AlreadyRunning, TryAgain, units_in_words
from domain.identity.access import Actor, Everything, Role, require
from domain.ids import FIRST_ID, new_id
from domain.ledger import months
from domain.ledger.audits import (
    MOST_LISTED,
    AccountPage,
    Audit,
    AuditState,
    AuditStore,
    ProvenChain,
    violations_of_account,
    violations_of_page,
)
from domain.ledger.checkpoints import AccountStart, Checkpoint, hash_of, violations_of_chain
from domain.ledger.runs import REST, Pace, Runs, persist
from domain.loops import now_seconds
from domain.transactions import Disconnected

FIRST_AUDIT_SECONDS = 30.0
POLL_SECONDS = 0.05

Report = Callable[[Audit], None]
"""Called with the run after each page."""


class AuditStopped(Exception):
    """The audit was stopped: it reported no progress for too long. Another one may run now."""


async def start_audit(store: AuditStore, actor: Actor, *, full: bool = False) -> Audit:
    """Adds an audit for an admin. Raises AlreadyRunning if another one is in progress."""
    require(actor, Role.ADMIN)
    return await store.begin_audit(new_id(), actor.user_id, full=full)


async def new_audit(store: AuditStore, *, full: bool = False) -> Audit:
    """Adds an audit without an actor. Raises AlreadyRunning if another one is in progress."""
    return await store.begin_audit(new_id(), None, full=full)


async def audit(
    store: AuditStore, run: Audit, *, report: Report = lambda run: None, rest: float = REST
) -> Audit:
    """Runs an audit to its end. Returns the finished run. Changes only the run.

    Continues after outages of the database of a few minutes, then raises TryAgain or Disconnected.
    Raises AuditStopped. If it fails or is cancelled, the run is marked as stopped.
    """
    try:
        async with store.steady_reads():
            return await _Auditing(store, run, report, rest).to_the_end()
    except BaseException:
        with suppress(TryAgain, Disconnected):
            await store.stop_audit(run.id)
        raise


class _Auditing:
    """One run: the counts so far, and the pace. `_start`: the checkpoint that it starts from."""

    def __init__(self, store: AuditStore, run: Audit, report: Report, rest: float) -> None:
        self._store = store
        self._run = run
        self._report = report
        self._rest = rest
        self._pace = Pace(rest)
        self._start: Checkpoint | None = None
        self._closed_sends: set[UUID] = set()

    async def to_the_end(self) -> Audit:
        checkpoints = await self._pace.read(self._store.read_checkpoints)
        self._start = next((e for e in checkpoints if e.ends_at == self._run.proven_until), None)
        await self._check_hashes(checkpoints)
        await self._check_accounts()
        await self._check_sends()
        if self._run.proven_until is None:
            await self._check_months(checkpoints)
        await self._count()
        self._run = await persist(partial(self._store.finish_audit, self._run.id))
        self._report(self._run)
        return self._run

    async def _check_hashes(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Checks the hashes of all checkpoints, and the accounts that the audit starts from."""
        self._found(violations_of_chain(checkpoints))
        for each in checkpoints:
            if self._start in (None, each):
                accounts = months.closed_accounts(self._store, each, self._pace)
                if hash_of([account async for account in accounts]) != each.accounts_hash:
                    self._found([f"the accounts of the checkpoint of {each.month} were changed"])
                await self._count()

    async def _check_months(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Computes every checkpoint again."""
        previous: Checkpoint | None = None
        pace = Pace(self._rest, after_page=self._count)
        for each in checkpoints:
            async for violation in months.violations_of_month(self._store, previous, each, pace):
                self._found([violation])
            previous = each

    async def _check_accounts(self) -> None:
        after = FIRST_ID
        start_id = self._start.id if self._start else None
        while accounts := await self._pace.read(
            partial(
                self._store.next_accounts, after, most=months.MOST_ACCOUNTS, checkpoint_id=start_id
            )
        ):
            for starts in months.pages_of_accounts(accounts):
                chains = [_proven(each) for each in starts]
                for chain, page in zip(chains, await self._page_of(chains), strict=True):
                    await self._check_account(page, chain)
                await self._count()
            after = accounts[-1].account_id

    async def _check_account(self, page: AccountPage, chain: ProvenChain) -> None:
        """Checks the account from this page on, to its last one."""
        while True:
            to_version = chain.version + months.MOST_ENTRIES
            self._found(violations_of_page(page), transfers=page.transfers)
            self._closed_sends.update(page.closed_sends)
            chain = page.added_to(chain, to_version=to_version)
            if page.is_last(to_version=to_version):
                self._found(violations_of_account(page, chain), accounts=int(page.exists))
                return
            await self._count()
            [page] = await self._page_of([chain])

    async def _page_of(self, chains: Sequence[ProvenChain]) -> Sequence[AccountPage]:
        """The next transfers of each account."""
        closed_before = self._start.id if self._start else UUID(int=0)
        return await self._pace.read(
            partial(
                self._store.audit_accounts,
                chains,
                most=months.MOST_ENTRIES,
                closed_before=closed_before,
            )
        )

    async def _check_sends(self) -> None:
        until = await self._pace.read(self._store.last_send_id)
        after = self._start.id if self._start else UUID(int=0)
        while page := await self._pace.read(partial(self._store.audit_sends, after, until)):
            self._found(page.violations, messages=page.messages)
            after = page.last_id
            await self._count()
        for send_id in sorted(self._closed_sends):
            page = await self._pace.read(partial(self._store.audit_send, send_id))
            self._found(page.violations, messages=page.messages)
            await self._count()

    def _found(
        self,
        violations: Sequence[str] | Iterator[str],
        *,
        accounts: int = 0,
        transfers: int = 0,
        messages: int = 0,
    ) -> None:
        run = self._run
        self._run = replace(
            run,
            accounts_checked=run.accounts_checked + accounts,
            transfers_checked=run.transfers_checked + transfers,
            messages_checked=run.messages_checked + messages,
            violations=[*run.violations, *violations][:MOST_LISTED],
        )

    async def _count(self) -> None:
        """Stores how far the run is. Raises AuditStopped."""
        run = await persist(partial(self._store.count_audited, self._run))
        if run.state is not AuditState.RUNNING:
            raise AuditStopped
        self._run = run
        self._report(run)


def _proven(start: AccountStart) -> ProvenChain:
    """What a checkpoint proves of an account: versions have no gaps, so they count transfers."""
    version, balance = start.proven_version, start.proven_balance
    return ProvenChain(start.account_id, version, balance, entries=version, total=balance)


class Auditor(Runs[Audit]):
    """Runs audits in the background of a process. A stop marks the current one as stopped."""

    def __init__(self, store: AuditStore) -> None:
        super().__init__("audit", lambda run, report: audit(store, run, report=report), summary)
        self._store = store

    async def last_result(self) -> Audit:
        """The last finished audit. If there is none yet, this runs one and waits for it.

        Raises TryAgain if the first audit takes longer than half a minute. It then continues.
        """
        give_up_at = now_seconds() + FIRST_AUDIT_SECONDS
        while (last := await self._store.last_audit(Everything())) is None:
            if now_seconds() > give_up_at:
                raise TryAgain
            with suppress(AlreadyRunning):
                self.add(await new_audit(self._store))
            await asyncio.sleep(POLL_SECONDS)
        return last


def summary(run: Audit) -> str:
    """A finished audit in one line."""
    result = "the ledger is consistent" if run.holds else "THE LEDGER IS INCONSISTENT"
    return (
        f"{units_in_words(run.accounts_checked, 'account')},"
        f" {units_in_words(run.transfers_checked, 'transfer')} and"
        f" {units_in_words(run.messages_checked, 'message')}: {result}."
    )
