"""`ibiki check-provider kannel` against the real Kannel. It sends nothing."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.end_to_end.program import run
from tests.kannel.gateway import Gateway
from tests.kannel.smpp import Network

pytestmark = [pytest.mark.xdist_group("kannel"), pytest.mark.timeout(600)]


async def checked(gateway: Gateway, *options: str) -> tuple[int, Any]:
    """The exit code and what is printed, as JSON."""
    file = str(gateway.directory / "kannel.conf")
    command = ("check-provider", "kannel", "--config", file, "--json", *options)
    done = await asyncio.to_thread(run, *command)
    assert done.stderr == "", done.stderr
    return done.returncode, json.loads(done.stdout)


async def test_the_documented_configuration_has_no_finding_and_nothing_is_sent(
    gateway: Gateway, network: Network
) -> None:
    before = len(network.log)
    assert await checked(gateway) == (0, {"provider": "kannel", "problems": 0, "findings": []})
    assert len(network.log) == before


async def test_a_stopped_connection_and_another_password_are_found(gateway: Gateway) -> None:
    await gateway.command("stop-smsc", smsc="network")
    try:
        code, report = await checked(gateway)
    finally:
        await gateway.command("start-smsc", smsc="network")
        await gateway.is_online()
    assert (code, report["problems"]) == (4, 1)
    assert report["findings"][0]["problem"] == "The connection network is dead."
    file = gateway.directory / "kannel.conf"
    right = file.read_text()
    file.write_text(right.replace("CHANGE-STATUS", "other"))
    try:
        code, report = await checked(gateway)
    finally:
        file.write_text(right)
    assert code == 4
    assert [each["problem"] for each in report["findings"]] == [
        "Kannel refuses the password of status.xml."
    ]
