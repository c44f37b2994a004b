"""The sessions of the running programs, as PostgreSQL lists them by the name of the connection."""

from __future__ import annotations

from collections.abc import Mapping

from persistence.database import fetch

# A program of an earlier release shows no fingerprint after its name.
NAMES = """
SELECT application_name AS name, coalesce(host(min(client_addr)), 'this machine') AS address
FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user
  AND application_name ~ '^ibiki (serve|dispatch|up) [-.[:alnum:]_]+$'
GROUP BY application_name
"""


async def read_program_names() -> Mapping[str, str]:
    """The connection names that show a fingerprint, with the address of one program of each."""
    return {row["name"]: row["address"] for row in await fetch(NAMES)}
