"""An installation on a real database with its users, without the network."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from cryptography.fernet import Fernet

from domain.brand import Brand
from domain.errors import ProviderUnavailable, TryAgain
from domain.hooks.addresses import AddressRules
from domain.hooks.changes import Hooks
from domain.identity.access import Actor, Role
from domain.identity.actors import Actors
from domain.identity.auth_tokens import AuthTokens
from domain.ids import new_id
from domain.installation import Installation, RequestLimits
from domain.ledger.audit import Auditor
from domain.ledger.credentials import OwnAccountRules
from domain.ledger.reconcile import Reconciler
from domain.ledger.sync import SyncRules
from domain.loops import RequestRateLimiter
from domain.numbers import Normaliser
from domain.provider import Outcome, OutgoingMessage, ProviderField, Reading, Unknown
from domain.sending.acceptor import Acceptor
from domain.sending.routes import Routes
from ibiki.encryption import FernetCipher
from persistence import store
from providers.registry import PARSERS, PROVIDERS, config_of, open_account
from resolvers.context import Context
from schema.engine import Engine
from schema.schema import build_schema
from tests import db, people

ENGINE = Engine(build_schema())
BRAND = "Kanda SMS"
AUTH_TOKENS = AuthTokens("a key of the tests")
ENCRYPTION_KEY = Fernet.generate_key().decode()


class Upstream:
    """A provider with a balance, and the registry of this one provider."""

    largest_batch = 1

    def __init__(self) -> None:
        self.balance_word: str | None = None

    async def of(self, provider_account_id: UUID) -> Upstream:
        """A registry with this provider for every account."""
        return self

    async def balance(self) -> Reading:
        """The balance that the test has set. Raises ProviderUnavailable without one."""
        if self.balance_word is None:
            raise ProviderUnavailable(for_operator="The connection was refused.")
        return Reading(self.balance_word, Decimal(self.balance_word))

    async def send(self, message: OutgoingMessage) -> Outcome:
        """Nothing is sent here."""
        return Unknown("not a provider")

    async def send_many(self, messages: Sequence[OutgoingMessage]) -> list[Outcome]:
        """Nothing is sent here."""
        return [Unknown("not a provider") for _ in messages]

    async def close(self) -> None:
        """There is nothing to close."""


class KnownProviders:
    """The providers of the program. Only those on this machine can be called."""

    def fields(self) -> Mapping[str, Sequence[ProviderField]]:
        """The values of an account at each provider."""
        return {name: each.fields for name, each in PROVIDERS.items()}

    async def check(self, provider: str, values: Mapping[str, str]) -> None:
        """Raises ValueError if no account can be opened with these values."""
        limits = {} if self.fields()[provider] else {"base_url": "http://[::1]", "api_key": "k"}
        config = config_of(self.fields()[provider], values, loopback_only=True, **limits)
        await open_account(provider, config).close()


class UnlimitedRate(RequestRateLimiter[UUID]):
    """A rate limit that allows everything, or a number of requests that the test sets."""

    def __init__(self) -> None:
        super().__init__(0)
        self.requests_left: int | None = None

    def wait_seconds(self, caller: UUID, /) -> int:
        """0, or 7 if no requests are left."""
        if self.requests_left is None:
            return 0
        self.requests_left -= 1
        return 7 if self.requests_left < 0 else 0


@dataclass(frozen=True, slots=True)
class App:
    """The installation with its users: two groups, two clients in the first, one in none.

    `direct` is a supervisor of the first group who sends from the client `owner`.
    """

    installation: Installation
    upstream: Upstream
    rate_limiter: UnlimitedRate
    pool: db.Pool
    group: db.Group
    other_group: db.Group
    owner: db.Tenant
    sibling: db.Tenant
    loner: db.Tenant

    def actor(self, who: str) -> Actor | None:
        """The actor with this name."""
        return {
            "owner": self.owner.actor,
            "sibling": self.sibling.actor,
            "loner": self.loner.actor,
            "supervisor": _supervisor(self.group),
            "other_supervisor": _supervisor(self.other_group),
            "direct": replace(self.owner.actor, role=Role.SUPERVISOR, group_id=self.group.id),
            "admin": db.ADMIN,
            "nobody": None,
        }[who]

    async def ask(self, who: str | Actor, query: str, **variables: Any) -> dict[str, Any]:
        """The response to a document."""
        actor = self.actor(who) if isinstance(who, str) else who
        context = Context(self.installation, actor, address="127.0.0.1", request_id="req-1")
        answer = await ENGINE.execute(ENGINE.find(query), variables, context)
        return answer.body

    async def answer(self, who: str | Actor, query: str, **variables: Any) -> Any:
        """The only field of a response without errors."""
        body = await self.ask(who, query, **variables)
        assert "errors" not in body, body
        [value] = body["data"].values()
        return value

    async def code(self, who: str | Actor, query: str, **variables: Any) -> str | None:
        """The code of the only error; None without one."""
        body = await self.ask(who, query, **variables)
        codes = [error["extensions"]["code"] for error in body.get("errors", ())]
        assert len(codes) <= 1, body
        return codes[0] if codes else None


@dataclass(frozen=True, slots=True)
class KnownUsers:
    """Accepts the name of a user of the app as a credential. "unavailable": it raises TryAgain."""

    app: App

    async def actor_for(self, credential: str) -> Actor | None:
        """The actor with this name."""
        if credential == "unavailable":
            raise TryAgain
        try:
            return self.app.actor(credential)
        except KeyError:
            return None


@asynccontextmanager
async def running_app(url: str) -> AsyncIterator[App]:
    """An app on the database of a test, with its users."""
    async with db.connected(url):
        acceptor, upstream, rate_limiter = Acceptor(store), Upstream(), UnlimitedRate()
        reconciler, auditor = Reconciler(store), Auditor(store)
        pool = await db.add_pool(held=500)
        group = await db.add_group(pool, held=50, rate_usd=Decimal("0.03"))
        acceptor.start()
        reconciler.start()
        auditor.start()
        yield App(
            installation=Installation(
                brand=Brand(BRAND),
                limits=RequestLimits(recipients=300, recipients_multi=200, rows=300),
                normaliser=Normaliser(),
                store=store,
                directory=store,
                acceptor=acceptor,
                routes=Routes(store),
                rate_limiter=rate_limiter,
                providers=upstream,
                sync_rules=SyncRules(),
                own_accounts=OwnAccountRules(FernetCipher([ENCRYPTION_KEY])),
                hooks=Hooks(store, FernetCipher([ENCRYPTION_KEY]), AddressRules(loopback=True)),
                auth_tokens=AUTH_TOKENS,
                catalogue=KnownProviders(),
                reconciler=reconciler,
                auditor=auditor,
                sessions=people.new_sessions(),
                actors=Actors(store, people.TOKENS),
                passwords=people.PASSWORDS,
                parsers=PARSERS,
            ),
            upstream=upstream,
            rate_limiter=rate_limiter,
            pool=pool,
            group=group,
            other_group=await db.add_group(pool, held=5, name="Others"),
            owner=await db.add_client(pool, group=group, held=100, name="Acme"),
            sibling=await db.add_client(pool, group=group, held=20, name="Bits"),
            loner=await db.add_client(pool, held=7, name="Coop"),
        )
        await auditor.stop()
        await reconciler.stop()
        await acceptor.stop()


def _supervisor(group: db.Group) -> Actor:
    return Actor(new_id(), Role.SUPERVISOR, new_id(), group_id=group.id)
