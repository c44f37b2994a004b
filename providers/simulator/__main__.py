"""`python -m providers.simulator`: runs the simulated provider as a separate program."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from providers.simulator.caller import Webhook
from providers.simulator.request_log import DirectoryInUse
from providers.simulator.server import DEFAULT_API_KEY, DEFAULT_BALANCE, serve


def main() -> int:
    """Serves until a signal stops it. Prints the base URL first."""
    arguments = _arguments()
    try:
        asyncio.run(_until_stopped(arguments))
    except (DirectoryInUse, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m providers.simulator", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument(
        "--data", type=Path, help="directory of the log; without it, nothing is kept"
    )
    parser.add_argument("--api-key", default=DEFAULT_API_KEY)
    parser.add_argument("--balance", type=int, default=DEFAULT_BALANCE)
    parser.add_argument("--webhook-url", help="where to send delivery reports and inbound messages")
    parser.add_argument("--webhook-secret", help="the secret to send with them")
    return parser.parse_args()


async def _until_stopped(arguments: argparse.Namespace) -> None:
    task = asyncio.ensure_future(
        serve(
            arguments.host,
            arguments.port,
            arguments.data,
            api_key=arguments.api_key,
            balance=arguments.balance,
            announce=_announce,
            webhook=Webhook(lambda: arguments.webhook_url, arguments.webhook_secret),
        )
    )
    for stop in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(stop, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return


def _announce(base_url: str) -> None:
    sys.stdout.write(f"{base_url}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
