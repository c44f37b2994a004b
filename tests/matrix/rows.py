"""The matrix: who gets what of each field that can be asked, done or watched, or is marked ADMIN.

A new field: add its rows to the table of its area, run the tests, and read what they say that each
one saw. Whether that is right is for you to judge; only then does it go into the table.
"""

from __future__ import annotations

from tests.matrix import (
    rows_of_contacts,
    rows_of_inbox,
    rows_of_ledger,
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
}
