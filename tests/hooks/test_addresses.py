"""Which URLs and addresses may be posted to."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from domain.errors import InvalidInput
from domain.hooks.addresses import AddressRules

PUBLIC = AddressRules()
SANDBOX = AddressRules(loopback=True)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com/", "A URL must begin with https://."),
        ("ftp://example.com/", "A URL must begin with https://."),
        ("https://", "Give a URL such as https://example.com/hooks."),
        ("nonsense", "Give a URL such as https://example.com/hooks."),
        ("https://exa mple.com/", "Give a URL such as https://example.com/hooks."),
        ("https://example.com:99999/", "Give a URL such as https://example.com/hooks."),
        ("https://[::1", "Give a URL such as https://example.com/hooks."),
        ("https://a:b@example.com/", "A URL cannot contain a user name, a password or a"),
        ("https://example.com/#a", "A URL cannot contain a user name, a password or a"),
        ("https://10.0.0.1/", "The URL must lead to a public address."),
        ("https://169.254.169.254/latest", "The URL must lead to a public address."),
        ("https://[fd00::1]/", "The URL must lead to a public address."),
        ("https://[::ffff:8.8.8.8]/", "The URL must lead to a public address."),
        ("https://example.com/" + "a" * 2_000, "A URL has at most 2,000 characters."),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url: str, why: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        PUBLIC.checked_url(url)
    assert refused.value.reason.startswith(why)


@pytest.mark.parametrize(
    "url",
    ["https://example.com", "https://example.com:8443/a?b=c", "https://8.8.8.8/", " https://a.b/ "],
)
def test_other_urls_are_taken(url: str) -> None:
    assert PUBLIC.checked_url(url) == url.strip()


def test_the_sandbox_takes_http_on_this_machine_only() -> None:
    for url in ("http://localhost:8000/", "http://127.0.0.1:1/a", "http://[::1]/"):
        assert SANDBOX.checked_url(url) == url
        with pytest.raises(InvalidInput):
            PUBLIC.checked_url(url)
    for url in ("http://example.com/", "http://10.0.0.1/", "https://localhost.example@10.0.0.1/"):
        with pytest.raises(InvalidInput):
            SANDBOX.checked_url(url)


REFUSED = (
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "::ffff:0:8.8.8.8",
    "64:ff9b::7f00:1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:808:808::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
)


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_is_not_public_is_refused(address: str) -> None:
    assert not PUBLIC.allows(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450::1"])
def test_a_public_address_is_allowed(address: str) -> None:
    assert PUBLIC.allows(address)


def test_a_webhook_of_tests_may_call_only_this_machine() -> None:
    rules = AddressRules(loopback=True, loopback_only=True)
    assert rules.allows("127.0.0.1")
    assert not rules.allows("8.8.8.8")


def test_an_operator_opens_a_network() -> None:
    opened = AddressRules(internal_networks=[ip_network("10.0.0.0/8"), ip_network("fd00::/8")])
    assert opened.allows("10.1.2.3")
    assert opened.allows("fd00::1")
    assert not opened.allows("192.168.1.1")
    assert not opened.allows("127.0.0.1")
    assert opened.checked_url("https://10.1.2.3/") == "https://10.1.2.3/"
