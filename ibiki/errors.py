"""Errors that end a command with one sentence, because the operator can correct their cause."""

from __future__ import annotations

import errno


class CommandError(Exception):
    """The message says why the command stopped, and what to do."""


class WrongArguments(CommandError):
    """The arguments are wrong, or do not go together. The exit code is 2."""


def exit_code_for(error: Exception) -> int:
    """2 if the arguments are wrong: the same call always fails. 1 for any other error."""
    from domain.errors import InvalidInput, InvalidPhoneNumber

    return 2 if isinstance(error, (WrongArguments, InvalidInput, InvalidPhoneNumber)) else 1


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
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"The output cannot be written: {error.strerror}. Make space, and repeat the command."
        )
    return None
