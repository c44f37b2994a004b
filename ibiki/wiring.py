"""Builds the installation: the implementation of each port, and the rules from the settings."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from domain.dispatch.jobs import JobRules, JobWriter
from domain.hooks.changes import Hooks
from domain.identity.actors import Actors
from domain.identity.auth_tokens import AuthTokens
from domain.identity.sessions import Sessions
from domain.inbox.intake import Intake
from domain.inbox.keywords import Keywords
from domain.installation import Installation, RequestLimits
from domain.ledger.audit import Auditor
from domain.ledger.credentials import OwnAccountRules
from domain.ledger.provider_accounts import ensure_default_pool
from domain.ledger.reconcile import Reconciler
from domain.ledger.sync import SyncRules
from domain.loops import RequestRateLimiter
from domain.numbers import Normaliser
from domain.sending.acceptor import Acceptor, RequestObserver
from domain.sending.files.file_limits import FileLimits
from domain.sending.routes import Routes
from ibiki.encryption import FernetCipher
from ibiki.hooks import address_rules
from ibiki.http.throttle import SignInThrottle
from ibiki.live.rights import ConnectionLimits
from ibiki.live.startup import carrier_of, live_updates, publishing
from ibiki.live.subscribing import Live
from ibiki.local.command_context import CommandContext, NotInstalled
from ibiki.passwords import Argon2Passwords
from ibiki.tokens import AccessTokens
from ibiki.upstreams import Upstreams
from persistence import opening, store
from persistence.live.changes import read_timeline
from persistence.migrating import pending_migrations, was_migrated
from providers.registry import PARSERS


@dataclass(frozen=True, slots=True)
class Components:
    """A running installation, and the components that only `ibiki` uses."""

    installation: Installation
    upstreams: Upstreams
    intake: Intake
    cipher: FernetCipher
    live: Live | None = None

    def job_writer(self, rules: JobRules | None = None) -> JobWriter:
        """Writes the messages of large files."""
        made = self.installation
        return JobWriter(store, made.normaliser, made.routes, made.file_limits, rules=rules)


@asynccontextmanager
async def running_components(
    context: CommandContext,
    *,
    name: str,
    observer: RequestObserver | None = None,
    require_migrations: bool = False,
) -> AsyncIterator[Components]:
    """The installation, connected to its database, for as long as the block runs.

    Background tasks are started here, at boot: a task inherits the context of the code that starts
    it. `observer`: of a process that serves the API. Raises NotInstalled if the database has no
    migration at all or, with `require_migrations`, if one is missing.
    """
    settings = context.settings
    async with AsyncExitStack() as stack:
        await opening.connect(
            context.database_url,
            pool_size=settings.database.pool_size,
            application_name=name,
            answer_seconds=settings.database.answer_seconds,
            read_url=settings.database.read_url,
            most_lag_seconds=settings.database.read_lag_seconds,
            transaction_pooler=settings.database.transaction_pooler,
        )
        stack.push_async_callback(opening.disconnect)
        if not await was_migrated():
            raise NotInstalled("The database is empty. Run `ibiki migrate` first.")
        if require_migrations and (pending := await pending_migrations()):
            raise NotInstalled(
                f"The database lacks migrations of this version ({', '.join(pending)})."
                " Make a backup, then run `ibiki migrate`."
            )
        await ensure_default_pool(store)
        parts = _assemble(context, stack, observer or RequestObserver())
        made = parts.installation
        made.actors.start()
        stack.push_async_callback(made.actors.stop)
        live = await _start_live(context, stack, made.actors, serves=observer is not None)
        # No send is accepted before the routes are read.
        await made.routes.read()
        made.actors.on_change(made.routes.changed)
        for each in (made.routes, made.acceptor, made.reconciler, made.auditor, parts.intake):
            each.start()
            stack.push_async_callback(each.stop)
        yield replace(parts, live=live)


async def _start_live(
    context: CommandContext, stack: AsyncExitStack, actors: Actors, *, serves: bool
) -> Live | None:
    """The live updates of a process that serves the API. Others only publish their changes."""
    settings = context.settings
    carrier = carrier_of(redis_url=settings.bus.url, database_url=context.database_url)
    if not serves:
        await stack.enter_async_context(publishing(carrier))
        return None
    limits = ConnectionLimits(settings.limits.connections, settings.limits.connections_per_user)
    return await stack.enter_async_context(
        live_updates(store, actors, carrier, limits, read_timeline=read_timeline)
    )


def _assemble(
    context: CommandContext, stack: AsyncExitStack, observer: RequestObserver
) -> Components:
    """Builds all components. The stack closes what they open."""
    settings = context.settings
    tokens = AccessTokens(
        settings.secrets.secret_key, lifetime_seconds=settings.tokens.access_seconds
    )
    passwords = Argon2Passwords()
    cipher = FernetCipher(settings.secrets.encryption_keys)
    upstreams = Upstreams(settings, context.directory, cipher)
    stack.push_async_callback(upstreams.close)
    throttle = SignInThrottle(settings.bus.url)
    stack.push_async_callback(throttle.close)
    acceptor = Acceptor(store, patience_seconds=settings.database.answer_seconds, observer=observer)
    installation = Installation(
        brand=settings.installation.brand,
        limits=_limits(context),
        normaliser=Normaliser(
            settings.installation.default_region, settings.installation.extra_area_codes
        ),
        store=store,
        directory=store,
        acceptor=acceptor,
        routes=Routes(store),
        rate_limiter=RequestRateLimiter(settings.limits.requests_per_second),
        providers=upstreams,
        catalogue=upstreams,
        reconciler=Reconciler(store),
        auditor=Auditor(store),
        own_accounts=OwnAccountRules(
            cipher,
            settings.upstream.cost_per_sms,
            frozenset({"egosms"} if settings.upstream.egosms_credentials else ()),
        ),
        sync_rules=SyncRules(
            lease_seconds=settings.dispatch.lease_seconds,
            deadline_seconds=settings.dispatch.deadline_seconds,
        ),
        sessions=Sessions(
            store=store,
            passwords=passwords,
            tokens=tokens,
            throttle=throttle,
            refresh_days=settings.tokens.refresh_days,
        ),
        actors=Actors(store, tokens),
        passwords=passwords,
        parsers=PARSERS,
        hooks=Hooks(store, cipher, address_rules(settings)),
        auth_tokens=AuthTokens(settings.secrets.secret_key),
        keywords=Keywords(settings.webhooks.opt_out_words),
        observer=observer,
        file_limits=FileLimits(_writable(context.directory)),
    )
    return Components(installation, upstreams, Intake(store, PARSERS), cipher)


def _writable(directory: Path) -> Path | None:
    """The directory if it is writable. None: the system's temporary directory."""
    with suppress(OSError):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return directory if os.access(directory, os.W_OK | os.X_OK) else None


def _limits(context: CommandContext) -> RequestLimits:
    limits = context.settings.limits
    return RequestLimits(
        requests_per_second=limits.requests_per_second,
        recipients=limits.recipients,
        recipients_multi=limits.recipients_multi,
        rows=limits.rows,
        segments=limits.segments,
        uploads_bytes=limits.uploads_bytes,
    )
