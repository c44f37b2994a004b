"""Checks whether a client could reply: every check of a real reply to its last inbound message.

Nothing is sent or charged, and the provider is not called.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from uuid import UUID

from domain.errors import ProviderUnavailable, units_in_words
from domain.identity.access import OfClient, is_active
from domain.inbox.messages import InboundMessage, ReplyTerms
from domain.inbox.reply import NOT_ANSWERABLE, ReplyLine, find_reply_line

if TYPE_CHECKING:
    from domain.installation import Installation


@dataclass(frozen=True, slots=True)
class ReadinessCheck:
    """One check of a reply."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class ReplyReadiness:
    """Whether a reply of the client would be accepted, and the line that it would use."""

    checks: Sequence[ReadinessCheck]
    inbound: InboundMessage | None
    modem: str | None
    port: str | None

    @property
    def ready(self) -> bool:
        """Every check passed."""
        return all(check.passed for check in self.checks)


async def check_readiness(installation: Installation, client_id: UUID) -> ReplyReadiness:
    """Runs every check of a reply to the client's last inbound message. Raises NotFound."""
    terms = await installation.store.find_reply_terms(client_id)
    inbound = await installation.store.find_last_inbound(client_id)
    checks = [_active(terms), _received(inbound)]
    line = None
    if inbound is not None:
        chosen = await _line_for(installation, terms, inbound)
        line = chosen.line
        if chosen.route is not None:
            terms = replace(terms, provider_account_id=chosen.route.provider_account_id)
        checks += [await _not_opted_out(installation, inbound), _line(chosen)]
    checks += [_balance(terms), await _provider(installation, terms)]
    return ReplyReadiness(
        checks, inbound, line.modem if line else None, line.port if line else None
    )


async def _line_for(
    installation: Installation, terms: ReplyTerms, inbound: InboundMessage
) -> ReplyLine:
    key = (inbound.client_id, inbound.number)
    found = await installation.store.find_conversations_with(OfClient(inbound.client_id), [key])
    return await find_reply_line(installation, terms.provider_account_id, found[key])


def _active(terms: ReplyTerms) -> ReadinessCheck:
    status = terms.status.strip().upper()
    return ReadinessCheck("account", is_active(status), f"The account is {status}.")


def _received(inbound: InboundMessage | None) -> ReadinessCheck:
    if inbound is None:
        return ReadinessCheck("inbound", False, "The client has not received a message yet.")
    received_at = inbound.created_at.isoformat(timespec="seconds")
    detail = f"The last message came from {inbound.number} at {received_at}."
    if not inbound.answerable:
        return ReadinessCheck("inbound", False, f"{detail} {NOT_ANSWERABLE}")
    return ReadinessCheck("inbound", True, detail)


async def _not_opted_out(installation: Installation, inbound: InboundMessage) -> ReadinessCheck:
    opted_out = await installation.store.find_opted_out(inbound.client_id, [inbound.number])
    detail = "has opted out" if opted_out else "has not opted out"
    return ReadinessCheck("opt-out", not opted_out, f"{inbound.number} {detail}.")


def _line(chosen: ReplyLine) -> ReadinessCheck:
    if chosen.line is None:
        return ReadinessCheck("line", False, "No modem and port are known: any would be used.")
    line = f"modem {chosen.line.modem}, port {chosen.line.port}"
    if chosen.warning is None:
        return ReadinessCheck("line", True, f"It would use the line of the message: {line}.")
    return ReadinessCheck("line", True, f"It would use the client's own route: {line}.")


def _balance(terms: ReplyTerms) -> ReadinessCheck:
    needed = units_in_words(terms.price, terms.unit)
    available = units_in_words(max(terms.held, 0), terms.unit)
    detail = f"A reply takes {needed}. Available: {available}."
    return ReadinessCheck("balance", terms.held >= terms.price, detail)


async def _provider(installation: Installation, terms: ReplyTerms) -> ReadinessCheck:
    if terms.paused:
        return ReadinessCheck("provider", False, "The provider account is paused at the moment.")
    try:
        await installation.providers.of(terms.provider_account_id)
    except ProviderUnavailable as unavailable:
        return ReadinessCheck("provider", False, str(unavailable))
    return ReadinessCheck("provider", True, "The provider account is ready.")
