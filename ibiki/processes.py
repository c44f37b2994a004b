"""The long-running processes: the API, the dispatchers, the simulated provider.

Each runs until it gets SIGINT, SIGTERM or SIGHUP, then shuts down cleanly. `ibiki up` runs all of
them in one process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from ipaddress import ip_network
from pathlib import Path

from starlette.types import ASGIApp

from domain.dispatch.rules import DispatchRules
from domain.errors import TryAgain
from domain.hooks.worker import Deliverer
from domain.inbox.polling import PollRules
from domain.ledger.closing import close_daily
from domain.loops import Loop
from ibiki import hooks
from ibiki.agreeing import comparing_with_others, shown_name
from ibiki.encryption import log_unreadable
from ibiki.http import server, uploads
from ibiki.http.console import Console
from ibiki.http.console_session import ConsoleSession
from ibiki.http.exports import Exports
from ibiki.http.middleware import AllowedOrigins, BodyLimit
from ibiki.http.monitoring_routes import IsReady, MetricsAccess, MonitoringRoutes
from ibiki.http.rest import egosms
from ibiki.http.rest.rest import Rest
from ibiki.http.twilio.callbacks import FORMAT as TWILIO_FORMAT
from ibiki.http.twilio.callbacks import CallbackFormat
from ibiki.http.twilio.facade import TwilioFacade
from ibiki.http.uploads import Uploads
from ibiki.http.webhooks import EXTREME_PATH, WebhookRules, Webhooks
from ibiki.local.command_context import CommandContext, check_settled, make_directory
from ibiki.local.listening import listening
from ibiki.local.restarting import kept_running
from ibiki.migrated import until_migrated
from ibiki.observability.metrics import HookMetrics
from ibiki.observability.telemetry import Telemetry
from ibiki.retention import DailyRetention
from ibiki.settings.settings import Settings
from ibiki.upstreams import SIMULATOR_URL_FILE
from ibiki.web_app import AppParts, build_app, build_monitoring_app
from ibiki.wiring import Components, running_components
from ibiki.workers import Workers
from persistence import store
from persistence.database import takes_writes
from persistence.migrating import newer_migrations, pending_migrations
from persistence.sessions_of_programs import read_program_names
from providers.guarded import GuardedClient, GuardRules
from providers.simulator.caller import Webhook
from providers.simulator.server import running as running_simulator

READY_SECONDS = 2.0
NIGHTLY_CHECK_SECONDS = 60.0
SIMULATOR_STATE = "simulator"
WEBHOOK_URL_FILE = "webhook.url"
LOOPBACK = "127.0.0.1"
STOPPING = "This process is stopping."

log = logging.getLogger("ibiki.processes")


async def serve(context: CommandContext, telemetry: Telemetry, *, host: str, port: int) -> None:
    """Serves the API until a stop signal."""
    with stop_signal() as stop, listening(host, port) as listener:
        async with (
            kept_running(context.embedded),
            running_components(
                context,
                name=shown_name("ibiki serve", context.settings),
                observer=telemetry.for_requests(),
            ) as parts,
            comparing(context, telemetry),
        ):
            app = app_of(context, parts, telemetry, stop)
            bound = listener.getsockname()[1]
            await _log_started(f"the API answers at http://{host}:{bound}", parts)
            await serve_until_stopped(context, app, listener, stop)


async def dispatch(
    context: CommandContext, telemetry: Telemetry, *, host: str, port: int | None
) -> None:
    """Sends messages until a stop signal. Serves health and metrics if given a port."""
    async with AsyncExitStack() as stack:
        stop = stack.enter_context(stop_signal())
        listener = stack.enter_context(listening(host, port)) if port is not None else None
        await stack.enter_async_context(kept_running(context.embedded))
        name = shown_name("ibiki dispatch", context.settings)
        parts = await stack.enter_async_context(running_components(context, name=name))
        await stack.enter_async_context(comparing(context, telemetry))
        if listener is not None:
            # Before the workers, so that it ends after them: /readyz says that they are stopping.
            access = MetricsAccess(token=context.settings.monitoring.metrics_token)
            is_ready = _readiness_until(stop)
            routes = MonitoringRoutes(telemetry.metrics, is_ready, store, access)
            app = build_monitoring_app(routes)
            await stack.enter_async_context(server.serving_at(listener, app))
        await until_migrated(stop)
        if not stop.is_set():
            await stack.enter_async_context(run_workers(context, parts, telemetry))
            await _log_started("the dispatcher is running", parts)
        await stop.wait()
        log.info("stopping")


def comparing(context: CommandContext, telemetry: Telemetry) -> AbstractAsyncContextManager[None]:
    """While the block runs, says whether settings or clocks differ from those of others."""
    return comparing_with_others(
        context.settings, read_program_names, store.read_clock, telemetry.metrics
    )


async def _log_started(what: str, parts: Components) -> None:
    log.info(what)
    await log_problems(parts)


async def log_problems(parts: Components) -> None:
    """Warns if migrations are missing or of a newer release, or if credentials are unreadable."""
    reason = await why_not_ready()
    if reason is not None:
        log.warning("not ready: %s", reason)
    else:
        await log_unreadable(parts.cipher)
    with suppress(TryAgain):
        if newer := await newer_migrations():
            log.warning(
                "the database is of a newer release, and works with this one only if it is the"
                " release before: %s",
                ", ".join(newer),
            )


async def simulate(
    directory: Path, *, host: str, port: int, announce: Callable[[str], None]
) -> None:
    """Runs the simulated provider until a stop signal."""
    make_directory(directory)
    with stop_signal() as stop, listening(host, port) as listener:
        async with simulating(directory, listener) as base_url:
            announce(f"The simulated provider answers at {base_url}.")
            await stop.wait()


@asynccontextmanager
async def simulating(directory: Path, listener: socket.socket) -> AsyncIterator[str]:
    """Runs the simulated provider. Its state and its address are kept in the data directory."""
    state = directory / SIMULATOR_STATE
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    webhook = Webhook(lambda: _webhook_url(directory), _webhook_secret())
    async with running_simulator(state_dir=state, webhook=webhook, listener=listener) as base_url:
        (directory / SIMULATOR_URL_FILE).write_text(f"{base_url}\n")
        yield base_url


def _webhook_url(directory: Path) -> str | None:
    """The webhook URL of the API of this directory. None if the API was never started."""
    named = os.environ.get("SIMULATOR_WEBHOOK_URL")
    try:
        return named or (directory / WEBHOOK_URL_FILE).read_text().strip()
    except FileNotFoundError:
        return None


def _webhook_secret() -> str | None:
    """The secret that the simulator sends with its webhooks: the first, which is the newest."""
    return (
        next((each.strip() for each in os.environ.get("WEBHOOK_SECRET", "").split(",")), "") or None
    )


@asynccontextmanager
async def run_workers(
    context: CommandContext, parts: Components, telemetry: Telemetry
) -> AsyncIterator[None]:
    """Runs the background work: sending, receiving, webhooks, capturing contacts, purging.

    Raises NotInstalled if a restored database has messages that may have been sent already, and
    ExportUnusable.
    """
    check_settled(context.directory)
    retention = DailyRetention(store, context.settings.retention)
    workers = Workers(
        store,
        parts.upstreams,
        parts.installation.receiver,
        rules=dispatch_rules_of(context.settings),
        observer=telemetry.for_dispatch(),
        polling=PollRules(calls_per_second=context.settings.dispatch.status_calls_per_second),
        jobs=parts.job_writer(),
    )
    nightly = Loop(
        "starting the nightly reconciliation",
        parts.installation.reconciler.start_nightly,
        every_seconds=NIGHTLY_CHECK_SECONDS,
    )
    closing = Loop(
        "closing months", lambda: close_daily(store), every_seconds=NIGHTLY_CHECK_SECONDS
    )
    dropping = Loop("retention", retention.run_daily, every_seconds=NIGHTLY_CHECK_SECONDS)
    client = GuardedClient(GuardRules(hooks.address_rules(context.settings)))
    callbacks = CallbackFormat(parts.installation.auth_tokens, store)
    deliverer = Deliverer(
        store,
        client,
        {**hooks.formats(), TWILIO_FORMAT: callbacks},
        parts.cipher,
        observer=HookMetrics(telemetry.metrics),
    )
    workers.start()
    nightly.start()
    closing.start()
    dropping.start()
    deliverer.start()
    parts.intake.listen(workers.wake)
    try:
        yield
    finally:
        await asyncio.gather(
            workers.stop(),
            nightly.stop(),
            closing.cancel(),
            dropping.cancel(),
            deliverer.stop(),
        )
        await client.close()


def app_of(
    context: CommandContext, parts: Components, telemetry: Telemetry, stop: asyncio.Event
) -> ASGIApp:
    """The web application of a running installation. It is not ready once `stop` is set."""
    settings, metrics = context.settings, telemetry.metrics
    installation, actors = parts.installation, parts.installation.actors
    is_production = settings.installation.is_production
    metrics.accepts_waiting.set_function(lambda: installation.acceptor.waiting)
    return build_app(
        AppParts(
            installation=installation,
            authenticator=actors,
            metrics=metrics,
            is_ready=_readiness_until(stop),
            traces=telemetry.traces,
            backlog=store,
            metrics_access=MetricsAccess(token=settings.monitoring.metrics_token),
            origins=AllowedOrigins(
                frozenset(settings.installation.allowed_origins), loopback=not is_production
            ),
            open_introspection=not is_production,
            body=BodyLimit(size=settings.limits.body_bytes),
            live=parts.live,
            body_by_path={
                uploads.PATH: BodyLimit(settings.limits.upload_bytes, uploads.SECONDS),
                **dict.fromkeys(egosms.PATHS, egosms.LIMIT),
            },
            routes=[
                # First: the router tries one route after the other, and sends are frequent.
                *Rest(installation, actors).routes(),
                *Webhooks(parts.intake, webhook_rules_of(settings, parts), metrics).routes(),
                *Uploads(installation, actors).routes(),
                *Exports(store, actors).routes(),
                *egosms.EgoSms(installation, actors).routes(),
                *TwilioFacade(installation, actors).routes(),
                *ConsoleSession(installation, refresh_days=settings.tokens.refresh_days).routes(),
                *Console(installation.brand, settings.installation.brand_logo).routes(),
            ],
        )
    )


def _readiness_until(stop: asyncio.Event) -> IsReady:
    async def why_not() -> str | None:
        return STOPPING if stop.is_set() else await why_not_ready()

    return why_not


async def why_not_ready() -> str | None:
    """Why this process cannot work, or None if it can."""
    try:
        async with asyncio.timeout(READY_SECONDS):
            pending, is_writable = await pending_migrations(), await takes_writes()
    except (TryAgain, TimeoutError):
        return "The database does not answer."
    if not is_writable:
        return "The database takes no writes: it is a standby, or it is read-only."
    return f"Run `ibiki migrate`: {', '.join(pending)} is missing." if pending else None


async def serve_until_stopped(
    context: CommandContext, app: ASGIApp, listener: socket.socket, stop: asyncio.Event
) -> None:
    """Serves on the listener until a stop signal, then finishes the running requests.

    For DRAIN_SECONDS after the signal, it answers new requests, too: a load balancer needs a moment
    to see that /readyz has changed. Each answer then asks the caller to close its connection.

    uvicorn's own signal handling is off: it raises the signal again at its end, which would
    interrupt the rest of the shutdown.
    """
    if context.settings.upstream.is_simulated:
        host, port = listener.getsockname()[:2]
        named = LOOPBACK if host in ("0.0.0.0", "::") else host  # noqa: S104 - only compared
        with suppress(OSError):  # without write access, no simulator uses this directory
            (context.directory / WEBHOOK_URL_FILE).write_text(
                f"http://{named}:{port}{EXTREME_PATH}\n"
            )
    proxies = context.settings.installation.trusted_proxies
    web = server.server_for(app, trusted_proxies=proxies)
    serving = asyncio.create_task(web.serve(sockets=[listener]))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    log.info("stopping")
    server.close_after_answers(web)
    await asyncio.wait({serving}, timeout=context.settings.installation.drain_seconds)
    web.should_exit = True
    await serving


@contextmanager
def stop_signal() -> Iterator[asyncio.Event]:
    """An event that the first SIGINT, SIGTERM or SIGHUP sets, also during the start.

    Another SIGINT or SIGTERM ends the process, unless it comes within half a second: `timeout` and
    others signal a process and its group. A second SIGHUP is ignored; under `nohup`, the first too.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    hears_hangup = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN

    def on_signal() -> None:
        stop.set()
        loop.call_later(0.5, forget_signals)

    def forget_signals() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        if stop.is_set():
            # Python's own handler raises KeyboardInterrupt anywhere, and a callback can swallow it.
            signal.signal(signal.SIGINT, signal.SIG_DFL)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    if hears_hangup:
        loop.add_signal_handler(signal.SIGHUP, stop.set)
    try:
        yield stop
    finally:
        forget_signals()
        if hears_hangup:
            loop.remove_signal_handler(signal.SIGHUP)


def dispatch_rules_of(settings: Settings) -> DispatchRules:
    """The rules of dispatching, from the settings."""
    dispatch = settings.dispatch
    return DispatchRules(
        deadline_seconds=dispatch.deadline_seconds,
        lease_seconds=dispatch.lease_seconds,
        sweep_seconds=dispatch.sweep_seconds,
        calls_at_once=dispatch.concurrency,
        messages_under_way=dispatch.messages_under_way,
        messages_per_second=dispatch.messages_per_second,
        breaker_opens_after=dispatch.breaker_failures,
        breaker_first_seconds=dispatch.breaker_first_seconds,
        breaker_longest_seconds=dispatch.breaker_longest_seconds,
        give_up_seconds=dispatch.give_up_hours * 3600,
    )


def webhook_rules_of(settings: Settings, parts: Components) -> WebhookRules:
    """Who may call the webhooks, from the settings and the provider accounts."""
    return WebhookRules(
        secrets=settings.secrets.webhook_secrets,
        signing_secrets=settings.secrets.webhook_signing_secrets,
        accounts=parts.upstreams.accounts,
        public_url=settings.installation.public_url,
        allowed_networks=[ip_network(each) for each in settings.webhooks.allowed_networks],
        requests_per_second=settings.webhooks.requests_per_second,
        open_on_loopback=settings.upstream.is_simulated,
    )
