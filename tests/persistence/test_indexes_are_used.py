"""Each index is in the plan of a statement of the program. Others are removed."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

import asyncpg

import persistence
from tests.persistence.as_migrated import INDEXES

BUILT = {
    "api_key_by_user": "FROM api_key WHERE user_id = $1",
    "app_user_by_client": "FROM app_user WHERE client_id = $1",
    "assigned_number_by_route": "FROM assigned_number WHERE route_id = $1",
    "client_by_group": "FROM client WHERE group_id = $1",
    "contact_by_client": "FROM contact WHERE client_id = $1 ORDER BY id DESC LIMIT 9",
    "contact_by_name": "FROM contact WHERE client_id = $1"
    " ORDER BY name IS NULL, lower(coalesce(name, '')), id LIMIT 9",
    "conversation_by_change": "FROM conversation WHERE updated_at > $1"
    " ORDER BY updated_at DESC LIMIT 9",
    "conversation_by_change_order": "FROM conversation WHERE changed_xid >= $1"
    " AND changed_xid < $2 ORDER BY changed_xid, id LIMIT 9",
    "conversation_by_last_message": "FROM conversation ORDER BY last_message_id DESC LIMIT 9",
    "conversation_unread": "FROM conversation WHERE client_id = $1 AND unread > 0"
    " ORDER BY last_message_id DESC LIMIT 9",
    "conversation_unread_of_all": "FROM conversation WHERE unread > 0"
    " ORDER BY last_message_id DESC LIMIT 9",
    "hook_delivery_failed": "FROM hook_delivery WHERE endpoint_id = $1 AND status = 'FAILED'"
    " ORDER BY id DESC LIMIT 9",
    "low_balance_by_client": "FROM low_balance WHERE client_id = $1 ORDER BY id LIMIT 9",
    "reconciliation_difference_by_run": "FROM reconciliation_difference"
    " WHERE reconciliation_id = $1 ORDER BY id LIMIT 9",
    "send_by_kind": "FROM send WHERE kind = 'BULK' ORDER BY client_id, id LIMIT 9",
    "send_of_kind": "FROM send WHERE kind = 'BULK' ORDER BY id DESC LIMIT 9",
    "send_scheduled": "FROM send WHERE client_id = $1 AND due_until > $2",
    "sync_by_provider_account": "FROM sync WHERE provider_account_id = $1"
    " ORDER BY created_at DESC LIMIT 9",
    "transfer_by_source_and_kind": "FROM transfer WHERE source_id = $1 AND kind = 'REFUND'"
    " ORDER BY source_version DESC LIMIT 9",
    "webhook_event_assignable": "FROM webhook_event WHERE outcome = 'UNROUTED' AND due_at IS NULL",
    "webhook_event_changed": "FROM webhook_event WHERE changed_xid >= $1 AND changed_xid < $2",
    "webhook_event_key_by_event": "FROM webhook_event_key WHERE event_id >= $1 AND event_id <= $2",
    "webhook_event_routed": "FROM webhook_event WHERE outcome = 'ROUTED' ORDER BY id DESC LIMIT 9",
    "webhook_event_unusual": "FROM webhook_event WHERE outcome = 'DUPLICATE'"
    " ORDER BY id DESC LIMIT 9",
    "webhook_event_unrouted": "FROM webhook_event WHERE outcome = 'UNROUTED'"
    " ORDER BY opt_out_pending DESC, id DESC LIMIT 9",
}
"""What querysets and filters make, for the indexes that no constant needs."""

PLANNED = re.compile(r"(?:using|Bitmap Index Scan on) (\w+)")
IS_STATEMENT = re.compile(r"\s*(WITH|SELECT|UPDATE|INSERT|DELETE)\b").match
PARENTS = """
SELECT part.relname, whole.relname FROM pg_inherits
JOIN pg_class AS part ON part.oid = inhrelid JOIN pg_class AS whole ON whole.oid = inhparent
WHERE part.relkind = 'i'
"""

PARAMETERS = "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'each'"


def constants() -> Iterator[str]:
    """The statements that modules of `persistence` have as constants."""
    for found in pkgutil.walk_packages(persistence.__path__, "persistence."):
        if ".migrations" not in found.name:
            for name, value in vars(importlib.import_module(found.name)).items():
                if name.isupper() and isinstance(value, str) and IS_STATEMENT(value):
                    yield value


async def test_every_index_is_used(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        whole = {row[0]: row[1] for row in await connection.fetch(PARENTS)}
        # Tables are empty here, and a scan of an empty one is cheaper than any index.
        await connection.execute("SET enable_seqscan = off; SET enable_sort = off")
        await connection.execute("SET plan_cache_mode = force_generic_plan")

        async def planned(statement: str) -> set[str]:
            try:
                await connection.execute(f"PREPARE each AS {statement}")
            except asyncpg.PostgresError:  # a part of a statement, or one to fill in
                return set()
            count = await connection.fetchval(PARAMETERS)
            values = f"({', '.join(['NULL'] * count)})" if count else ""
            lines = await connection.fetch(f"EXPLAIN EXECUTE each{values}")
            await connection.execute("DEALLOCATE each")
            found = PLANNED.findall("\n".join(line[0] for line in lines))
            return {whole.get(each, each) for each in found}

        used: set[str] = set()
        for statement in constants():
            used |= await planned(statement)
        unused = {
            index
            for index, definition in INDEXES.items()
            if index not in used and not definition.startswith("UNIQUE")
            if index not in await planned(f"SELECT {BUILT.get(index, 'nothing')}")
        }
    finally:
        await connection.close()
    assert not unused
