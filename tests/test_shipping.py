"""The parts of a release agree: the image, the compose file, the licence, the CI script."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]
from typer.main import get_command

from ibiki.settings.settings import load

ROOT = Path(__file__).parents[1]
PACKAGES = ("domain", "ibiki", "persistence", "providers", "resolvers", "schema")
CONSOLE_FILES = (
    "console_files/index.html",
    "console_files/assets/index-0.js",
    "console_files/assets/index-0.js.br",
)
GIVEN = {
    "POSTGRES_PASSWORD": "0123456789abcdef",
    "SECRET_KEY": "a-long-secret-that-signs-tokens-in-this-test",
    "ENCRYPTION_KEYS": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTMyYnk=",
    "EXTREME_API_URL": "http://simulate:8100",
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The compose file, with its variables filled in."""
    text = (ROOT / "docker-compose.yml").read_text()
    variable = re.compile(r"\$\{(\w+)(?::[?-][^}]*)?\}")
    read: dict[str, Any] = yaml.safe_load(variable.sub(lambda m: GIVEN.get(m[1], ""), text))
    return read


def test_compose_starts_two_of_each_process(compose: dict[str, Any]) -> None:
    for name in ("serve", "dispatch"):
        assert compose["services"][name]["deploy"]["replicas"] == 2
    assert compose["services"]["postgres"]["image"] == "postgres:18"


@pytest.mark.parametrize("name", ["migrate", "serve", "dispatch", "simulate"])
def test_each_container_runs_a_command_that_exists(compose: dict[str, Any], name: str) -> None:
    from ibiki.cli.main import app

    command, *options = compose["services"][name]["command"]
    group = get_command(app)
    commands = getattr(group, "commands", {})
    assert command in commands
    known = {option for parameter in commands[command].params for option in parameter.opts}
    assert {option for option in options if option.startswith("--")} <= known


@pytest.mark.parametrize("name", ["migrate", "serve", "dispatch", "simulate"])
def test_the_settings_of_each_container_are_accepted(
    compose: dict[str, Any], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in compose["services"][name]["environment"].items():
        monkeypatch.setenv(variable, value or "")
    settings = load(tmp_path)
    assert settings.installation.is_production
    assert settings.database.url
    assert settings.bus.url
    assert list(tmp_path.iterdir()) == [], (
        "keys were generated, which other machines would not have"
    )


@pytest.mark.parametrize("name", ["migrate", "serve", "dispatch", "simulate"])
def test_each_container_gets_the_settings_of_the_operator(
    compose: dict[str, Any], name: str
) -> None:
    assert compose["services"][name]["env_file"] == [{"path": ".env", "required": False}]


def test_serve_and_dispatch_wait_for_the_migrations(compose: dict[str, Any]) -> None:
    for name in ("serve", "dispatch"):
        awaited = compose["services"][name]["depends_on"]
        assert awaited["migrate"]["condition"] == "service_completed_successfully"
        assert set(awaited) <= set(compose["services"])


def test_the_api_reads_readiness_when_it_is_queried(compose: dict[str, Any]) -> None:
    requested = compose["services"]["serve"]["healthcheck"]["test"]
    compile(requested[-1], "healthcheck", "exec")
    assert "/readyz" in requested[-1]


def test_the_image_holds_every_package_and_runs_without_privileges() -> None:
    recipe = (ROOT / "Dockerfile").read_text()
    kept = (ROOT / ".dockerignore").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for pattern in project["tool"]["setuptools"]["packages"]["find"]["include"]:
        top = pattern.removesuffix("*")
        assert f"\nCOPY {top} {top}\n" in recipe
        assert f"\n!{top}\n" in kept
    assert "--require-hashes" in recipe
    assert recipe.index("USER ibiki") < recipe.index("ENTRYPOINT")
    assert project["project"]["scripts"]["ibiki"] == "ibiki.cli.main:main"


def test_the_image_installs_what_a_server_needs_and_nothing_else() -> None:
    recipe = (ROOT / "Dockerfile").read_text()
    (lock,) = set(re.findall(r"--require-hashes -r (\S+)", recipe))
    assert f"COPY {lock} ./" in recipe
    assert f"\n!{lock}\n" in (ROOT / ".dockerignore").read_text()
    pinned, all_pinned = pins(ROOT / lock), pins(ROOT / "requirements.lock")
    assert pinned.items() <= all_pinned.items(), "run: make lock"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    needed = [*project["dependencies"], *extras["redis"], *extras["build"]]
    assert {name_of(each) for each in needed} <= pinned.keys()
    kept_out = {name_of(each) for each in [*extras["dev"], *extras["embedded"]]} - {"setuptools"}
    assert kept_out & pinned.keys() == set()
    assert "://" not in (ROOT / lock).read_text()


def pins(lock: Path) -> dict[str, set[str]]:
    """The version of each package in a lock. Each must have a hash."""
    found: dict[str, set[str]] = {}
    for name, version, rest in re.findall(r"^([\w.-]+)==(\S+)(.*\n.*)$", lock.read_text(), re.M):
        assert "--hash=sha256:" in rest, name
        found.setdefault(name, set()).add(version)
    return found


def name_of(requirement: str) -> str:
    """The name of the required package."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].lower()


def test_the_ci_script_can_be_read_and_run() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", str(script)], check=True)


def test_the_licence_file_is_the_named_licence() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert project["project"]["license"] == "Apache-2.0"
    assert "Version 2.0, January 2004" in (ROOT / "LICENSE").read_text()


def test_pre_commit_calls_targets_that_exist() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    makefile = (ROOT / "Makefile").read_text()
    for hook in hooks:
        assert f"\n{hook['entry'].removeprefix('make ')}: " in makefile


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The file names in a wheel, built from a copy of the sources with a built console."""
    folder = tmp_path_factory.mktemp("wheel")
    copy, target = folder / "sources", folder / "built"
    target.mkdir()
    # A build writes into the directory of the sources.
    without = shutil.ignore_patterns("__pycache__", "console_files")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, copy / package, ignore=without)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    for name in CONSOLE_FILES:
        (copy / "ibiki" / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / "ibiki" / name).write_text("built")
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, target], cwd=copy, check=True, capture_output=True)
    [path] = target.iterdir()
    return set(zipfile.ZipFile(path).namelist())


def test_a_wheel_holds_the_built_console(wheel: set[str]) -> None:
    assert {f"ibiki/{name}" for name in CONSOLE_FILES} <= wheel


def test_a_wheel_holds_every_file_that_the_packages_read(wheel: set[str]) -> None:
    files = subprocess.run(
        ["git", "ls-files", *PACKAGES], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert set(files) <= wheel


def test_the_image_builds_the_console_and_holds_it() -> None:
    recipe = (ROOT / "Dockerfile").read_text()
    assert "RUN npm run --silent build" in recipe
    assert "COPY --from=console /src/ibiki/console_files ibiki/console_files" in recipe
