"""Which addresses a transport takes, and that tests reach no other machine."""

from __future__ import annotations

import traceback

import pytest

from providers.transport import HttpTransport


def transport(base_url: str) -> HttpTransport:
    return HttpTransport(
        base_url, deadline_seconds=1, connect_seconds=1, connections=1, loopback_only=True
    )


@pytest.mark.parametrize(
    "base_url",
    [
        "", "x", "ftp://127.0.0.1", "http://", "//127.0.0.1", "http://u:p@127.0.0.1",
        "http://u@127.0.0.1", "http://127.0.0.1/?key=k", "http://127.0.0.1/#x", "http://[::1",
        "http://127.0.0.1:99999",
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_used_is_refused_at_once(base_url: str) -> None:
    with pytest.raises(ValueError, match="provider's address") as refusal:
        transport(base_url)
    assert "".join(traceback.format_exception(refusal.value)).count("u:p") == 0


@pytest.mark.parametrize(
    "host",
    [
        "extremesms.example", "10.0.0.1", "0.0.0.0", "192.0.2.1", "localhost.example",
        "127.0.0.1.example", "[2001:db8::1]", "2130706433", "127.1",
    ],
)  # fmt: skip
def test_tests_reach_no_other_machine(host: str) -> None:
    with pytest.raises(ValueError, match="on this machine"):
        transport(f"http://{host}")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"])
def test_a_transport_of_tests_may_call_this_machine(host: str) -> None:
    transport(f"http://{host}:8000")
