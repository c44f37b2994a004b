"""The running program as its users see it: a process, an address, and its output."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

START_SECONDS = 180.0
STOP_SECONDS = 60.0
UP = re.compile(r"is up at (http://\S+)")


class Program:
    """One `ibiki up`, from its first line to its end."""

    def __init__(self, process: subprocess.Popen[str], directory: Path) -> None:
        self.process = process
        self.directory = directory
        self.printed: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def address(self) -> str:
        """The address that it prints."""
        found = eventually(lambda: UP.search("".join(self.printed)), self._still_running)
        return str(found.group(1))

    @property
    def password(self) -> str:
        """The password of the demo's users."""
        return (self.directory / "demo-password").read_text().strip()

    @property
    def simulator(self) -> str:
        """The address of the simulated provider."""
        return (self.directory / "simulator.url").read_text().strip()

    def stop(self) -> int:
        """Presses Ctrl-C. Returns the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.wait(STOP_SECONDS)

    def close(self) -> None:
        """Reads to the end of what it printed."""
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _still_running(self) -> None:
        assert self.process.poll() is None, "".join(self.printed)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed.append(line)


@contextmanager
def fresh_directory() -> Iterator[Path]:
    """An empty data directory.

    Not pytest's own: each of its sessions closes its folder to others again, among them the user
    that a database started by root runs as.
    """
    with tempfile.TemporaryDirectory(prefix="ibiki-test-") as name:
        yield Path(name)


@contextmanager
def copy_of(installation: Path) -> Iterator[Path]:
    """A data directory with the files of an installation that was started once."""
    with fresh_directory() as directory:
        subprocess.run(["cp", "-a", f"{installation}/.", str(directory)], check=True)
        (directory / "simulator.url").unlink()  # of the program that ran there
        yield directory


@contextmanager
def up(directory: Path, **environment: str) -> Iterator[Program]:
    """`ibiki up` on a separate port, for as long as the block lasts."""
    command = [sys.executable, "-m", "ibiki", "up", "--data", str(directory), "--port", "0"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=clean_environment() | {"LOOPBACK_ONLY": "true"} | environment,
    )
    program = Program(process, directory)
    try:
        yield program
    finally:
        if process.poll() is None:
            try:
                program.stop()
            except subprocess.TimeoutExpired:
                program.kill()
                raise
        program.close()


def clean_environment() -> dict[str, str]:
    """This process's environment without any setting of the program's."""
    kept = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "PYTHONUNBUFFERED")
    return {name: os.environ[name] for name in kept if name in os.environ}


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The result of a short command."""
    return subprocess.run(
        [sys.executable, "-m", "ibiki", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        env=clean_environment() | environment,
        check=False,
    )


def eventually(ask: Callable[[], Any], check: Callable[[], None] = lambda: None) -> Any:
    """The first true answer. Waits as long as a slow machine may need."""
    give_up_at = time.monotonic() + START_SECONDS
    while not (answer := ask()):
        check()
        assert time.monotonic() < give_up_at, f"not in time: last answer {answer!r}"
        time.sleep(0.05)
    return answer


class Api:
    """One user of the API."""

    def __init__(self, address: str, token: str | None = None) -> None:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(base_url=address, headers=headers, timeout=30)

    def ask(self, document: str, **variables: Any) -> Mapping[str, Any]:
        """The data of an answer that has no errors."""
        answer = self._http.post("/graphql", json={"query": document, "variables": variables})
        body = answer.json()
        assert "errors" not in body, body
        return dict(body["data"])

    def close(self) -> None:
        """Closes the connection."""
        self._http.close()


SIGN_IN = """
mutation ($input: SignInInput!) {
  signIn(input: $input) { ... on Session { accessToken } ... on UserError { message } }
}
"""


@contextmanager
def signed_in(program: Program, user: str) -> Iterator[Api]:
    """The API for a user of the demo."""
    api = Api(program.address)
    answer = api.ask(SIGN_IN, input={"email": user, "password": program.password})
    api.close()
    api = Api(program.address, answer["signIn"]["accessToken"])
    try:
        yield api
    finally:
        api.close()
