"""Which addresses webhooks may be posted to: public ones, and networks that the operator allows.

IANA's registries of special addresses: RFC 6890. 6to4: RFC 3056. NAT64: RFC 6052, RFC 8215.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)
from typing import Final
from urllib.parse import urlsplit

from domain.errors import InvalidInput

LONGEST_URL: Final = 2_000

Network = IPv4Network | IPv6Network

# Addresses that hide another one, which a gateway may translate to: IPv4-compatible, IPv4-mapped,
# Teredo, 6to4, and both forms of NAT64.
TRANSLATED: Final[list[Network]] = [
    IPv6Network(each)
    for each in (
        "::/96",
        "::ffff:0:0/96",
        "::ffff:0:0:0/96",
        "2001::/32",
        "2002::/16",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
    )
]
# Site-local (RFC 3879), the relay of 6to4, and an address at which a cloud answers its machines.
OTHERS: Final[list[Network]] = [
    IPv6Network("fec0::/10"),
    IPv4Network("192.88.99.0/24"),
    IPv4Network("168.63.129.16/32"),
]


@dataclass(frozen=True, slots=True)
class AddressRules:
    """What may be posted to, besides https on public addresses.

    `internal_networks`: private networks that the operator allows. `loopback`: also this machine,
    even by plain http (the sandbox). `loopback_only`: only this machine (tests).
    """

    internal_networks: Sequence[Network] = ()
    loopback: bool = False
    loopback_only: bool = False

    def allows(self, address: str) -> bool:
        """Whether an IP address may be connected to."""
        ip = ip_address(address.partition("%")[0])
        if self.loopback_only and not ip.is_loopback:
            return False
        if any(ip in network for network in self.internal_networks):
            return True
        return (self.loopback and ip.is_loopback) or is_public(ip)

    def allows_scheme(self, scheme: str, host: str | None) -> bool:
        """Whether a URL with this scheme and host may be used."""
        return scheme == "https" or (scheme == "http" and self.loopback and is_this_machine(host))

    def checked_url(self, given: str) -> str:
        """A URL that may be posted to. Raises InvalidInput.

        Only what can be seen without the network. The address is checked at each connection.
        """
        url = given.strip()
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host, parts = None, urlsplit("")
        if not host or not url.isascii() or any(ord(each) <= 32 for each in url) or "\\" in url:
            raise InvalidInput("Give a URL such as https://example.com/hooks.", field="url")
        if len(url) > LONGEST_URL:
            raise InvalidInput(f"A URL has at most {LONGEST_URL:,} characters.", field="url")
        if "@" in parts.netloc or parts.fragment:
            raise InvalidInput(
                "A URL cannot contain a user name, a password or a fragment (#).", field="url"
            )
        if not self.allows_scheme(parts.scheme, host):
            raise InvalidInput("A URL must begin with https://.", field="url")
        if not self._may_name(host):
            raise InvalidInput("The URL must lead to a public address.", field="url")
        return url

    def _may_name(self, host: str) -> bool:
        if host == "localhost":
            return self.loopback
        try:
            return self.allows(host)
        except ValueError:
            return True  # a name, which is looked up later


def is_public(ip: IPv4Address | IPv6Address) -> bool:
    """Whether an address belongs to the public internet, and hides no other address."""
    if any(ip in network for network in (*TRANSLATED, *OTHERS) if network.version == ip.version):
        return False
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)


def is_this_machine(host: str | None) -> bool:
    """Whether a URL's host is this machine, by its name or address. Makes no DNS query."""
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False
