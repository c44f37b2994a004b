"""What ends a command with a sentence: the operator's to put right."""

from __future__ import annotations


class Mistake(Exception):
    """Nothing was done, or nothing more; the message says why, and how to go on."""


def sentence_of(failure: Exception) -> str | None:
    """What is said of a failure that an operator can put right; None of a defect."""
    # Only here: what else may be raised takes a second to load, and then it is loaded already.
    from domain.errors import Refusal
    from persistence import reaching
    from providers.simulator.book import BookInUse

    of_database = reaching.sentence_of(failure)
    if of_database is not None:
        return of_database
    if isinstance(failure, (Mistake, Refusal, reaching.DatabaseUnusable, BookInUse)):
        return str(failure)
    return None
