"""How client webhooks are written, signed and sent: the parts of the worker that use libraries."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import orjson
from standardwebhooks import Webhook

from domain import ids
from domain.hooks.addresses import AddressRules
from domain.hooks.deliveries import STANDARD, DueDelivery, HookRequest
from domain.hooks.ports import HookFormat
from domain.ids import Kind
from ibiki.settings.settings import Settings
from resolvers.hooks.payloads import envelope_of


class StandardFormat:
    """JSON, signed as Standard Webhooks 1.0 says: https://www.standardwebhooks.com."""

    async def request(
        self, delivery: DueDelivery, subject: Any, secrets: Sequence[str]
    ) -> HookRequest:
        """The event with one signature for each secret: two while a secret is rotated."""
        event_id = ids.encode(Kind.HOOK_EVENT, delivery.event_id)
        body = orjson.dumps(envelope_of(delivery, subject)).decode()
        # The library drops the zone of a time, and signs the repr of bytes.
        now = datetime.now(UTC)
        signatures = [Webhook(secret).sign(event_id, now, body) for secret in secrets]
        headers = {
            "Content-Type": "application/json",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }
        return HookRequest(headers, body.encode())


def formats() -> dict[str, HookFormat]:
    """The formats of deliveries, by the name in `hook_endpoint.format`."""
    return {STANDARD: StandardFormat()}


def address_rules(settings: Settings) -> AddressRules:
    """Which addresses may be posted to, from the settings."""
    return AddressRules(
        internal_networks=[ip_network(each) for each in settings.hooks.internal_networks],
        loopback=settings.upstream.is_simulated,
        loopback_only=settings.installation.loopback_only,
    )
