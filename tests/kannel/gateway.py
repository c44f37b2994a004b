"""A real Kannel: bearerbox and smsbox of Debian, configured as docs/providers/kannel.md says.

The configuration is the one that operators copy. Only addresses, paths and waits are replaced.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import re
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from domain.provider import Credentials
from providers.config import ProviderConfig
from providers.kannel import Kannel
from tests.ports import free_ports

BEARERBOX, SMSBOX = Path("/usr/sbin/bearerbox"), Path("/usr/sbin/smsbox")
PROGRAMS = {BEARERBOX, SMSBOX}
FAKESMSC = Path("/usr/lib/kannel/test/fakesmsc")
PAGE = Path(__file__).parents[2] / "docs" / "providers" / "kannel.md"
# As on the page.
ADMIN_PASSWORD, STATUS_PASSWORD = "CHANGE-ADMIN", "CHANGE-STATUS"
SENDSMS_PASSWORD = "CHANGE-SENDSMS"
PATIENCE = 60.0
"""Seconds that a busy machine may need. Each wait ends as soon as it is so."""
PR_SET_PDEATHSIG = 1


def documented_configuration() -> str:
    """The configuration on the page for operators."""
    found = re.search(r"```ini\n(group = core\n.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


@dataclass
class Gateway:
    """A Kannel in a directory."""

    directory: Path
    admin_port: int
    box_port: int
    sendsms_port: int
    callback_port: int
    running: dict[Path, asyncio.subprocess.Process] = field(default_factory=dict)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.sendsms_port}"

    def account(
        self, *, user: str = "ibiki", sender: str | None = "20255", **changes: object
    ) -> Kannel:
        """An account of a `sendsms-user`, as Ibiki opens it."""
        values: dict[str, object] = {
            "base_url": self.base_url,
            "credentials": Credentials(user, SENDSMS_PASSWORD),
            "sender": sender,
            "report_url": f"http://127.0.0.1:{self.callback_port}/webhooks/kannel/CHANGE-SECRET",
            "deadline_seconds": 20.0,
            "loopback_only": True,
        }
        return Kannel(ProviderConfig(**{**values, **changes}))  # type: ignore[arg-type]

    async def start(self) -> None:
        """Starts both programs. Returns when a message can be sent."""
        if BEARERBOX not in self.running:
            await self.run(BEARERBOX)
        await listens(self.box_port)  # smsbox waits ten seconds if it cannot connect
        if SMSBOX not in self.running:
            await self.run(SMSBOX)
        await self.shows("<type>smsbox")
        await listens(self.sendsms_port)

    async def ensure_running(self) -> None:
        """Starts what does not run, and returns when the network is connected."""
        if {each for each in self.running if self.running[each].returncode is None} != PROGRAMS:
            await self.stop()
            await self.start()
        await self.is_online()

    async def run(self, program: Path) -> None:
        """Starts one of the programs."""
        self.running[program] = await asyncio.create_subprocess_exec(
            program,
            str(self.directory / "kannel.conf"),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )

    def signal(self, program: Path, number: signal.Signals) -> None:
        """Sends a signal to one of the programs."""
        self.running[program].send_signal(number)

    async def kill(self, program: Path) -> None:
        """kill -9."""
        process = self.running.pop(program)
        with suppress(ProcessLookupError):
            # Also the process that smsbox becomes when it has lost bearerbox.
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    async def stop(self) -> None:
        """Stops both programs."""
        for program in (SMSBOX, BEARERBOX):
            if program in self.running:
                await self.kill(program)

    async def command(self, name: str, **parameters: str) -> str:
        """The answer to a command of the administration port."""
        password = STATUS_PASSWORD if name.startswith("status") else ADMIN_PASSWORD
        async with httpx.AsyncClient(timeout=PATIENCE) as http:
            answer = await http.get(
                f"http://127.0.0.1:{self.admin_port}/{name}",
                params={"password": password, **parameters},
            )
        return answer.text

    async def is_online(self) -> None:
        """Returns when the network is connected."""
        await self.shows("<status>online")

    async def shows(self, words: str) -> None:
        """Returns when the status page has these words."""
        async with asyncio.timeout(PATIENCE):
            while words not in await self.command("status.xml"):  # noqa: ASYNC110 - polled
                await asyncio.sleep(0.1)

    def sent(self) -> list[str]:
        """The receivers of all requests that reached smsbox, from its own log."""
        log = (self.directory / "smsbox.log").read_text(errors="replace")
        return re.findall(r"sendsms sender:<ibiki:\S+> \(\S+\) to:<(\S+)> msg:", log)


def _end_with_parent() -> None:
    """Asks Linux to kill this process when the tests are killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


async def listens(port: int) -> None:
    """Returns when something listens on the port."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)


@asynccontextmanager
async def running_gateway(
    *,
    network_port: int,
    callback_port: int,
    more: Sequence[str] = (),
    changes: Sequence[tuple[str, str]] = (),
) -> AsyncIterator[Gateway]:
    """A gateway for as long as the block lasts.

    `more`: further groups of its configuration. `changes`: texts in it that are replaced.
    """
    directory = Path(tempfile.mkdtemp(prefix="ibiki-kannel-"))
    admin_port, box_port, sendsms_port = free_ports(3)
    replaced = {
        "admin-port = 13000": f"admin-port = {admin_port}",
        "smsbox-port = 13001": f"smsbox-port = {box_port}",
        "sendsms-port = 13013": f"sendsms-port = {sendsms_port}",
        "host = smpp.example": "host = 127.0.0.1",
        "port = 2775": f"port = {network_port}",
        "127.0.0.1:8000": f"127.0.0.1:{callback_port}",
        "/var/log/kannel": str(directory),
        "/var/spool/kannel": str(directory),
        "http-queue-delay = 10": "http-queue-delay = 1",
        "sms-resend-freq = 60": "sms-resend-freq = 1",
    }
    configuration = "\n\n".join([documented_configuration(), *more])
    for documented, ours in [*changes, *replaced.items()]:
        assert documented in configuration, documented
        configuration = configuration.replace(documented, ours)
    for name in ("store", "dlr"):
        (directory / name).mkdir()
    (directory / "kannel.conf").write_text(configuration + "\n")
    gateway = Gateway(directory, admin_port, box_port, sendsms_port, callback_port)
    try:
        await gateway.start()
        yield gateway
    finally:
        await gateway.stop()
        shutil.rmtree(directory)


MISSING = [str(each) for each in (BEARERBOX, SMSBOX, FAKESMSC) if not os.access(each, os.X_OK)]
"""The programs that are not installed."""
