"""The endpoints for schools' programs: check the balance, and send one text to one or to many."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Literal

from pydantic import Field

from domain.errors import Forbidden
from domain.identity.access import payer_of
from domain.ledger import sync as syncing
from domain.ledger.balances import view_of
from domain.sending.text import Text
from domain.transactions import UNAVAILABLE
from ibiki.http.rest.answers import Answer, Rejected, Units
from ibiki.http.rest.errors import rejected_of
from ibiki.http.rest.models import (
    MESSAGE_ID,
    Bulk,
    OptionalTemplate,
    OptionalText,
    SendAnswer,
    text_or_template,
)
from ibiki.http.rest.operations import (
    RestCall,
    accept_bulk,
    accept_single,
    held_fields,
    message_id_of,
)

LONGEST_READ_SECONDS = 1.0
"""How long the answer to an accepted send waits for the balance."""

UNIT = 'The unit of all amounts: "credit", or a currency such as "UGX".'
REQUIRED = "What the accepted messages were charged."
BALANCE = "What is left now. Null if it could not be read: the messages are accepted anyway."


class SchoolBulk(Bulk):
    """One text to many numbers."""

    message: OptionalText = None
    template: OptionalTemplate = None

    @property
    def text(self) -> Text:
        """The text or the template. Raises InvalidInput if not exactly one is given."""
        return text_or_template(self.message, self.template, "message")


class CreditsAnswer(Answer):
    """What the account holds."""

    balance: Units
    unit: str = Field(description=UNIT)
    provider_balance: str | None = Field(
        description="The balance as it was reported for your own provider account. Null if "
        "your operator manages the balance."
    )
    checked_at: datetime | None = Field(
        description="When that was reported. Null if your operator manages the balance."
    )


class SchoolSingleAnswer(SendAnswer):
    """The accepted message."""

    message_id: str = Field(description=MESSAGE_ID)
    status: Literal["queued"] = "queued"
    accepted: int
    required: Units = Field(description=REQUIRED)
    balance: Units | None = Field(description=BALANCE)
    unit: str = Field(description=UNIT)


class SchoolBulkAnswer(SendAnswer):
    """The accepted messages."""

    accepted: int = Field(description="How many messages were accepted and charged.")
    required: Units = Field(description=REQUIRED)
    balance: Units | None = Field(description=BALANCE)
    unit: str = Field(description=UNIT)
    message_ids: list[str] = Field(
        description="The IDs of the messages, in the order of the accepted recipients."
    )
    rejected: list[Rejected] = Field(
        description="The first 1,000 recipients that were not accepted."
    )
    rejected_count: int = Field(description="How many recipients were not accepted.")


async def check_credits(call: RestCall) -> CreditsAnswer:
    """Checks the balance of your own provider account, and answers what the account holds."""
    installation, actor, checked_at = call.installation, call.actor, None
    try:
        account = await syncing.account_to_sync(installation.store, actor, None)
    except Forbidden:  # the operator manages the balance: there is nothing to check
        balances = await installation.store.read_balances(view_of(actor))
    else:
        synced = await syncing.sync(
            installation.store,
            await installation.providers.of(account.id),
            account,
            actor_id=actor.user_id,
            rules=installation.sync_rules,
            view=view_of(actor),
        )
        balances, checked_at = synced.balances, synced.checked_at
    assert balances.account is not None
    return CreditsAnswer(
        balance=balances.account.balance,
        unit=balances.account.unit,
        provider_balance=balances.platform.provider_balance if balances.platform else None,
        checked_at=checked_at,
    )


async def single_sms(call: RestCall) -> SchoolSingleAnswer:
    """Sends one text to one number."""
    send, message = await accept_single(call)
    return SchoolSingleAnswer(
        message_id=message_id_of(message),
        accepted=send.accepted,
        required=send.accepted * send.price,
        balance=await _balance(call),
        unit=payer_of(call.actor).unit,
        **held_fields(send),
    )


async def bulk_sms(call: RestCall) -> SchoolBulkAnswer:
    """Sends one text to many numbers."""
    given: SchoolBulk = call.body
    send, messages = await accept_bulk(call, given, given.text)
    return SchoolBulkAnswer(
        accepted=send.accepted,
        required=send.accepted * send.price,
        balance=await _balance(call),
        unit=payer_of(call.actor).unit,
        message_ids=[message_id_of(each) for each in messages],
        rejected=rejected_of(send.rejected),
        rejected_count=send.rejected_count,
        **held_fields(send),
    )


async def _balance(call: RestCall) -> int | None:
    """What the account holds after the commit; None if the database does not answer soon."""
    payer = call.actor.payer
    with suppress(*UNAVAILABLE, TimeoutError):
        async with asyncio.timeout(LONGEST_READ_SECONDS):
            return None if payer is None else await call.installation.store.held(payer.account_id)
    return None
