"""What users do with endpoints: add, change and test them, and deliver events again."""

from __future__ import annotations

import base64
import secrets
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from domain.errors import InvalidInput, NotFound
from domain.hooks.addresses import AddressRules
from domain.hooks.deliveries import DeliveryStatus, EventType
from domain.hooks.endpoints import Delivery, Endpoint, EndpointChange, NewSecret
from domain.hooks.ports import EndpointStore, HookCipher, SecretOwner, SecretStore
from domain.identity.access import Actor, Everything, OfClient, message_scope, own_scope
from domain.ids import new_id
from domain.ledger.credentials import CredentialsUnreadable
from domain.transactions import changing

MOST_ENDPOINTS = 10
LONGEST_DESCRIPTION = 200
OVERLAP_HOURS = 24
"""How long the previous secret also signs."""

PAUSED_BY_HAND = "A user paused it."
CHOSEN = tuple(each for each in EventType if each is not EventType.WEBHOOK_TEST)


@dataclass(frozen=True, slots=True)
class Hooks:
    """The rules and ports of endpoints."""

    store: EndpointStore
    cipher: HookCipher
    addresses: AddressRules = field(default_factory=AddressRules)

    async def create(
        self,
        actor: Actor,
        *,
        client_id: UUID | None,
        url: str,
        events: Sequence[EventType],
        description: str | None,
    ) -> NewSecret:
        """Adds an endpoint of the actor's client. An admin names the client.

        Raises InvalidInput, NotFound.
        """
        owner = _owner(actor, client_id)
        endpoint_id, secret = new_id(), _new_secret()
        async with changing(self.store) as tx:
            added = await self.store.add_endpoint(
                tx,
                endpoint_id,
                owner,
                url=self.addresses.checked_url(url),
                description=_description(description),
                events=_chosen(events),
                secret=self.cipher.encrypt_secret(endpoint_id, secret),
                most=MOST_ENDPOINTS,
            )
            if not added:
                raise InvalidInput(f"A client has at most {MOST_ENDPOINTS} endpoints. Delete one.")
            endpoint = await self.store.find_endpoint(OfClient(owner), endpoint_id, tx=tx)
        return NewSecret(endpoint, secret)

    async def update(self, actor: Actor, endpoint_id: UUID, change: EndpointChange) -> Endpoint:
        """Changes an endpoint. Raises NotFound, InvalidInput."""
        scope = message_scope(actor)
        checked = EndpointChange(
            None if change.url is None else self.addresses.checked_url(change.url),
            None if change.events is None else _chosen(change.events),
            None if change.description is None else _description(change.description) or "",
            change.paused,
        )
        async with changing(self.store, repeatable=True) as tx:
            await self.store.find_endpoint(scope, endpoint_id, tx=tx)
            await self.store.write_endpoint(tx, endpoint_id, checked, pause_reason=PAUSED_BY_HAND)
            return await self.store.find_endpoint(scope, endpoint_id, tx=tx)

    async def delete(self, actor: Actor, endpoint_id: UUID) -> Endpoint:
        """Deletes an endpoint and returns it. Raises NotFound."""
        async with changing(self.store) as tx:
            endpoint = await self.store.find_endpoint(message_scope(actor), endpoint_id, tx=tx)
            await self.store.drop_endpoint(tx, endpoint_id)
        return endpoint

    async def rotate(self, actor: Actor, endpoint_id: UUID) -> NewSecret:
        """Gives an endpoint a new secret. The previous one signs for a day. Raises NotFound."""
        scope, secret = message_scope(actor), _new_secret()
        async with changing(self.store) as tx:
            await self.store.find_endpoint(scope, endpoint_id, tx=tx)
            await self.store.replace_secret(
                tx,
                endpoint_id,
                self.cipher.encrypt_secret(endpoint_id, secret),
                overlap_hours=OVERLAP_HOURS,
            )
            return NewSecret(await self.store.find_endpoint(scope, endpoint_id, tx=tx), secret)

    async def test(self, actor: Actor, endpoint_id: UUID) -> Delivery:
        """Posts a test event. Raises NotFound, InvalidInput if the endpoint is paused."""
        scope = message_scope(actor)
        async with changing(self.store) as tx:
            endpoint = await self.store.find_endpoint(scope, endpoint_id, tx=tx)
            _check_resumed(endpoint)
            delivery_id = await self.store.queue_test(tx, endpoint)
            return await self.store.find_delivery(scope, delivery_id, tx=tx)

    async def redeliver(self, actor: Actor, delivery_id: UUID) -> Delivery:
        """Posts the event of a delivery again, as a new delivery. Raises NotFound, InvalidInput."""
        scope = message_scope(actor)
        async with changing(self.store) as tx:
            delivery = await self.store.find_delivery(scope, delivery_id, tx=tx)
            endpoint_id = delivery.endpoint_id
            _check_resumed(
                await self.store.find_endpoint(scope, endpoint_id, callbacks=True, tx=tx)
            )
            if delivery.status is DeliveryStatus.PENDING:
                raise InvalidInput(
                    "It is still being delivered. Wait until this has ended.", field="deliveryId"
                )
            again_id = await self.store.queue_again(tx, delivery)
            return await self.store.find_delivery(scope, again_id, tx=tx)


async def rotate_keys(
    store: SecretStore, rotate: Callable[[bytes], bytes]
) -> tuple[list[SecretOwner], list[SecretOwner]]:
    """Encrypts all credentials and signing secrets with the newest key.

    `rotate`: the same value, encrypted with that key; raises CredentialsUnreadable. Safe to repeat,
    also while others change them. Returns the owners, and those whose secrets no key decrypts.
    """
    rotated, unreadable = [], []
    for owner in await store.owners_of_secrets():
        async with changing(store, repeatable=True) as tx:
            try:
                await store.replace_secrets(tx, owner, rotate)
                rotated.append(owner)
            except CredentialsUnreadable:
                unreadable.append(owner)
    return rotated, unreadable


def _owner(actor: Actor, client_id: UUID | None) -> UUID:
    """The client that an endpoint is for. Raises InvalidInput, NotFound."""
    if not isinstance(message_scope(actor), Everything):
        own = own_scope(actor).client_id
        if client_id not in (None, own):
            raise NotFound("client")
        return own
    if client_id is None:
        raise InvalidInput("Name the client that it is for.", field="clientId")
    return client_id


def _new_secret() -> str:
    """A secret of Standard Webhooks: a prefix, and 24 to 64 random bytes in base64."""
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _chosen(events: Sequence[EventType]) -> list[EventType]:
    chosen: list[EventType] = [each for each in CHOSEN if each in events]
    if not chosen:
        raise InvalidInput("Choose at least one event.", field="events")
    return chosen


def _description(given: str | None) -> str | None:
    text = unicodedata.normalize("NFC", given or "").strip()
    if len(text) > LONGEST_DESCRIPTION:
        raise InvalidInput(
            f"A description has at most {LONGEST_DESCRIPTION} characters.", field="description"
        )
    if any(unicodedata.category(each).startswith("C") for each in text):
        raise InvalidInput(
            "A description cannot contain line breaks or control characters.", field="description"
        )
    return text or None


def _check_resumed(endpoint: Endpoint) -> None:
    if endpoint.paused_at is not None:
        raise InvalidInput("The endpoint is paused. Resume it first.")
