"""What is wrong in a running Kannel, as its status page shows it. Sends nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from providers.kannel_check import Finding, Group, of_kind
from providers.transport import Answer, HttpTransport


def status_path(groups: Sequence[Group]) -> str:
    """The path of the status page, with the password. It must not reach a log."""
    core = next(iter(of_kind(groups, "core")), {})
    password = core.get("status-password") or core.get("admin-password", "")
    return f"/status.xml?password={quote(password, safe='')}"


def admin_address(groups: Sequence[Group]) -> str:
    """The address of the administration port on this machine."""
    core = next(iter(of_kind(groups, "core")), {})
    return f"http://127.0.0.1:{core.get('admin-port', '13000')}"


async def read_status(address: str, path: str) -> str | None:
    """The status page. None if there is none. Raises ValueError if the address is not usable."""
    transport = HttpTransport(address, deadline_seconds=5.0, connect_seconds=3.0, connections=1)
    try:
        exchange = await transport.request("GET", path, headers={})
    finally:
        await transport.close()
    if not isinstance(exchange, Answer) or exchange.status != 200:
        return None
    return exchange.body.decode("utf-8", errors="replace")


def check_status(page: str | None) -> list[Finding]:
    """Everything that is wrong in a running Kannel."""
    if page is None:
        words = "status.xml cannot be read at the admin-port."
        return [_of_status(words, "Kannel is not running here.", "Start it, or give --address.")]
    if "<status>" not in page:
        # Kannel answers 200 "Denied" for a wrong password.
        words = "Kannel refuses the password of status.xml."
        why = "The file is not the configuration that Kannel runs with."
        return [_of_status(words, why, "Restart Kannel, or name its own file with --config.")]
    return [*_check_running(page), *_check_connections(page)]


def _check_running(page: str) -> Iterator[Finding]:
    status = re.search(r"<status>\s*([a-z]+)", page)
    if status is None or status[1] != "running":
        word = status[1] if status else "unknown"
        yield _of_status(
            f"Kannel is {word}, not running.",
            "Accepted messages are not sent, or inbound messages do not arrive.",
            "Resume it: http://127.0.0.1:13000/resume?password=…",
        )
    if re.search(r"<storesize>\s*-1\s*<", page):
        yield _of_status(
            "Kannel runs without a store.",
            "After a crash of bearerbox, messages that it had accepted are lost.",
            "Restart Kannel after the change of store-type.",
        )
    if re.search(r"<storage>\s*internal\s*<", page):
        yield _of_status(
            "Kannel keeps delivery reports in memory.",
            "After a restart of bearerbox, reports of earlier messages do not come.",
            "Restart Kannel after the change of dlr-storage.",
        )


def _check_connections(page: str) -> Iterator[Finding]:
    if not re.search(r"<type>\s*smsbox\s*</type>", page):
        yield _of_status("No smsbox is connected.", "Nothing can be sent.", "Start smsbox.")
    connections = re.findall(r"<smsc>(.*?)</smsc>", page, re.DOTALL)
    if not connections:
        words = "Kannel has no connection to a network."
        yield _of_status(words, "Nothing can be sent.", "Add a group smsc.")
    for each in connections:
        name = re.search(r"<id>(.*?)</id>", each)
        status = re.search(r"<status>\s*([a-z-]+)", each)
        word = status[1] if status else "in an unknown state"
        if word != "online":
            yield _of_status(
                f"The connection {name[1] if name else ''} is {word}.",
                "Messages wait in Kannel and are SENT in Ibiki, or are refused and wait in Ibiki.",
                "Look into bearerbox.log.",
            )


def _of_status(problem: str, consequence: str, fix: str) -> Finding:
    return Finding(group="status", problem=problem, consequence=consequence, fix=fix)
