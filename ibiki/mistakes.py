"""What ends a command with a sentence: the operator's to put right."""

from __future__ import annotations


class Mistake(Exception):
    """Nothing was done, or nothing more; the message says why, and how to go on."""


def sentence_of(failure: Exception) -> str | None:
    """What is said of a failure that an operator can put right; None of a defect."""
    # Only here: what else may be raised takes a second to load, and then it is loaded already.
    from domain.errors import Refusal, TryAgain
    from domain.ports.ledger import Disconnected
    from persistence.reaching import DatabaseUnusable
    from providers.simulator.book import BookInUse

    if isinstance(failure, (TryAgain, Disconnected)):
        return (
            "The database went away under the command. See that it runs, then repeat the command:"
            " it goes on where this one ended."
        )
    if isinstance(failure, (Mistake, Refusal, DatabaseUnusable, BookInUse)):
        return str(failure)
    return None
