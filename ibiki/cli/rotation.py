"""`ibiki rotate-keys`: encrypts all stored credentials with the newest key."""

from __future__ import annotations

import typer

from domain import ids
from domain.errors import units_in_words
from domain.hooks.changes import rotate_secrets
from domain.ids import Kind
from domain.ledger.credentials import rotate_keys
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
        rotated, unreadable = await rotate_keys(store, parts.cipher)
        secrets, unreadable_secrets = await rotate_secrets(store, parts.cipher)
        named = [ids.encode(Kind.PROVIDER_ACCOUNT, each) for each in unreadable]
        named += [ids.encode(Kind.HOOK_ENDPOINT, each) for each in unreadable_secrets]
        print_result(
            json,
            {"rotated": rotated, "secrets": secrets, "unreadable": named},
            f"The credentials of {units_in_words(rotated, 'provider account')} and the secrets of"
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
