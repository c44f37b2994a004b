"""What providers call: `/webhooks/{provider}`, and the path that one of them has on file.

Who calls is found out before anything is read: address, pace, secret. Then the event is stored as
it is and answered; what it says is looked at later, by `domain.inbox.receive`.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from domain.errors import RateLimited, TryAgain
from domain.inbox.intake import Intake
from domain.inbox.webhooks import LARGEST_BODY, WebhookOutcome
from ibiki.http.middleware import FORWARDED, OUTCOME
from ibiki.http.rate_limiter import RequestRateLimiter
from ibiki.http.refusals import RequestRefused
from ibiki.http.signatures import SIGNATURE_HEADER, Signatures
from ibiki.observability.metrics import Metrics

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

PATH_ON_FILE = "/api/webhook/extreme"
SECRET_HEADER = "x-webhook-secret"  # noqa: S105 - the name of the header

NO_SECRET = "No secret was shown."  # noqa: S105 - a sentence
WRONG_SECRET = "The secret is wrong."  # noqa: S105 - a sentence
WRONG_SIGNATURE = "The signature is wrong, or older than five minutes."
NOT_CONFIGURED = "No secret is configured here: set WEBHOOK_SECRET."
NOT_ALLOWED = "Calls from this address are not allowed."
TOO_MANY = "Too many calls from one address."
TOO_LARGE = "The body is larger than 64 KiB."


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRules:
    """Who may call: whoever shows a secret, or signs.

    `open_on_loopback`: from this machine also where neither is configured.
    """

    secrets: Sequence[str] = ()
    signing_secrets: Sequence[str] = ()
    allowed_networks: Sequence[Network] = ()
    requests_per_second: int = 2_000
    open_on_loopback: bool = False


class Webhooks:
    """The endpoints, over an intake that is at work."""

    def __init__(self, intake: Intake, rules: WebhookRules, metrics: Metrics) -> None:
        self._intake = intake
        self._rules = rules
        self._metrics = metrics
        # Hashed, so that comparing takes as long whatever was shown.
        self._secrets = [sha256(secret.encode()).digest() for secret in rules.secrets]
        self._signatures = Signatures(rules.signing_secrets)
        self._rate_limiter: RequestRateLimiter[str] = RequestRateLimiter(rules.requests_per_second)

    def routes(self) -> list[BaseRoute]:
        """The routes, for the application."""
        return [
            Route("/webhooks/{provider}", self.answer, methods=["POST"]),
            Route("/webhooks/{provider}/{token}", self.answer, methods=["POST"]),
            Route(PATH_ON_FILE, self.answer, methods=["POST"]),
        ]

    async def answer(self, request: Request) -> Response:
        """Stores the event and says so. Raises RequestRefused."""
        provider = request.path_params.get("provider", "extreme")
        if provider not in self._intake.providers:
            raise RequestRefused(404, "There is nothing here.")
        self._admit(request, provider)
        body = await self._read(request, provider)
        if self._claims_signature(request) and not self._signatures.are_of(body, request.headers):
            raise self._refused(provider, 401, WRONG_SIGNATURE, code="UNAUTHENTICATED")
        try:
            taken = await self._intake.take(provider, body)
        except (TryAgain, RateLimited) as busy:
            retry = [(b"retry-after", b"1")]
            sentence = "This cannot be stored at the moment. Send it again."
            raise RequestRefused(503, sentence, code=busy.code, headers=retry) from None
        outcome = taken.outcome.value.lower()
        self._metrics.webhook_events.labels(provider, outcome).inc()
        request.scope["state"][OUTCOME] = outcome
        if taken.invalid is not None:
            raise RequestRefused(400, taken.invalid)
        word = "duplicate" if taken.outcome is WebhookOutcome.DUPLICATE else "received"
        return JSONResponse({"status": word})

    def _admit(self, request: Request, provider: str) -> None:
        address = request.client.host if request.client else ""
        wait_seconds = self._rate_limiter.wait_seconds(address)
        if wait_seconds:
            retry = [(b"retry-after", b"%d" % wait_seconds)]
            raise self._refused(provider, 429, TOO_MANY, code="RATE_LIMITED", headers=retry)
        if self._rules.allowed_networks and not self._is_allowed(address):
            raise self._refused(provider, 403, NOT_ALLOWED, code="FORBIDDEN")
        if self._claims_signature(request):
            return  # what it signed has to be read first
        if not self._secrets and not self._signatures:
            if self._rules.open_on_loopback and _is_loopback(request, address):
                return
            raise self._refused(provider, 401, NOT_CONFIGURED, code="UNAUTHENTICATED")
        shown = request.headers.get(SECRET_HEADER) or request.path_params.get("token")
        if not shown:
            raise self._refused(provider, 401, NO_SECRET, code="UNAUTHENTICATED")
        if not self._is_known(shown):
            raise self._refused(provider, 401, WRONG_SECRET, code="UNAUTHENTICATED")

    def _claims_signature(self, request: Request) -> bool:
        return bool(self._signatures) and SIGNATURE_HEADER in request.headers

    def _is_known(self, shown: str) -> bool:
        """Whether it is one of the secrets; all are compared, whichever it is."""
        given = sha256(shown.encode(errors="surrogateescape")).digest()
        matches = [hmac.compare_digest(given, secret) for secret in self._secrets]
        return any(matches)

    def _is_allowed(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._rules.allowed_networks)

    async def _read(self, request: Request, provider: str) -> bytes:
        parts: list[bytes] = []
        size = 0
        try:
            async for part in request.stream():
                parts.append(part)
                size += len(part)
                if size > LARGEST_BODY:
                    raise self._refused(provider, 413, TOO_LARGE)
        except ClientDisconnect:
            raise RequestRefused(400, "The body is incomplete.") from None
        return b"".join(parts)

    def _refused(
        self,
        provider: str,
        status: int,
        reason: str,
        *,
        code: str = "BAD_USER_INPUT",
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> RequestRefused:
        """The refusal, counted; nothing of the event is kept."""
        self._intake.refuse(provider, reason)
        self._metrics.webhook_events.labels(provider, "refused").inc()
        return RequestRefused(status, reason, code=code, headers=headers)


def _is_loopback(request: Request, address: str) -> bool:
    if any(name in request.headers for name in FORWARDED):
        return False  # a proxy on this machine speaks for others, who are not on it
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
