"""The mutation that settles many UNKNOWN messages."""

from __future__ import annotations

from domain import ids
from domain.dispatch import settle
from domain.dispatch.messages import SettledUnknowns, UnknownFilter
from domain.identity.access import Role
from domain.ids import Kind
from resolvers.context import Info, actor_of, requires
from schema.dispatch.inputs import SettleUnknownsInput, UnknownFilterInput


@requires(Role.ADMIN)
async def settle_unknowns(info: Info, input: SettleUnknownsInput) -> SettledUnknowns:
    """Settles the messages that match. A dry run only counts them."""
    actor, store = actor_of(info), info.context.installation.store
    wanted = _filter_of(input.filter)
    if input.dry_run:
        return await settle.preview_unknowns(store, actor, wanted)
    return await settle.settle_unknowns(
        store, actor, wanted, taken=input.taken, note=input.note or ""
    )


def _filter_of(given: UnknownFilterInput | None) -> UnknownFilter:
    if given is None:
        return UnknownFilter()
    return UnknownFilter(
        send_id=ids.decode(Kind.SEND, given.send_id) if given.send_id else None,
        client_id=ids.decode(Kind.CLIENT, given.client_id) if given.client_id else None,
        attempted_before=given.attempted_before,
    )
