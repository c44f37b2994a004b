"""Errors that end a command with one sentence, because the operator can correct their cause."""

from __future__ import annotations


class CommandError(Exception):
    """The message says why the command stopped, and what to do."""


def message_for(error: Exception) -> str | None:
    """The message for an error that an operator can correct. None for a defect."""
    # Imported here, because a command that succeeds does not need these modules.
    from domain.errors import Refusal
    from persistence import servers
    from providers.simulator.request_log import DirectoryInUse

    database_message = servers.sentence_of(error)
    if database_message is not None:
        return database_message
    if isinstance(error, (CommandError, Refusal, servers.DatabaseUnusable, DirectoryInUse)):
        return str(error)
    return None
