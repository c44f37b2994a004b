"""Rehearsing a reply: every check of a real one, on what the client received last.

Nothing is sent, nothing is charged, and the provider is not called.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from domain.errors import ProviderUnavailable
from domain.identity.access import OfClient
from domain.inbox.conversations import InboundMessage, ModemRoute
from domain.inbox.ports import ReplyTerms
from domain.inbox.reply import Way, way_of
from domain.units import units_in_words

if TYPE_CHECKING:
    from domain.installation import Installation


@dataclass(frozen=True, slots=True)
class ReadinessCheck:
    """One thing that a reply needs."""

    name: str
    passed: bool
    detail: str


@dataclass(frozen=True, slots=True)
class ReplyReadiness:
    """Whether a reply of the client's would leave, back the way that the last message came."""

    checks: Sequence[ReadinessCheck]
    inbound: InboundMessage | None
    modem: str | None
    port: str | None

    @property
    def ready(self) -> bool:
        """Nothing stands in its way."""
        return all(check.passed for check in self.checks)


async def rehearse_reply(installation: Installation, client_id: UUID) -> ReplyReadiness:
    """Every check of a reply to what the client received last. Raises NotFound."""
    terms = await installation.store.find_reply_terms(client_id)
    inbound = await installation.store.find_last_inbound(client_id)
    checks = [_active(terms), _received(inbound)]
    way = None
    if inbound is not None:
        way = await _way(installation, inbound)
        checks += [await _not_opted_out(installation, inbound), _line(way)]
    checks += [_balance(terms), await _provider(installation, terms)]
    line = way.line if way else None
    return ReplyReadiness(
        checks, inbound, line.modem if line else None, line.port if line else None
    )


async def _way(installation: Installation, inbound: InboundMessage) -> Way:
    pair = (inbound.client_id, inbound.number)
    found = await installation.store.find_conversations_with(OfClient(inbound.client_id), [pair])
    conversation = found[pair]
    route: ModemRoute | None = None
    if not conversation.pinned:
        route = await installation.store.route_of(inbound.client_id)
    return way_of(conversation, route)


def _active(terms: ReplyTerms) -> ReadinessCheck:
    active = terms.status.upper() == "ACTIVE"
    return ReadinessCheck("account", active, f"The account is {terms.status.upper()}.")


def _received(inbound: InboundMessage | None) -> ReadinessCheck:
    if inbound is None:
        return ReadinessCheck("inbound", False, "The client has received nothing to reply to yet.")
    received_at = inbound.created_at.isoformat(timespec="seconds")
    return ReadinessCheck(
        "inbound", True, f"The last message came from {inbound.number} at {received_at}."
    )


async def _not_opted_out(installation: Installation, inbound: InboundMessage) -> ReadinessCheck:
    barred = await installation.store.find_opted_out(inbound.client_id, [inbound.number])
    detail = "has asked not to receive messages" if barred else "may be written to"
    return ReadinessCheck("opt-out", not barred, f"{inbound.number} {detail}.")


def _line(way: Way) -> ReadinessCheck:
    if way.line is None:
        return ReadinessCheck("line", False, "No modem and port are known: any would be used.")
    where = f"modem {way.line.modem}, port {way.line.port}"
    if way.warning is None:
        return ReadinessCheck("line", True, f"It would leave where the message came in: {where}.")
    return ReadinessCheck("line", True, f"It would leave through the client's own route: {where}.")


def _balance(terms: ReplyTerms) -> ReadinessCheck:
    needed = units_in_words(terms.price, terms.unit)
    available = units_in_words(max(terms.held, 0), terms.unit)
    detail = f"A reply takes {needed}. Available: {available}."
    return ReadinessCheck("balance", terms.held >= terms.price, detail)


async def _provider(installation: Installation, terms: ReplyTerms) -> ReadinessCheck:
    if terms.paused:
        return ReadinessCheck("provider", False, "The provider refuses the account at the moment.")
    try:
        await installation.providers.of(terms.provider_account_id)
    except ProviderUnavailable as unavailable:
        return ReadinessCheck("provider", False, str(unavailable))
    return ReadinessCheck("provider", True, "The provider account is ready.")
