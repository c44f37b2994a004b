"""`ibiki rotate-keys`: encrypts all stored credentials with the newest key."""

from __future__ import annotations

from collections import Counter

import typer

from domain import ids
from domain.errors import units_in_words
from domain.hooks.changes import rotate_keys
from domain.ids import Kind
from ibiki.cli.options import DEFAULT_DIRECTORY, Data, Json
from ibiki.cli.running import print_result, with_installation
from ibiki.errors import CommandError
from ibiki.local.command_context import CommandContext
from ibiki.wiring import Components
from persistence import store

app = typer.Typer()


@app.command("rotate-keys")
def rotate(data: Data = DEFAULT_DIRECTORY, json: Json = False) -> None:
    """Encrypt all stored credentials with the first key of ENCRYPTION_KEYS."""

    async def run(context: CommandContext, parts: Components) -> None:
        rotated, unreadable = await rotate_keys(store, parts.cipher.rotate)
        counts = Counter(kind for kind, _ in rotated)
        accounts, secrets = counts[Kind.PROVIDER_ACCOUNT], counts[Kind.HOOK_ENDPOINT]
        named = [ids.encode(*each) for each in unreadable]
        print_result(
            json,
            {"rotated": accounts, "secrets": secrets, "unreadable": named},
            f"The credentials of {units_in_words(accounts, 'provider account')} and the secrets of"
            f" {units_in_words(secrets, 'webhook endpoint')} are encrypted with the first key of"
            " ENCRYPTION_KEYS.",
        )
        if named:
            raise CommandError(
                f"No key decrypts the credentials of {', '.join(named)}. Add the key that is"
                " missing to ENCRYPTION_KEYS, or set the credentials again. For a webhook endpoint:"
                " rotate its secret."
            )

    with_installation(data, run, must_exist=True)
