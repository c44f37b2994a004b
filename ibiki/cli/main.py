"""The command line of `ibiki`. Each command is in a module that is imported when it is called."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from ibiki.cli.loading import load
from ibiki.errors import exit_code_for, message_for

MODULES = {
    "up": "ibiki.cli.up",
    "serve": "ibiki.cli.commands",
    "dispatch": "ibiki.cli.commands",
    "simulate": "ibiki.cli.commands",
    "migrate": "ibiki.cli.commands",
    "demo": "ibiki.cli.commands",
    "create-admin": "ibiki.cli.commands",
    "audit": "ibiki.cli.commands",
    "sync": "ibiki.cli.commands",
    "check-provider": "ibiki.cli.checking",
    "export-unknowns": "ibiki.cli.commands",
    "import": "ibiki.cli.importing",
    "statement": "ibiki.cli.statement",
    "reconcile": "ibiki.cli.commands",
    "export-schema": "ibiki.cli.commands",
    "export-openapi": "ibiki.cli.commands",
    "partitions": "ibiki.cli.partitions",
    "backup": "ibiki.cli.restored",
    "restore": "ibiki.cli.restored",
    "after-restore": "ibiki.cli.restored",
    "rotate-keys": "ibiki.cli.rotation",
    "retention": "ibiki.cli.retention",
    "set-retention": "ibiki.cli.retention",
    "erase-person": "ibiki.cli.retention",
}


_STDIN, _STDOUT, _STDERR = range(3)


class _Commands(Mapping[str, Any]):
    """The commands by name. Each is made from the `app` of its module when it is needed."""

    def __getitem__(self, name: str) -> Any:
        return get_group(load(MODULES[name]).app).commands[name]

    def __iter__(self) -> Iterator[str]:
        return iter(MODULES)

    def __len__(self) -> int:
        return len(MODULES)


class _Group(TyperGroup):
    """Imports take most of the start-up time, so a command imports only what it needs."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = cast(Any, _Commands())

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Lists the commands with the docstrings of their modules, and imports none of them."""
        texts = {name: text for module in {*MODULES.values()} for name, text in _texts_in(module)}
        self.commands = {name: TyperCommand(name, help=texts[name]) for name in MODULES}
        super().format_help(ctx, formatter)


def _texts_in(module: str) -> Iterator[tuple[str, str | None]]:
    """The name and the docstring of each command of a module. The module is only parsed."""
    spec = find_spec(module)
    assert spec
    assert spec.origin
    for node in ast.parse(Path(spec.origin).read_bytes()).body:
        match node:
            case ast.FunctionDef(decorator_list=[ast.Call(args=[ast.Constant(str(name))])]):
                yield name, ast.get_docstring(node)
            case ast.FunctionDef(name=name, decorator_list=[ast.Call()]):
                yield name, ast.get_docstring(node)


app = typer.Typer(
    cls=_Group,
    help="Ibiki: a self-hosted, white-label, prepaid SMS platform.",
    epilog="Exit codes: 0 success, 1 failure (the message says why), 2 invalid arguments or"
    " settings, 3 the audit found an error in the ledger, 4 check-provider found a problem.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> None:
    """Runs the command line. An error that the operator can correct has no traceback."""
    _open_closed_streams()
    _accept_every_character()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # the reader of the output, such as `head`, has ended
        _drop_output()
        sys.exit(1)
    except Exception as error:
        message = message_for(error)
        if message is None:
            raise
        if isinstance(error, OSError):
            _drop_output()
        sys.stderr.write(f"{message}\n")
        sys.exit(exit_code_for(error))


def _open_closed_streams() -> None:
    """Opens /dev/null in place of standard streams that the caller has closed: `ibiki audit >&-`.

    Otherwise the next file or socket gets the number of such a stream, and the output goes there.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= _STDERR:  # always the lowest free number
        os.set_inheritable(number, True)
    os.close(number)
    sys.stdin = sys.stdin or os.fdopen(_STDIN)
    sys.stdout = sys.stdout or os.fdopen(_STDOUT, "w")
    sys.stderr = sys.stderr or os.fdopen(_STDERR, "w")


def _drop_output() -> None:
    """Drops what could not be written: Python flushes once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _accept_every_character() -> None:
    """Output never fails because the locale is not UTF-8. Files and pipes get UTF-8 anyway."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            encoding = stream.encoding if stream.isatty() else "utf-8"
            stream.reconfigure(encoding=encoding, errors="replace")


def _show_version(requested: bool) -> None:
    if requested:
        from importlib.metadata import version

        sys.stdout.write(f"ibiki {version('ibiki')}\n")
        raise typer.Exit


@app.callback()
def _options(
    show_version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    """Options that precede a command."""
