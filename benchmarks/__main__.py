"""Runs every benchmark, or those named.

`python -m benchmarks [name …] [--against PATH] [--months N]`. A benchmark is a module of this
package with `main() -> list[Measurement]`. Ends with 1 if a goal is missed. PATH is a checkout of
another build that `work` is compared with. With N months, the tables by month of each build have N
months, all but the last one empty. `fill` and `reads` have their own arguments:
`python -m benchmarks fill --help`.
"""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.table import Table

import benchmarks
from benchmarks import machine
from benchmarks.measurement import Measurement


def run(names: list[str]) -> int:
    """Prints one table of all measurements; the exit code."""
    console = Console()
    table = Table("benchmark", "measured", "", "", "goal", title=machine.name())
    missed = 0
    for name, measurements in measured(names, console):
        for one in measurements:
            missed += not one.met
            colour = "green" if one.met else "red"
            figure = f"[{colour}]{one.value:,.3g}[/]" if one.goal else f"{one.value:,.3g}"
            table.add_row(name, one.what, figure, one.unit, one.goal)
        table.add_section()
    console.print(table)
    return 1 if missed else 0


def measured(names: list[str], console: Console) -> Iterator[tuple[str, list[Measurement]]]:
    """Each benchmark's name and figures, when it is done."""
    for found in pkgutil.iter_modules(benchmarks.__path__):
        if found.name == "__main__" or (names and found.name not in names):
            continue
        main = getattr(importlib.import_module(f"benchmarks.{found.name}"), "main", None)
        if main is not None:
            with console.status(found.name), machine.watched() as beside:
                figures = main()
            yield found.name, [*figures, *beside]


def command(name: str) -> Callable[[list[str]], None] | None:
    """The command of a module that has its own arguments."""
    named = name in {found.name for found in pkgutil.iter_modules(benchmarks.__path__)}
    module = importlib.import_module(f"benchmarks.{name}") if named else None
    return getattr(module, "command", None)


if __name__ == "__main__":
    own = command(sys.argv[1]) if len(sys.argv) > 1 else None
    if own is not None:
        own(sys.argv[2:])
        sys.exit()
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*")
    parser.add_argument("--against", metavar="PATH")
    parser.add_argument("--months", metavar="N")
    given = parser.parse_args()
    if given.months:
        os.environ["BENCH_MONTHS"] = given.months
    if given.against:
        os.environ["BENCH_AGAINST"] = given.against
    sys.exit(run(given.names))
