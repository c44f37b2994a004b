"""The webhooks of providers: `/webhooks/{provider}`, and a fixed path that ExtremeSMS uses.

The address, the rate and the secret are checked before the body is read, a signature after it. The
event is stored unchanged and acknowledged. `domain.inbox.receive` evaluates it later.

If a provider calls by GET, the event is the query of the URL.

The address can name the account that it is about: `/webhooks/{provider}/{account}`, with or without
a secret behind it. A signature with the key of one account also names the account.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network
from typing import TypeAlias
from uuid import UUID

from standardwebhooks.webhooks import Webhook
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from domain import ids
from domain.errors import RateLimited, TryAgain
from domain.inbox.intake import Intake
from domain.inbox.webhooks import LARGEST_BODY, WebhookOutcome
from domain.loops import RequestRateLimiter
from ibiki.http.middleware import FORWARDED, OUTCOME
from ibiki.http.requests import RequestRefused, ip_of
from ibiki.observability.metrics import Metrics
from providers.registry import PROVIDERS, ProviderKind
from providers.replies import Signature, SignedCall

Network: TypeAlias = IPv4Network | IPv6Network
Accounts: TypeAlias = Callable[[str], Awaitable[Mapping[UUID, Sequence[str]]]]
"""The accounts at a provider, each with the keys that may sign its calls."""

EXTREME_PATH = "/api/webhook/extreme"
SECRET_HEADER = "x-webhook-secret"  # noqa: S105 - the name of the header

NO_SECRET = "The secret is missing."  # noqa: S105 - a sentence
WRONG_SECRET = "The secret is wrong."  # noqa: S105 - a sentence
WRONG_SIGNATURE = "The signature is wrong or older than five minutes."
NOT_CONFIGURED = "No secret is configured. Set WEBHOOK_SECRET."
NOT_ALLOWED = "Calls from this address are not allowed."
TOO_MANY = "Too many calls from one address."
TOO_LARGE = "The body is larger than 64 KiB."
LARGEST_WITH_FILES = 2 * 1024 * 1024
"""Bytes of a body whose files are removed before it is stored."""

NO_ACCOUNT = "The address names no account at this provider."


async def no_accounts(provider: str) -> Mapping[UUID, Sequence[str]]:
    """The accounts of an installation that has none."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRules:
    """Who may call: callers with a secret or a valid signature.

    `accounts`: at a provider, with their own signing keys. `public_url`: the beginning of the
    URLs that they sign; None: as in the request. `open_on_loopback`: if neither secrets nor
    signing secrets are configured, calls from this machine are allowed.
    """

    secrets: Sequence[str] = ()
    signing_secrets: Sequence[str] = ()
    accounts: Accounts = no_accounts
    public_url: str | None = None
    allowed_networks: Sequence[Network] = ()
    requests_per_second: int = 2_000
    open_on_loopback: bool = False


class Webhooks:
    """The endpoints. The intake must be running."""

    def __init__(self, intake: Intake, rules: WebhookRules, metrics: Metrics) -> None:
        self._intake = intake
        self._rules = rules
        self._metrics = metrics
        # Hashed, so that the time of a comparison does not reveal the length.
        self._secrets = [sha256(secret.encode()).digest() for secret in rules.secrets]
        self._signatures = Signatures(rules.signing_secrets)
        self._rate_limiter: RequestRateLimiter[str] = RequestRateLimiter(rules.requests_per_second)

    def routes(self) -> list[BaseRoute]:
        """The routes of the application."""
        return [
            Route("/webhooks/{provider}", self.answer, methods=["POST", "GET"]),
            Route("/webhooks/{provider}/{token}", self.answer, methods=["POST", "GET"]),
            Route("/webhooks/{provider}/{account}/{token}", self.answer, methods=["POST", "GET"]),
            Route(EXTREME_PATH, self.answer, methods=["POST"]),
        ]

    async def answer(self, request: Request) -> Response:
        """Stores the event and confirms it. Raises RequestRefused."""
        provider = request.path_params.get("provider", "extreme")
        kind = PROVIDERS.get(provider)
        if kind is None:
            raise RequestRefused(404, "Not found.")
        method = "GET" if kind.calls_by_get else "POST"
        if request.method != method:
            allowed = [(b"allow", method.encode())]
            raise RequestRefused(405, "This method is not allowed.", headers=allowed)
        named = _Named.by(request)
        shows_secret = self._admit(request, provider, named)
        body = await self._read(request, provider, kind)
        try:
            account_id = None
            if not shows_secret:
                account_id = await self._signer(request, provider, body, named)
            if named.account is not None:
                account_id = await self._known(provider, named)
            event = self._event(request, provider, kind, body)
            taken = await self._intake.take(provider, event, provider_account_id=account_id)
        except (TryAgain, RateLimited) as busy:
            retry = [(b"retry-after", b"1")]
            message = "The event cannot be stored now. Send it again."
            raise RequestRefused(503, message, code=busy.code, headers=retry) from None
        outcome = taken.outcome.value.lower()
        self._metrics.webhook_events.labels(provider, outcome).inc()
        request.scope["state"][OUTCOME] = outcome
        if taken.invalid is not None:
            raise RequestRefused(400, taken.invalid)
        if kind.calls_by_get:
            return Response()
        if kind.answer is not None:
            return Response(kind.answer.body, media_type=kind.answer.media_type)
        word = "duplicate" if taken.outcome is WebhookOutcome.DUPLICATE else "received"
        return JSONResponse({"status": word})

    def _admit(self, request: Request, provider: str, named: _Named) -> bool:
        """Whether the caller shows a secret, and not only a signature. Raises RequestRefused."""
        address = request.client.host if request.client else ""
        wait_seconds = self._rate_limiter.wait_seconds(address)
        if wait_seconds:
            retry = [(b"retry-after", b"%d" % wait_seconds)]
            raise self._refused(provider, 429, TOO_MANY, code="RATE_LIMITED", headers=retry)
        if self._rules.allowed_networks and not self._is_allowed(request):
            raise self._refused(provider, 403, NOT_ALLOWED, code="FORBIDDEN")
        if self._has_standard_signature(request):
            return False  # it is checked after the body is read
        shown = request.headers.get(SECRET_HEADER) or named.secret
        if shown and self._is_known(shown):
            return True
        if _own_signature(request, provider) is not None:
            return False
        if not self._secrets and not self._signatures:
            if self._rules.open_on_loopback and _is_loopback(request):
                return True
            raise self._refused(provider, 401, NOT_CONFIGURED, code="UNAUTHENTICATED")
        reason = WRONG_SECRET if shown else NO_SECRET
        raise self._refused(provider, 401, reason, code="UNAUTHENTICATED")

    def _has_standard_signature(self, request: Request) -> bool:
        return bool(self._signatures) and SIGNATURE_HEADER in request.headers

    async def _signer(
        self, request: Request, provider: str, body: bytes, named: _Named
    ) -> UUID | None:
        """The account that signed the call, which is the named one if there is one.

        None if several accounts sign with the same key, or if the key is of no account. Raises
        RequestRefused, and TryAgain while the accounts cannot be read.
        """
        if self._has_standard_signature(request):
            if self._signatures.are_valid(body, request.headers):
                return None
            raise self._refused(provider, 401, WRONG_SIGNATURE, code="UNAUTHENTICATED")
        signature = _own_signature(request, provider)
        assert signature is not None
        call = SignedCall(self._url(request), request.headers, body)
        signers = [
            account_id
            for account_id, keys in (await self._rules.accounts(provider)).items()
            if named.account_id in (None, account_id)
            and any(signature.check(call, key) for key in keys)
        ]
        if not signers:
            raise self._refused(provider, 401, WRONG_SIGNATURE, code="UNAUTHENTICATED")
        return signers[0] if len(signers) == 1 else None

    async def _known(self, provider: str, named: _Named) -> UUID:
        """The account that the address names. Raises RequestRefused, TryAgain."""
        account_id = named.account_id
        if account_id is None or account_id not in await self._rules.accounts(provider):
            raise self._refused(provider, 404, NO_ACCOUNT)
        return account_id

    def _url(self, request: Request) -> str:
        """The URL that the provider called: a proxy may have changed its scheme, host and port."""
        if self._rules.public_url is None:
            return str(request.url)
        query = f"?{request.url.query}" if request.url.query else ""
        return f"{self._rules.public_url.rstrip('/')}{request.url.path}{query}"

    def _is_known(self, shown: str) -> bool:
        """Whether it is one of the secrets. All are compared, so that the time is constant."""
        given = sha256(shown.encode(errors="surrogateescape")).digest()
        matches = [hmac.compare_digest(given, secret) for secret in self._secrets]
        return any(matches)

    def _is_allowed(self, request: Request) -> bool:
        ip = ip_of(request.client)
        return ip is not None and any(ip in each for each in self._rules.allowed_networks)

    async def _read(self, request: Request, provider: str, kind: ProviderKind) -> bytes:
        if kind.calls_by_get:
            query: bytes = request.scope["query_string"]
            if len(query) > LARGEST_BODY:
                raise self._refused(provider, 413, TOO_LARGE)
            return query
        parts: list[bytes] = []
        size, largest = 0, LARGEST_WITH_FILES if kind.shorten else LARGEST_BODY
        try:
            async for part in request.stream():
                parts.append(part)
                size += len(part)
                if size > largest:
                    raise self._refused(provider, 413, TOO_LARGE)
        except ClientDisconnect:
            raise RequestRefused(400, "The body is incomplete. Send it again.") from None
        return b"".join(parts)

    def _event(self, request: Request, provider: str, kind: ProviderKind, body: bytes) -> bytes:
        """What is stored: the body with the query of the URL, if the provider's calls have one.

        Without its files, if it is too large with them. Raises RequestRefused.
        """
        query: bytes = request.scope["query_string"]
        event = body + b"&" + query if query and kind.has_query else body
        if len(event) > LARGEST_BODY and kind.shorten is not None:
            event = kind.shorten(event)
        if len(event) > LARGEST_BODY:
            raise self._refused(provider, 413, TOO_LARGE)
        return event

    def _refused(
        self,
        provider: str,
        status: int,
        reason: str,
        *,
        code: str = "BAD_USER_INPUT",
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> RequestRefused:
        """Counts a refusal and returns it. The event is not stored."""
        self._intake.refuse(provider, reason)
        self._metrics.webhook_events.labels(provider, "refused").inc()
        return RequestRefused(status, reason, code=code, headers=headers)


@dataclass(frozen=True, slots=True)
class _Named:
    """What the address names behind the provider: an account, a secret, both or nothing."""

    account: str | None
    secret: str | None

    @classmethod
    def by(cls, request: Request) -> _Named:
        account, last = request.path_params.get("account"), request.path_params.get("token")
        if account is None and last and ids.find(ids.Kind.PROVIDER_ACCOUNT, last) is not None:
            return cls(last, None)
        return cls(account, last)

    @property
    def account_id(self) -> UUID | None:
        """None if it names none, or if it is not an ID."""
        return ids.find(ids.Kind.PROVIDER_ACCOUNT, self.account) if self.account else None


def _own_signature(request: Request, provider: str) -> Signature | None:
    """How the provider signs, if the call has the header for it."""
    signature = PROVIDERS[provider].signature
    return signature if signature and signature.header in request.headers else None


def _is_loopback(request: Request) -> bool:
    if any(name in request.headers for name in FORWARDED):
        return False  # the proxy is on this machine, but its client is not
    ip = ip_of(request.client)
    return ip is not None and ip.is_loopback


SIGNATURE_HEADER = "webhook-signature"


class Signatures:
    """The valid keys. There are several while a key is being changed."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        """`secrets` are in base64, with or without `whsec_`."""
        self._keys = [Webhook(secret) for secret in secrets]

    def __bool__(self) -> bool:
        return bool(self._keys)

    def are_valid(self, body: bytes, headers: Mapping[str, str]) -> bool:
        """Whether one of the keys signed this body within the last five minutes."""
        signed = [_is_signed(key, body, headers) for key in self._keys]
        return any(signed)


def _is_signed(key: Webhook, body: bytes, headers: Mapping[str, str]) -> bool:
    try:
        key.verify(body, dict(headers), json_parse=False)
    except Exception:  # noqa: BLE001 - any error means that it is not valid
        return False
    return True
