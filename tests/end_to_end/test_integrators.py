"""Stock clients of the integrators' API, unmodified, on the running program."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.program import Program, clean_environment, copy_of, signed_in, up
from tests.end_to_end.test_main_job import figures
from tests.test_tidy import ROOT

pytestmark = [pytest.mark.xdist_group("up"), pytest.mark.timeout(600)]

STOCK = Path(__file__).parent / "python"
OLDER = STOCK / ".venv/bin/python"
CREATE_KEY = """
mutation { createApiKey(input: {name: "stock clients"}) { ... on CreatedApiKey { secret } } }"""
NUMBERS = ["256700000001", "256700000002", "+256 700 000 003"]


@pytest.fixture(scope="module")
def program(installation: Path) -> Iterator[Program]:
    with copy_of(installation) as directory, up(directory, LOG_LEVEL="debug") as running:
        yield running


@pytest.fixture(scope="module")
def key(program: Program) -> str:
    with signed_in(program, "client@ibiki.test") as client:
        return str(client.ask(CREATE_KEY)["createApiKey"]["secret"])


def run_stock(script: str, *arguments: str, python: Path = OLDER) -> Any:
    """What a script prints, as JSON."""
    if not python.exists():
        pytest.skip("the stock clients are not installed: `make clients` installs them")
    ran = subprocess.run(
        [str(python), str(STOCK / script), *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        env=clean_environment(),
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return json.loads(ran.stdout)


@pytest.mark.parametrize(
    ("python", "path"), [(Path(sys.executable), "/api/v1/json/"), (OLDER, "/api/v1/json")]
)
def test_the_sdk_of_egosms_sends_and_reads_the_balance(
    program: Program, key: str, python: Path, path: str
) -> None:
    found = run_stock("comms.py", program.address + path, key, *NUMBERS, python=python)
    assert (found["authenticated"], found["one"]) == (True, True)
    many = found["many"]
    assert (many["Status"], many["Cost"]) == ("OK", 3)
    assert found["after"] == found["before"] - 4
    with signed_in(program, "client@ibiki.test") as client:
        assert figures(client)["account"]["balance"] == found["after"]
        sent = client.ask(
            "query ($id: ID!) { send(id: $id) { accepted } }", id=many["MsgFollowUpUniqueCode"]
        )
        assert sent["send"]["accepted"] == 3
    assert run_stock("comms.py", program.address + path, "wrong", "x", python=python) == {
        "authenticated": False
    }
    assert key not in "".join(program.printed)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a client that a stock generator made from our document, without a warning."""
    generator = OLDER.with_name("openapi-python-client")
    if not generator.exists():
        pytest.skip("the stock clients are not installed: `make clients` installs them")
    folder = tmp_path_factory.mktemp("generated")
    environment = clean_environment()
    environment["PATH"] = f"{OLDER.parent}:{environment['PATH']}"  # it calls a formatter
    command = [str(generator), "generate", "--meta", "none", "--fail-on-warning"]
    made = subprocess.run(
        [*command, "--path", str(ROOT / "openapi.json"), "--output-path", "ibiki_client"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=200,
        env=environment,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    assert "Warning" not in made.stdout + made.stderr
    return folder


def test_a_generated_client_does_the_main_job(program: Program, key: str, generated: Path) -> None:
    found = run_stock("generated.py", str(generated), program.address, key, "+12025550177")
    assert found["after"] == found["before"] - 4
    codes = ["IDEMPOTENCY_CONFLICT", "NOT_FOUND", "FORBIDDEN", "UNAUTHORIZED"]
    assert (found["codes"], found["inbox"]) == (codes, ["+12025550177"])
    with signed_in(program, "client@ibiki.test") as client:
        [message_id] = found["bulk"]
        message = client.ask("query ($id: ID!) { message(id: $id) { number } }", id=message_id)
        assert message["message"]["number"] == "+12025550177"
