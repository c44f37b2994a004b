"""Contacts as people keep them: what they write down of a number, and what it wishes."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from domain.identity.access import Actor, OfClient, message_scope, own_scope
from domain.identity.records import KEEP, Keep, business_of, kept, name_of
from domain.inbox.arrivals import OptOut, OptOutSource
from domain.inbox.contact import Contact, ContactCard
from domain.inbox.opt_out import call_back
from domain.transactions import Transaction, changing

if TYPE_CHECKING:
    from domain.installation import Installation


async def save_contact(
    installation: Installation,
    actor: Actor,
    number: str,
    *,
    name: str | Keep | None = KEEP,
    business: str | Keep | None = KEEP,
    opted_out: bool | None = None,
) -> Contact:
    """The contact with that number, made or changed.

    `opted_out`: None leaves the number's wish as it is. Raises InvalidPhoneNumber, InvalidInput.
    """
    scope = own_scope(actor)
    card = ContactCard(
        installation.normaliser.normalise(number),
        contact_name_of(kept(name, None)),
        business_of(kept(business, None)),
    )
    async with changing(installation.store) as tx:
        if opted_out is not None:
            # Whoever receives or captures for the client waits: neither misses what is wished.
            await installation.store.take_feed_numbers(tx, {scope.client_id: 0})
        await installation.store.save_contacts(
            tx,
            scope,
            [card],
            clear_name=name is not KEEP,
            clear_business=business is not KEEP,
        )
        if opted_out is not None:
            await _wish(installation, tx, scope, card.number, opted_out=opted_out)
        return await installation.store.find_contact_of(tx, scope, card.number)


async def delete_contact(installation: Installation, actor: Actor, contact_id: UUID) -> Contact:
    """The contact as it was. Its messages stay, and so does its wish not to be written to.

    Raises NotFound.
    """
    scope = message_scope(actor)
    async with changing(installation.store) as tx:
        return await installation.store.drop_contact(tx, scope, contact_id)


def contact_name_of(given: str | None) -> str | None:
    """One line of visible text; None for none. Raises InvalidInput."""
    return name_of(given) if given and given.strip() else None


async def _wish(
    installation: Installation, tx: Transaction, scope: OfClient, number: str, *, opted_out: bool
) -> None:
    """Nobody writes to the number any more, or may again; what is QUEUED to it is called back."""
    pair = (scope.client_id, number)
    await installation.store.note_contacts(tx, scope.client_id, [number])
    if not opted_out:
        await installation.store.drop_opt_outs(tx, [pair])
        return
    await installation.store.write_opt_outs(
        tx, [OptOut(scope.client_id, number, OptOutSource.PERSON)]
    )
    await call_back(installation.store, tx, [pair])
