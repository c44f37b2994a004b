"""Backups of the embedded database: copies of it, and an archive of all changes since.

    DIR/of           the data directory that the backups are of
    DIR/keys/        its secret-key, encryption-keys and demo-password
    DIR/base-TIME/   a copy by pg_basebackup, complete at TIME (UTC)
    DIR/wal/         the log of changes, a file at least once a minute

A copy and the log can restore any moment after the copy: PostgreSQL's "Continuous Archiving and
Point-in-Time Recovery".
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ibiki.errors import CommandError
from ibiki.local.cluster import Cluster, allow_passage, locate, make_private_directory
from ibiki.local.command_context import RESTORED

ARCHIVE_SECONDS = 60
KEYS = ("secret-key", "encryption-keys", "demo-password")
_BASE = "base-"
ARCHIVE = "wal"
# ISO 8601 without separators. Two copies in one second have different names.
_TIME_FORMAT = "%Y%m%dT%H%M%S.%fZ"
_NAME = re.compile(rf"{_BASE}\d{{8}}T\d{{6}}(\.\d{{6}})?Z")

ARCHIVE_COMMAND = """
SELECT setting FROM pg_file_settings WHERE name = 'archive_command' ORDER BY seqno DESC LIMIT 1;
"""
NO_ARCHIVE = """
ALTER SYSTEM RESET archive_mode;
ALTER SYSTEM RESET archive_command;
ALTER SYSTEM RESET archive_timeout;
SELECT pg_reload_conf();
"""

# What the server logs if the changes end before the requested time.
ENDED_EARLY = "recovery ended before configured recovery target was reached"
LAST_CHANGE = re.compile(r"last completed transaction was at log time (\S+ [\d:]+)")


@dataclass(frozen=True, slots=True)
class Backup:
    """One copy. `archives`: whether the changes since are kept, too."""

    path: Path
    archives: bool


def backup(data: Path, directory: Path) -> Backup:
    """Copies the running embedded database, and starts to archive its changes.

    Archiving needs one restart of the server. If the copy fails, the settings are restored: the
    server keeps changes until they are archived, and would fill its disk. Raises CommandError.
    """
    cluster = locate(data, durable=True)
    directory = _prepared(cluster, directory)
    archive = directory / ARCHIVE
    _private(archive, cluster)
    before, command = cluster.execute(ARCHIVE_COMMAND), _archive_command(archive)
    # To both while it is copied: neither archive may lack a file, whether the copy fails or not.
    both = f"{before} && {command}" if before not in ("", command) else command
    _archive_with(cluster, both)
    try:
        done = _copied(cluster, directory)
    except BaseException:
        _archive_with(cluster, before)
        raise
    if both != command:
        _archive_with(cluster, command)
    return Backup(done, archives=cluster.execute("SHOW archive_mode;") == "on")


def _archive_with(cluster: Cluster, command: str) -> None:
    """Sets the command that archives a file. An empty command ends archiving."""
    if not command:
        cluster.execute(NO_ARCHIVE)
        return
    cluster.execute(
        "ALTER SYSTEM SET archive_mode = 'on';\n"
        f"ALTER SYSTEM SET archive_command = {_quoted(command)};\n"
        f"ALTER SYSTEM SET archive_timeout = '{ARCHIVE_SECONDS}s';\n"
        "SELECT pg_reload_conf();\n"
    )


def _copied(cluster: Cluster, directory: Path) -> Path:
    draft = directory / "base.part"
    shutil.rmtree(draft, ignore_errors=True)
    _private(draft, cluster)
    ran = cluster.run(
        "pg_basebackup",
        "--pgdata=.",
        f"--host={cluster.sockets}",
        "--username=postgres",
        "--checkpoint=fast",
        cwd=draft,
        capture_output=True,
    )
    if ran.returncode != 0:
        raise CommandError(f"The backup failed: {ran.stderr.strip()}")
    done = directory / f"{_BASE}{datetime.now(UTC).strftime(_TIME_FORMAT)}"
    draft.rename(done)
    return done


def restore(directory: Path, data: Path, *, until: datetime | None) -> Path:
    """Copies a backup to a new data directory, ready to be started. Returns the copy used.

    When the server starts, it restores the changes until that time; None: all. If it does not
    start, call `discard`. Raises CommandError.
    """
    base = _newest(directory, until)
    cluster = locate(data, durable=True)
    if cluster.path.exists():
        raise CommandError(f"{data} has a database already. Choose a new directory with --data.")
    draft = cluster.directory / "postgres.new"
    shutil.rmtree(draft, ignore_errors=True)
    try:
        shutil.copytree(base, draft)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        raise CommandError(f"{base} cannot be copied to {data}: {_reason(error)}") from error
    _configure(draft, (directory / ARCHIVE).resolve(), until)
    for path in (draft, *draft.rglob("*")):
        if os.geteuid() == 0:
            os.chown(path, cluster.uid, cluster.gid)
    for name in KEYS:
        if (kept := directory / "keys" / name).exists() and not (data / name).exists():
            shutil.copy2(kept, data / name)
    (data / RESTORED).touch()
    draft.rename(cluster.path)
    return base


def has_later_changes(directory: Path, copy: Path) -> bool:
    """Whether a file of the log was archived after the copy. None is before the first restart."""
    copied_at = _complete_at(copy).timestamp()
    archived = (directory / ARCHIVE).iterdir()
    return any(not file.suffix and file.stat().st_mtime > copied_at for file in archived)


def discard(data: Path) -> str | None:
    """Drops what `restore` has copied, so that it can be repeated.

    Returns the time of the last change that can be restored, if the server stopped because it is
    earlier than the requested time. Otherwise None.
    """
    cluster = locate(data, durable=True)
    try:
        log = (cluster.path / "server.log").read_text(errors="replace")
    except OSError:
        log = ""
    shutil.rmtree(cluster.path)
    (data / RESTORED).unlink(missing_ok=True)
    if ENDED_EARLY not in log:
        return None
    times: list[str] = LAST_CHANGE.findall(log)
    return times[-1] if times else "that of the copy"


def _reason(error: OSError) -> str:
    """The first error of copying a tree."""
    errors = error.args[0] if isinstance(error, shutil.Error) else None
    return str(errors[0][-1]) if errors else f"{error.strerror or error}."


def _prepared(cluster: Cluster, directory: Path) -> Path:
    if directory.absolute().resolve().is_relative_to(cluster.directory.resolve()):
        raise CommandError(
            f"{directory} is in {cluster.directory}, which is copied. Choose a directory on another"
            " disk."
        )
    try:
        directory.mkdir(mode=0o711, parents=True, exist_ok=True)
        directory = directory.resolve(strict=True)
        allow_passage(directory / ARCHIVE)
        owner = directory / "of"
        if owner.exists() and owner.read_text().strip() != str(cluster.directory):
            raise CommandError(
                f"{directory} has the backups of {owner.read_text().strip()}. Choose another"
                " directory: their logs of changes would mix."
            )
        owner.write_text(f"{cluster.directory}\n")
        (directory / "keys").mkdir(mode=0o700, exist_ok=True)
        for name in KEYS:
            if (key := cluster.directory / name).exists():
                shutil.copy2(key, directory / "keys" / name)
    except OSError as error:
        raise CommandError(f"{directory} cannot be written to: {error.strerror}.") from error
    return directory


def _private(path: Path, cluster: Cluster) -> None:
    if not path.exists():
        make_private_directory(path, cluster)


def _archive_command(archive: Path) -> str:
    """Copies a file of the log. It has its name only when it is complete and on the disk."""
    target = f"{shlex.quote(str(archive))}/%f"
    return f"cp %p {target}.part && sync {target}.part && mv {target}.part {target}"


def _newest(directory: Path, until: datetime | None) -> Path:
    named = [each for each in directory.glob(f"{_BASE}*") if _NAME.fullmatch(each.name)]
    copies = sorted(named, key=_complete_at, reverse=True)
    if not copies:
        raise CommandError(f"{directory} has no backup. Name the directory of `ibiki backup`.")
    for each in copies:
        if until is None or _complete_at(each) <= until:
            return each
    raise CommandError(
        f"The oldest backup in {directory} is newer: {copies[-1].name}. Give a later --to."
    )


def _complete_at(copy: Path) -> datetime:
    return datetime.fromisoformat(copy.name.removeprefix(_BASE))


def _configure(path: Path, archive: Path, until: datetime | None) -> None:
    """Writes what to restore, instead of what an earlier restore has written.

    The copy does not archive: its log must not mix with the other's.
    """
    file = path / "postgresql.auto.conf"
    before = ("archive_", "restore_command", "recovery_target_")
    lines = [each for each in file.read_text().splitlines() if not each.startswith(before)]
    lines.append(f"restore_command = {_quoted(f'cp {shlex.quote(str(archive))}/%f %p')}")
    if until is not None:
        lines += [
            f"recovery_target_time = {_quoted(until.isoformat())}",
            "recovery_target_action = 'promote'",
        ]
    file.write_text("\n".join(lines) + "\n")
    (path / "recovery.signal").touch(mode=0o600)


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
