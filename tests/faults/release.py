"""The previous release, taken from the history of the repository."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from persistence.migrating import FOLDER
from tests.end_to_end.program import clean_environment
from tests.faults.load import Clients
from tests.faults.programs import ibiki

ROOT = Path(__file__).parents[2]
COMMAND_SECONDS = 300.0

# Runs with the code of that release: its tables may lack columns that ours writes, and its class
# of the provider and its module may have other names.
NEW_CLIENTS = """
import asyncio, dataclasses, json, sys, typing
try:
    from tests import db
except ImportError:
    from tests import worlds as db
from tests.faults.people import new_clients

async def main(url, base_url):
    provider, _ = typing.get_type_hints(new_clients).values()
    async with db.connected(url):
        return await new_clients(provider(base_url))

print(json.dumps(dataclasses.asdict(asyncio.run(main(*sys.argv[1:]))), default=str))
"""


class ReleaseUnusable(Exception):
    """The previous release cannot be run here. The message says why."""


@dataclass(frozen=True, slots=True)
class Release:
    """A release in a separate directory. It runs with the packages of this environment."""

    directory: Path
    commit: str

    def migrate(self, url: str) -> None:
        """Brings a database to the newest migration of this release."""
        data = str(self.directory / ".ibiki")
        self._run(ibiki("migrate", "--data", data), DATABASE_URL=url, LOOPBACK_ONLY="true")

    def new_clients(self, url: str, provider_url: str) -> Clients:
        """`people.new_clients` of this release."""
        made = json.loads(self._run([sys.executable, "-c", NEW_CLIENTS, url, provider_url]))
        return Clients(
            rich=made["rich"],
            accounts=[UUID(each) for each in made["accounts"]],
            receivers=[(number, UUID(client)) for number, client in made["receivers"]],
            poor=made["poor"],
        )

    def _run(self, command: list[str], **environment: str) -> str:
        return _output_of(
            command, cwd=self.directory, env=clean_environment() | environment
        ).decode()


def exported(commit: str, directory: Path) -> Release:
    """The files of that commit, in a new directory. Raises ReleaseUnusable."""
    archive = _output_of(["git", "-C", str(ROOT), "archive", "--format=tar", commit])
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(directory, filter="data")
    return Release(directory, commit)


def before_the_newest_migration() -> str:
    """The last commit without our newest migration. Raises ReleaseUnusable."""
    newest = max(FOLDER.glob("[0-9]*.py"))
    log = ["git", "-C", str(ROOT), "log", "-1", "--format=%H", "--diff-filter=A"]
    added_by = _output_of([*log, "--", str(newest)]).decode().strip()
    if not added_by:
        return "HEAD"  # the migration is not committed yet
    return _output_of(["git", "-C", str(ROOT), "rev-parse", f"{added_by}^"]).decode().strip()


def _output_of(
    command: list[str], *, cwd: Path | None = None, env: dict[str, str] | None = None
) -> bytes:
    try:
        return subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, check=True, timeout=COMMAND_SECONDS
        ).stdout
    except FileNotFoundError as missing:
        raise ReleaseUnusable(f"{command[0]} is not installed") from missing
    except subprocess.CalledProcessError as failed:
        words = failed.stderr.decode(errors="replace")[-2_000:]
        raise ReleaseUnusable(f"{' '.join(command[:6])}: {words}") from failed
