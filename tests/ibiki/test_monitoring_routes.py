"""Access to /metrics, which names providers and is on the same port as the API."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from ibiki.http.monitoring_routes import MetricsAccess
from tests.ibiki.http_server import running_server

TOKEN = {"authorization": "Bearer let-me-see"}


def requested(address: str | None, **headers: str) -> Request:
    """A request from that address."""
    scope: dict[str, Any] = {
        "type": "http",
        "client": (address, 4711) if address is not None else None,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    return Request(scope)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("10.1.2.3", True),
        ("172.18.0.5", True),
        ("::ffff:192.168.1.9", True),
        ("fd00::1", True),
        ("8.8.8.8", False),
        ("::ffff:8.8.8.8", False),
        ("2600::1", False),
        ("testclient", False),
        (None, False),
    ],
)
def test_without_a_token_private_networks_may_read(address: str | None, expected: bool) -> None:
    assert MetricsAccess().admit(requested(address)) is expected


@pytest.mark.parametrize("header", ["forwarded", "x-forwarded-for", "x-real-ip"])
def test_a_request_through_a_proxy_is_refused_without_a_token(header: str) -> None:
    assert not MetricsAccess().admit(requested("10.1.2.3", **{header: "8.8.8.8"}))


def test_with_a_token_any_network_may_read() -> None:
    rules = MetricsAccess(token="let-me-see")
    assert rules.admit(requested("8.8.8.8", **TOKEN))
    assert not rules.admit(requested("127.0.0.1"))
    assert not rules.admit(requested("127.0.0.1", authorization="Bearer let-me-se\xe9"))


async def test_refused_metrics_name_the_token_and_health_is_public() -> None:
    async with running_server(metrics_access=MetricsAccess(token="let-me-see")) as web:
        refused = await web.http.get("/metrics")
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert refused.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
        assert "METRICS_TOKEN" in refused.text
        assert (await web.http.get("/metrics", headers=TOKEN)).status_code == 200
        assert (await web.http.get("/healthz")).status_code == 200
