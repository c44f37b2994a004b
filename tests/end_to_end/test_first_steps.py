"""The README's first send, exactly as it is written there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.program import Program, clean_environment, copy_of, eventually, up

pytestmark = [
    pytest.mark.xdist_group("up"),
    pytest.mark.timeout(600),
    pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed"),
]

README = (Path(__file__).parents[2] / "README.md").read_text()


def typed(program: Program) -> list[Any]:
    """The output of the commands that the README shows."""
    part = README.partition("## A first send")[2].partition("\n## ")[0]
    blocks = re.findall(r"```sh\n(.*?)```", part, re.DOTALL)
    script = "\n".join(blocks)
    script = script.replace("http://127.0.0.1:8000", program.address)
    script = script.replace(".ibiki/demo-password", str(program.directory / "demo-password"))
    ran = subprocess.run(
        ["bash", "-euc", script],
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
        env=clean_environment(),
    )
    return [json.loads(line) for line in ran.stdout.splitlines()]


def test_the_first_send_of_the_readme_is_sent_and_its_reply_comes_back(installation: Path) -> None:
    with copy_of(installation) as directory, up(directory) as program:
        sent, looked, phoned, inbox = typed(program)
        assert sent["data"]["send"]["charged"] == 1
        (message,) = looked["data"]["messages"]["nodes"]
        assert message["text"] == "Good morning"
        assert looked["data"]["balances"]["account"]["balance"] == 999
        assert phoned["data"]["send"]["__typename"] == "Send"
        assert "errors" not in inbox
        again, looked, _, inbox = eventually(lambda: _when_answered(program))
        assert again["data"]["send"]["id"] == sent["data"]["send"]["id"]
        assert "SENT" in [each["status"] for each in looked["data"]["messages"]["nodes"]]
        (conversation,) = inbox["data"]["inbox"]["nodes"]
        assert conversation["lastMessage"]["text"] == "Anybody home?"


def _when_answered(program: Program) -> list[Any] | None:
    answers = typed(program)
    return answers if answers[-1]["data"]["inbox"]["nodes"] else None
