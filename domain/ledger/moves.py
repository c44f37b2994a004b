"""Moving a client to another pool: that of another provider account.

Units cannot move between pools, because each pool is what one provider owes. So a client that moves
holds nothing and has no unfinished messages. Its former account stays, with its transfers.
"""

from __future__ import annotations

from uuid import UUID

from domain.errors import InvalidInput
from domain.identity.clients import existing_client
from domain.identity.directory import Client
from domain.ledger.credentials import CredentialStore, check_unused
from domain.transactions import changing


async def move_client(store: CredentialStore, client_id: UUID, provider_account_id: UUID) -> Client:
    """Charges the client's sends to the pool of this provider account from now on. Safe to repeat.

    Raises NotFound, or InvalidInput if the client would leave something behind.
    """
    async with changing(store, repeatable=True) as tx:
        await store.lock_identities(tx)
        client = await existing_client(store, tx, client_id)
        account, owner_id = await store.find_account_ref(tx, provider_account_id)
        if owner_id not in (None, client.id):
            raise InvalidInput(
                "Another client owns this provider account. Choose another account.",
                field="providerAccountId",
            )
        present = (await store.lock_accounts(tx, [client.account_id])).holdings[client.account_id]
        if present.provider_account_id == account.id:
            return client
        await check_unused(store, tx, client, present)
        parent_id = account.account_id
        if owner_id is None and client.group_id is not None:
            group = await store.find_parent_node(tx, client.group_id)
            if group.provider_account_id != account.id:
                raise InvalidInput(
                    "The units of the client's group are in another pool. Take the client out of"
                    " the group first.",
                    field="clientId",
                )
            parent_id = group.account_id
        await store.put_client_under(tx, client.id, parent_id, as_owner=owner_id is not None)
        await store.note_access_changes(tx, [client.id])
        return await existing_client(store, tx, client_id)
