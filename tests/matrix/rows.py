"""The matrix: what each user gets from each field of the roots, and from each restricted field.

For a new field: add its rows to the table of its area, run the tests, and read what each user got.
Decide whether that is right before you write it into the table.
"""

from __future__ import annotations

from tests.matrix import (
    rows_of_contacts,
    rows_of_hooks,
    rows_of_inbox,
    rows_of_ledger,
    rows_of_nodes,
    rows_of_people,
    rows_of_sends,
)
from tests.matrix.row import Row

ROWS: dict[str, list[Row]] = {
    **rows_of_people.ROWS,
    **rows_of_sends.ROWS,
    **rows_of_ledger.ROWS,
    **rows_of_inbox.ROWS,
    **rows_of_contacts.ROWS,
    **rows_of_hooks.ROWS,
    **rows_of_nodes.ROWS,
}
