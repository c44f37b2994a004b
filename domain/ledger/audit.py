"""The audit: proves each balance from its transfers, and each charge from its messages.

It reads page by page, and each page is one statement, so that no snapshot is older than a page. It
is right while transfers go on:

*Accounts.* The transfers of an account have gapless versions and are never changed, so an account
is proven by its transfers up to a version, then by the next ones. Its last page reads the account
and its last transfers in one snapshot: there the sum of all transfers must be what it holds.

*Sends.* A charge, a refund or a correction is committed together with the messages that it is for.
In any snapshot, a send agrees with its messages.

So concurrent transfers never cause a violation. Everything that was committed before the audit
began is checked. Later commits may be checked by the next audit only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar
from uuid import UUID

from domain.clock import now_seconds
from domain.errors import AlreadyRunning, TryAgain
from domain.identity.access import Actor, Everything, Role, require
from domain.ids import new_id
from domain.ledger.audits import (
    MOST_LISTED,
    AccountPage,
    Audit,
    AuditState,
    ProvenChain,
    violations_of_account,
    violations_of_page,
)
from domain.ledger.ports import AuditStore
from domain.ledger.runs import Runs, persist
from domain.transactions import Disconnected
from domain.units import units_in_words

MOST_ACCOUNTS = 500
MOST_ENTRIES = 10_000
"""How much one page reads, so that a statement takes less than 100 ms."""

REST = 4.0
"""How long to rest after a page, as a multiple of its time: an audit takes a fifth of one core of
PostgreSQL, so that sends stay fast."""

LONGEST_REST_SECONDS = 1.0

FIRST_AUDIT_SECONDS = 30.0
POLL_SECONDS = 0.05

Report = Callable[[Audit], None]
"""Called with the run after each page."""

Result = TypeVar("Result")


class AuditStopped(Exception):
    """The audit was stopped: it gave no sign of life for too long, and another one may run now."""


async def start_audit(store: AuditStore, actor: Actor) -> Audit:
    """Adds an audit for an admin. Raises AlreadyRunning if another one is in progress."""
    require(actor, Role.ADMIN)
    return await store.begin_audit(new_id(), actor.user_id)


async def new_audit(store: AuditStore) -> Audit:
    """Adds an audit without an actor. Raises AlreadyRunning if another one is in progress."""
    return await store.begin_audit(new_id(), None)


async def audit(
    store: AuditStore, run: Audit, *, report: Report = lambda run: None, rest: float = REST
) -> Audit:
    """Runs an audit to its end. Returns the finished run. Changes nothing but the run.

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
    """One run: the counts so far, and the pace."""

    def __init__(self, store: AuditStore, run: Audit, report: Report, rest: float) -> None:
        self._store = store
        self._run = run
        self._report = report
        self._rest = rest

    async def to_the_end(self) -> Audit:
        await self._check_accounts()
        await self._check_sends()
        self._run = await persist(partial(self._store.finish_audit, self._run.id))
        self._report(self._run)
        return self._run

    async def _check_accounts(self) -> None:
        after = UUID(int=0)
        while accounts := await self._read(
            partial(self._store.next_accounts, after, most=MOST_ACCOUNTS)
        ):
            for ids in _pages(accounts):
                for page in await self._page_of([ProvenChain(each) for each in ids]):
                    await self._check_account(page, ProvenChain(page.account_id))
                await self._count()
            after = accounts[-1][0]

    async def _check_account(self, page: AccountPage, chain: ProvenChain) -> None:
        """Checks the account from this page on, to its last one."""
        while True:
            to_version = chain.version + MOST_ENTRIES
            self._found(violations_of_page(page), transfers=page.transfers)
            chain = page.added_to(chain, to_version=to_version)
            if page.is_last(to_version=to_version):
                self._found(violations_of_account(page, chain), accounts=int(page.exists))
                return
            await self._count()
            [page] = await self._page_of([chain])

    async def _page_of(self, chains: Sequence[ProvenChain]) -> Sequence[AccountPage]:
        """The next transfers of accounts whose chains all end at the same version."""
        return await self._read(
            partial(
                self._store.audit_accounts,
                [each.account_id for each in chains],
                after_version=chains[0].version,
                to_version=chains[0].version + MOST_ENTRIES,
                balance=chains[0].balance,
            )
        )

    async def _check_sends(self) -> None:
        until = await self._read(self._store.last_send_id)
        after = UUID(int=0)
        while page := await self._read(partial(self._store.audit_sends, after, until)):
            self._found(page.violations, messages=page.messages)
            after = page.last_id
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

    async def _read(self, step: Callable[[], Awaitable[Result]]) -> Result:
        """Reads a page, then rests."""
        began = now_seconds()
        found = await persist(step)
        took_seconds = now_seconds() - began
        await asyncio.sleep(min(self._rest * took_seconds, LONGEST_REST_SECONDS))
        return found


def _pages(accounts: Sequence[tuple[UUID, int]]) -> Iterator[list[UUID]]:
    """The accounts in groups of about MOST_ENTRIES transfers. Each comes with its version."""
    page: list[UUID] = []
    entries = 0
    for account_id, version in accounts:
        page.append(account_id)
        entries += version
        if entries >= MOST_ENTRIES:
            yield page
            page, entries = [], 0
    if page:
        yield page


class Auditor(Runs[Audit]):
    """Runs audits in the background of a process. A stop marks the current one as stopped."""

    def __init__(self, store: AuditStore) -> None:
        super().__init__("audit")
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

    async def perform(self, run: Audit, report: Report) -> Audit:
        return await audit(self._store, run, report=report)

    def summary(self, run: Audit) -> str:
        return summary(run)


def summary(run: Audit) -> str:
    """A finished audit in one line."""
    result = "the ledger holds" if run.holds else "THE LEDGER DOES NOT HOLD"
    return (
        f"{units_in_words(run.accounts_checked, 'account')},"
        f" {units_in_words(run.transfers_checked, 'transfer')} and"
        f" {units_in_words(run.messages_checked, 'message')}: {result}."
    )
