"""Reconciliations: starting one, and reading their results."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from domain.identity.access import Everything, Role
from domain.identity.directory import Client
from domain.ledger.reconcile import start_reconciliation
from domain.ledger.reconciliation import Difference, Reconciliation
from domain.pages import Page, Window
from resolvers.context import Info, actor_of, load_clients, requires
from schema.ledger.inputs import ReconcileInput

ANSWER_SECONDS = 30.0
MOST_DIFFERENCES = 1_000


@requires(Role.ADMIN)
async def reconcile(info: Info, input: ReconcileInput | None = None) -> Reconciliation:
    """Starts a run, and returns it when it is finished, or after 30 s."""
    actor, installation = actor_of(info), info.context.installation
    run = await start_reconciliation(
        installation.store,
        actor,
        dry_run=bool(input and input.dry_run),
        since=input.since if input else None,
    )
    return await installation.reconciler.run(run, within_seconds=ANSWER_SECONDS)


@requires(Role.ADMIN)
async def reconciliations(info: Info, window: Window[UUID]) -> Page[Reconciliation]:
    """All runs, newest first."""
    return await info.context.installation.store.read_reconciliations(Everything(), window)


@requires(Role.ADMIN)
async def differences_of(roots: Sequence[Reconciliation], info: Info) -> list[Sequence[Difference]]:
    """The first differences that each run has found."""
    ids = [root.id for root in roots]
    store = info.context.installation.store
    found = await store.read_differences(Everything(), ids, most=MOST_DIFFERENCES)
    return [found.get(each, ()) for each in ids]


async def clients_of(roots: Sequence[Difference], info: Info) -> list[Client | None]:
    """The client of the send that each difference is about."""
    return await load_clients(info, [root.client_id for root in roots])
