"""The message at the start, with any brand and password. Its commands can be pasted."""

from __future__ import annotations

import json
import subprocess
from io import StringIO

import pytest
from graphql import Lexer, Source, TokenKind
from rich.console import Console

from ibiki.all_in_one import startup_message

# Replaces curl and prints the body of the request.
SENT = 'curl() { printf "%s\\n" "${@: -1}"; }\n'


def printed(brand: str, password: str) -> str:
    terminal = Console(file=StringIO(), highlight=False)
    terminal.print(startup_message(brand, "http://127.0.0.1:8000", password), soft_wrap=True)
    assert isinstance(terminal.file, StringIO)
    return terminal.file.getvalue()


def sent(text: str) -> list[str]:
    """The documents that the commands send."""
    calls = text[text.index("curl") :].replace(
        "  Then send a message, with the token from its response:\n", ""
    )
    ran = subprocess.run(
        ["bash", "-euc", SENT + calls], capture_output=True, text=True, check=True, timeout=60
    )
    return [json.loads(line)["query"] for line in ran.stdout.splitlines()]


def strings_of(document: str) -> list[str]:
    """The strings in a document, as the server parses them."""
    lexer, found = Lexer(Source(document)), []
    while (token := lexer.advance()).kind is not TokenKind.EOF:
        if token.kind is TokenKind.STRING and token.value is not None:
            found.append(token.value)
    return found


@pytest.mark.parametrize(
    "password",
    ["m93p-9zhc-vq7a", 'it\'s "quoted"', "[red]herring[/red]", "back\\slash$HOME\\", "пароль {x}"],
)
def test_the_commands_can_be_pasted(password: str) -> None:
    text = printed("IbikiSMS", password)
    assert f"client@ibiki.test       {password}   CLIENT" in text
    signing_in, sending = sent(text)
    assert password in strings_of(signing_in)
    assert "Hello" in strings_of(sending)


def test_a_brand_with_brackets_is_printed_unchanged() -> None:
    assert "[ACME] SMS is up at http://127.0.0.1:8000 " in printed("[ACME] SMS", "m93p-9zhc-vq7a")
