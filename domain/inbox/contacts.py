"""Contacts as users change them: names, and opting a number out by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from domain.errors import InvalidPhoneNumber
from domain.identity.access import Actor, OfClient, message_scope, own_scope
from domain.identity.directory import KEEP, Keep, business_of, kept, name_of
from domain.inbox import senders
from domain.inbox.messages import Contact, ContactCard
from domain.inbox.opt_out import opt_out_by_hand
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
    """Creates or changes the contact with that number.

    `opted_out`: None keeps the opt-out as it is. Raises InvalidPhoneNumber, InvalidInput.
    """
    scope = own_scope(actor)
    card = ContactCard(
        await _number_of(installation, scope, number),
        contact_name_of(kept(name, None)),
        business_of(kept(business, None)),
    )
    async with changing(installation.store) as tx:
        if opted_out is not None:
            # Locks the feed: receiving and capturing wait, so that neither misses the opt-out.
            await installation.store.take_feed_numbers(tx, {scope.client_id: 0})
        await installation.store.save_contacts(
            tx,
            scope,
            [card],
            clear_name=name is not KEEP,
            clear_business=business is not KEEP,
        )
        if opted_out is not None:
            await _set_opted_out(installation, tx, scope, card.number, opted_out=opted_out)
        return await installation.store.find_contact_of(tx, scope, card.number)


async def delete_contact(installation: Installation, actor: Actor, contact_id: UUID) -> Contact:
    """Deletes a contact and returns it. Its messages and its opt-out stay. Raises NotFound."""
    scope = message_scope(actor)
    async with changing(installation.store) as tx:
        return await installation.store.drop_contact(tx, scope, contact_id)


def contact_name_of(given: str | None) -> str | None:
    """One line of visible text, None for none. Raises InvalidInput."""
    return name_of(given) if given and given.strip() else None


async def _number_of(installation: Installation, scope: OfClient, given: str) -> str:
    """E.164, or the short code or name of an existing contact. Raises InvalidPhoneNumber."""
    try:
        return installation.normaliser.normalise(given)
    except InvalidPhoneNumber:
        name = senders.name_of(given)
        if not name or not await installation.store.has_contact(scope.client_id, name):
            raise
        return name


async def _set_opted_out(
    installation: Installation, tx: Transaction, scope: OfClient, number: str, *, opted_out: bool
) -> None:
    """Opts the number out and cancels what is queued to it, or lifts its opt-out."""
    await installation.store.touch_conversations(tx, scope.client_id, [number])
    if opted_out:
        await opt_out_by_hand(installation.store, tx, scope.client_id, [number])
    else:
        await installation.store.drop_opt_outs(tx, [(scope.client_id, number)])
