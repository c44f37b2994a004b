"""Audits: starting one, and reading their results."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from strawberry import argument

from domain.identity.access import Everything, Role
from domain.ledger.audit import start_audit
from domain.ledger.audits import Audit
from domain.pages import Page, Window
from resolvers.context import Info, actor_of, requires


@requires(Role.ADMIN)
async def start_ledger_audit(
    info: Info,
    full: Annotated[
        bool, argument(description="Start from the beginning, not from the last closed month.")
    ] = False,
) -> Audit:
    """Starts an audit in the background of this process."""
    actor, installation = actor_of(info), info.context.installation
    run = await start_audit(installation.store, actor, full=full)
    installation.auditor.add(run)
    return run


@requires(Role.ADMIN)
async def ledger_audit(info: Info) -> Audit:
    """The last finished audit. If there is none yet, this runs one."""
    return await info.context.installation.auditor.last_result()


@requires(Role.ADMIN)
async def ledger_audits(info: Info, window: Window[UUID]) -> Page[Audit]:
    """All audits, newest first."""
    return await info.context.installation.store.read_audits(Everything(), window)
