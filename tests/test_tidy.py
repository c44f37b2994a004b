"""The style of ARCHITECTURE.md, as far as a program can see it.

A rule is a function from a file to what is wrong in it: one line in RULES or TEXT_RULES adds one.
EXCEPTIONS may only shrink: an entry that is no longer needed fails too.
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest

from tests.clocks import PATIENCE_SECONDS

ROOT = Path(__file__).parents[1]
PACKAGES = ("ibiki", "schema", "resolvers", "domain", "persistence", "providers")
CODE = (*PACKAGES, "tests", "benchmarks")

PICTURES = (".png",)

LONGEST_FUNCTION = 70
LONGEST_FILE = 400
LONGEST_SLEEP_SECONDS = 0.25

VAGUE_WORDS = re.compile(
    r"data|handles?|handlers?|helpers?|infos?|manages?|managers?|misc|process|repository"
    r"|services?|utils?"
)
# Of Relay, asyncio.Protocol, aiohttp and uvicorn.
DICTATED_NAMES = frozenset(
    {"PageInfo", "page_info", "data_received", "feed_data", "handle_websocket_upgrade"}
)
# Spelled so that this file does not hold what it forbids.
MACHINE = re.compile(
    r"p[y]pi\.org|python[h]osted|registry\.np[m]js|np[m]js\.com|deb\.deb[i]an\.org"
    r"|/wor[k]/|/roo[t]/|/hom[e]/|/User[s]/"
)
# The two others are the examples of the API's own description.
NUMBER = re.compile(r"\+(?!1202555[0]1\d\d\b|16624908672|12365478963)1[2-9]\d{9}\b")

# Words that readers have to look up, inversions, and idioms. Spelled like MACHINE.
UNUSUAL = re.compile(
    r"\b(?:ane[w]|hee[d]|hereb[y]|thereb[y]|les[t]|whoeve[r]|henceforwar[d]|whils[t]|upo[n])\b"
    r"|\bof_(?:its|their|your|his|her)_ow[n]\b(?! \w)"
    r"|\b(?:is|are|was|were|be|go|goes|went|counts_as)_awa[y]\b"
    r"|\b(?:and|;)_s[o]_(?:is|are|was|were|does|do|did|has|have|would|will|can|must)\b"
    r"|\bS[o]_(?:is|are|was|were|does|do|did|has|have|would|will|can|must)\b(?!_not\b)"
    r"|\bno[r]_(?:is|are|was|does|do|did|has|have|can)\b"
    r"|\bfor_goo[d]\b(?!,)".replace("_", r"[\s\"#/*]+")  # also over the end of a line
)
DICTATED_TEXTS = ("LICENSE", "tests/contract.graphql")

QUOTED_NAME = re.compile(rf"`((?:{'|'.join(CODE)})[./][\w./-]*\w)(?:\(\))?`")

EXCEPTIONS: dict[str, frozenset[str]] = {
    # strawberry calls `handle`.
    "names_say_something": frozenset({"schema/errors.py"})
}


@dataclass(frozen=True)
class Source:
    """One file of the repository."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def is_python(self) -> bool:
        return self.path.endswith(".py") and self.path.split("/")[0] in CODE

    @property
    def is_test(self) -> bool:
        return self.path.startswith("tests/")

    @property
    def is_migration(self) -> bool:
        return self.path.startswith("persistence/migrations/")

    def definitions(self) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield node


def functions_are_short(source: Source) -> Iterator[str]:
    """Few functions have more than 35 lines, none more than 70."""
    for node in source.definitions():
        lines = (node.end_lineno or node.lineno) - node.lineno + 1
        if not isinstance(node, ast.ClassDef) and lines > LONGEST_FUNCTION:
            yield f"{node.lineno}: {node.name} has {lines} lines"


def files_are_short(source: Source) -> Iterator[str]:
    """Most files have fewer than 300 lines, none more than 400; migrations grow as they must."""
    lines = len(source.text.splitlines())
    if lines > LONGEST_FILE and not source.is_migration:
        yield f"1: {lines} lines: split the file"


def modules_say_their_purpose(source: Source) -> Iterator[str]:
    """A module begins with a sentence."""
    docstring = "Generated." if source.is_migration else ast.get_docstring(source.tree)
    if source.text.strip() and not (
        docstring and docstring.splitlines()[0].strip().endswith((".", ":"))
    ):
        yield "1: no sentence that says what this is for"


def packages_are_empty(source: Source) -> Iterator[str]:
    """Importing a package does nothing: each name has one address."""
    if source.path.endswith("/__init__.py") and source.text.strip():
        yield "1: __init__.py must be empty"


def names_say_something(source: Source) -> Iterator[str]:
    """No name of a module, class or function holds a word that fits everything."""
    names = [(1, Path(source.path).stem)] + [(n.lineno, n.name) for n in source.definitions()]
    for line, name in names:
        vague = [word for word in words_of(name) if VAGUE_WORDS.fullmatch(word)]
        is_free = name in DICTATED_NAMES or name.startswith("test_")  # tests are sentences
        if vague and not is_free:
            yield f"{line}: {name}: “{vague[0]}” says nothing"


def nothing_is_mocked(source: Source) -> Iterator[str]:
    """The parts in a test are real, or small ones written for it."""
    for node in ast.walk(source.tree):
        modules: list[str] = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
        if any(re.match(r"(unittest\.)?mock\b", module) for module in modules):
            yield f"{node.lineno}: mock"  # type: ignore[attr-defined]


def waits_have_a_condition(source: Source) -> Iterator[str]:
    """A test never sleeps in the hope that something has happened by then."""
    for node in ast.walk(source.tree):
        if not (source.is_test and isinstance(node, ast.Call) and node.args):
            continue
        length = node.args[0].value if isinstance(node.args[0], ast.Constant) else None
        if not isinstance(length, int | float) or length <= LONGEST_SLEEP_SECONDS:
            continue
        if ast.unparse(node.func).split(".")[-1] == "sleep":
            yield f"{node.lineno}: sleeps for {length} s"


def limits_are_generous(source: Source) -> Iterator[str]:
    """A wait of a test ends when what it waits for has happened, also on a slow or busy machine."""
    for node in ast.walk(source.tree):
        if not (source.is_test and isinstance(node, ast.Call) and node.args):
            continue
        if ast.unparse(node.func) not in ("asyncio.timeout", "asyncio.wait_for"):
            continue
        limit = node.args[-1].value if isinstance(node.args[-1], ast.Constant) else None
        if isinstance(limit, int | float) and limit < PATIENCE_SECONDS:
            yield f"{node.lineno}: gives up after {limit} s"


def no_machine_is_named(source: Source) -> Iterator[str]:
    """The repository has no registry's host and no path of a developer's machine."""
    for line, found in matches(MACHINE, source.text):
        yield f"{line}: {found}"


def numbers_are_fictional(source: Source) -> Iterator[str]:
    """North American numbers are of the block that is reserved for fiction: 202-555-01xx."""
    for line, found in matches(NUMBER, source.text):
        yield f"{line}: {found}"


def words_are_usual(source: Source) -> Iterator[str]:
    """Texts are in the words and the order of words that readers know."""
    if source.path in DICTATED_TEXTS:
        return
    for line, found in matches(UNUSUAL, source.text):
        yield f"{line}: “{' '.join(found.split())}”"


def quoted_names_exist(source: Source) -> Iterator[str]:
    """A module, a name in it, or a path that a text quotes still exists. History is left out."""
    if source.path.startswith(("docs/decisions/", "CHANGELOG")):
        return
    for found in QUOTED_NAME.finditer(source.text):
        if not _exists(found[1]):
            yield f"{source.text.count(chr(10), 0, found.start()) + 1}: {found[1]}"


def _exists(name: str) -> bool:
    """Whether a path exists, or a module, or the name after it occurs in the module."""
    if "/" in name or (ROOT / name).is_file():
        return (ROOT / name).exists()
    place, _, rest = name.rpartition(".")
    path = ROOT / name.replace(".", "/")
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    module = (ROOT / place.replace(".", "/")).with_suffix(".py")
    if module.is_file():
        return re.search(rf"\b{rest}\b", module.read_text(encoding="utf-8")) is not None
    is_package = (ROOT / place.replace(".", "/")).is_dir()  # packages are empty
    return not is_package and _exists(place)


Rule = Callable[[Source], Iterator[str]]

RULES: tuple[Rule, ...] = (
    functions_are_short,
    files_are_short,
    modules_say_their_purpose,
    packages_are_empty,
    names_say_something,
    nothing_is_mocked,
    waits_have_a_condition,
    limits_are_generous,
)
TEXT_RULES: tuple[Rule, ...] = (
    no_machine_is_named,
    numbers_are_fictional,
    words_are_usual,
    quoted_names_exist,
)


def words_of(name: str) -> list[str]:
    """The words of a name: `read_HTTPInfo2` has read, http and info."""
    return [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)]


def matches(pattern: re.Pattern[str], text: str) -> Iterator[tuple[int, str]]:
    """Each match and its line."""
    for found in pattern.finditer(text):
        yield text.count("\n", 0, found.start()) + 1, found[0]


def sources() -> Iterator[Source]:
    """Every text file that is committed, or would be."""
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout: which files belong to it is not known")
    paths = sorted(set(listed.stdout.splitlines()))
    for path in paths:
        if (ROOT / path).is_file() and not path.endswith(PICTURES):
            yield Source(path, (ROOT / path).read_text(encoding="utf-8"))


@cache
def found_by_rule() -> dict[Rule, dict[str, list[str]]]:
    """What each rule finds in each file. Each file is parsed once and then forgotten."""
    found: dict[Rule, dict[str, list[str]]] = {rule: {} for rule in [*RULES, *TEXT_RULES]}
    for source in sources():
        for rule, by_path in found.items():
            if source.is_python or rule in TEXT_RULES:
                by_path[source.path] = list(rule(source))
    return found


@pytest.mark.parametrize("rule", [*RULES, *TEXT_RULES], ids=lambda rule: rule.__name__)
def test_the_code_is_tidy(rule: Rule) -> None:
    found = found_by_rule()[rule]
    excepted = EXCEPTIONS.get(rule.__name__, frozenset())
    untidy = [f"{path}:{what}" for path, all_ in found.items() for what in all_]
    unexpected = [line for line in untidy if line.split(":")[0] not in excepted]
    assert not unexpected, "\n".join([rule.__doc__ or "", *unexpected])
    needless = [path for path in excepted if not found.get(path)]
    assert not needless, f"tidy by now: take them off the exceptions: {needless}"


@pytest.mark.parametrize(
    ("rule", "path", "text", "expected"),
    [
        (
            functions_are_short,
            "domain/a.py",
            "def f():\n" + "    x = 1\n" * 70,
            "1: f has 71 lines",
        ),
        (functions_are_short, "domain/a.py", "def f():\n" + "    x = 1\n" * 69, None),
        (files_are_short, "domain/a.py", "x = 1\n" * 401, "1: 401 lines"),
        (files_are_short, "persistence/migrations/0001.py", "x = 1\n" * 401, None),
        (modules_say_their_purpose, "domain/a.py", "x = 1", "1: no sentence"),
        (modules_say_their_purpose, "domain/a.py", '"""Words"""', "1: no sentence"),
        (modules_say_their_purpose, "domain/a.py", '"""What it is."""', None),
        (modules_say_their_purpose, "domain/__init__.py", "", None),
        (packages_are_empty, "domain/__init__.py", "import domain.a", "1: __init__.py"),
        (names_say_something, "domain/send_utils.py", "", "1: send_utils: “utils”"),
        (names_say_something, "domain/a.py", "\nclass SendService: ...", "2: SendService"),
        (names_say_something, "domain/a.py", "async def handle_send(): ...", "1: handle_send"),
        (names_say_something, "domain/a.py", "class Database: ...", None),
        (nothing_is_mocked, "tests/a.py", "\nfrom unittest.mock import patch", "2: mock"),
        (nothing_is_mocked, "tests/a.py", "from unittest import mock", "1: mock"),
        (nothing_is_mocked, "tests/a.py", "import unittest.mock", "1: mock"),
        (nothing_is_mocked, "tests/a.py", "import mockery", None),
        (waits_have_a_condition, "tests/a.py", "time.sleep(1)", "1: sleeps for 1 s"),
        (waits_have_a_condition, "tests/a.py", "await asyncio.sleep(0.5)", "1: sleeps for 0.5 s"),
        (waits_have_a_condition, "tests/a.py", "time.sleep(0.01)", None),
        (waits_have_a_condition, "domain/a.py", "await asyncio.sleep(5)", None),
        (limits_are_generous, "tests/a.py", "asyncio.timeout(5)", "1: gives up after 5 s"),
        (limits_are_generous, "tests/a.py", "asyncio.wait_for(it, 20)", "1: gives up after 20 s"),
        (limits_are_generous, "tests/a.py", "asyncio.timeout(PATIENCE_SECONDS)", None),
        (limits_are_generous, "domain/a.py", "asyncio.timeout(5)", None),
        (no_machine_is_named, "docs/a.md", "\nsee /ro" + "ot/x", "2: /ro" + "ot/"),
        (no_machine_is_named, "docs/a.md", "from py" + "pi.org", "1: py" + "pi.org"),
        (no_machine_is_named, "docs/a.md", "the root/x of all work/", None),
        (numbers_are_fictional, "docs/a.md", "to +1" + "2025550243", "1: +1" + "2025550243"),
        (numbers_are_fictional, "docs/a.md", "to +12025550143", None),
        (words_are_usual, "docs/a.md", "a\npool of its ow" + "n.", "2: “of its ow" + "n”"),
        (words_are_usual, "docs/a.md", "the name of its own table", None),
        (words_are_usual, "domain/a.py", "# and so" + " is the other", "1: “and so" + " is”"),
        (words_are_usual, "domain/a.py", "# This is so. It has two.", None),
        (
            quoted_names_exist,
            "docs/a.md",
            "\nsee `domain" + ".no_such.Name`",
            "2: domain" + ".no_such",
        ),
        (quoted_names_exist, "docs/a.md", "see `domain" + "/no_such.py`", "1: domain" + "/no_such"),
        (quoted_names_exist, "docs/a.md", "see `domain.numbers.Normaliser`, `tests/`", None),
    ],
)
def test_an_untidy_file_is_noticed(rule: Rule, path: str, text: str, expected: str | None) -> None:
    found = list(rule(Source(path, text)))
    assert found == [] if expected is None else found[0].startswith(expected)
