"""Migrations add first: the program of the previous release works on the new tables.

So processes are restarted one after the other, after the migration. What is no longer used is
removed a release later.
"""

from __future__ import annotations

import re

from persistence.migrating import FOLDER

BASELINE = "0042"
"""Releases up to this migration were stopped for an upgrade."""

REMOVES = {
    "a column": r"DROP COLUMN|RemoveField\(|RENAME COLUMN|RenameField\(",
    "a table": r"DROP TABLE|DeleteModel\(|RenameModel\(|ALTER TABLE \S+ RENAME TO\b",
    "NULL": r"SET NOT NULL",
    "a type": r"ALTER COLUMN \w+ (SET DATA )?TYPE",
}

ALLOWED: dict[str, str] = {}
"""What a migration removes, and why the previous release does not need it."""


def test_a_migration_removes_nothing_that_the_release_before_needs() -> None:
    found = {
        path.stem: what
        for path in sorted(FOLDER.glob("[0-9]*.py"))
        if path.stem > f"{BASELINE}_~"
        for what, pattern in REMOVES.items()
        if re.search(pattern, path.read_text(), re.IGNORECASE)
    }
    assert found == {name: what for name, what in found.items() if name in ALLOWED}


def test_removals_are_recognised() -> None:
    reasons = {
        "ALTER TABLE send DROP COLUMN text": "a column",
        'ops.RemoveField("Send", "text")': "a column",
        "ALTER TABLE send RENAME TO sends": "a table",
        "ALTER TABLE send ALTER COLUMN text SET NOT NULL": "NULL",
        "ALTER TABLE send ALTER COLUMN price TYPE int8": "a type",
    }
    for statement, what in reasons.items():
        assert re.search(REMOVES[what], statement)
