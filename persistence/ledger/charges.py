"""The transfers of sends, as pieces of SQL.

A charge has the ID of its send: the primary key ensures that a send is charged once, and no other
index has to be written. Charges of earlier releases have other IDs. The index
`transfer_charge_with_own_id` is only for them.
"""

from __future__ import annotations

_WITH_OWN_ID = "kind = 'SEND' AND id <> send_id"


def charges_between(columns: str) -> str:
    """SQL for FROM: the charges of the sends with IDs after $1, up to $2.

    coalesce(): for a comparison of two columns, PostgreSQL would expect too few rows.
    """
    return f"""(
    SELECT {columns} FROM transfer
    WHERE kind = 'SEND' AND id > $1 AND id <= $2 AND coalesce(id = send_id, false)
    UNION ALL
    SELECT {columns} FROM transfer WHERE {_WITH_OWN_ID} AND send_id > $1 AND send_id <= $2
    ) AS charge"""  # noqa: S608 - names of our own


def transfers_of(send: str) -> str:
    """SQL for FROM: the charge, the refunds and the corrections of a send. `send`: its ID, in SQL.

    A condition for each index: for a list of kinds, PostgreSQL reads the whole table.
    """
    return f"""(
    SELECT * FROM transfer WHERE kind = 'SEND' AND id = {send}
    UNION ALL SELECT * FROM transfer WHERE {_WITH_OWN_ID} AND send_id = {send}
    UNION ALL SELECT * FROM transfer WHERE kind = 'REFUND' AND send_id = {send}
    UNION ALL SELECT * FROM transfer WHERE kind = 'RECONCILE' AND send_id = {send}
    ) AS transfer"""  # noqa: S608 - names of our own
