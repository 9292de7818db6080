"""Which hosts an image may be downloaded from: public addresses, and those that whoever runs this names."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from pathlib import Path

from reconciler.providers.errors import SourceError, Unavailable

_NAT64 = IPv6Network("64:ff9b::/96")
_HTTPS = 443


def named_host(host: str, port: int) -> str:
    """A host as settings name it: without the port of https."""
    return host.lower() if port == _HTTPS else f"{host.lower()}:{port}"


def addresses(host: str, port: int, allowed: Mapping[str, Path | None], label: str) -> list[str]:
    """The addresses of a host that may be connected to: all of a host that is `allowed`, else those that are public.

    Raises: SourceError if it has only others; Unavailable if it cannot be looked up.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unavailable(
            f"{label}: the host '{host}' cannot be looked up", "check the name, and the network of this machine"
        ) from error
    numbers = list(dict.fromkeys(str(place[0]) for *_, place in found))
    if named_host(host, port) in allowed:
        return numbers
    public = [number for number in numbers if is_public(number)]
    if not public:
        raise SourceError(
            f"{label}: the host '{host}' has no public address, and images are downloaded from the internet only",
            f"if it is a host of yours, name '{named_host(host, port)}' under `downloads.hosts` in the settings of "
            "whoever runs this (--settings FILE)",
        )
    return public


def is_public(number: str) -> bool:
    """Whether this is the address of a host on the internet; an address of IPv6 that stands for one of IPv4 is judged
    by that. Source: the special-purpose address registries of IANA, as Python's `ipaddress` has them."""
    try:
        address = ip_address(number.partition("%")[0])
    except ValueError:
        return False
    inner = _inside(address) if isinstance(address, IPv6Address) else None
    return all(
        one.is_global and not (one.is_multicast or one.is_reserved or one.is_link_local or one.is_loopback)
        for one in ([inner] if inner is not None else [address])
    )


def _inside(address: IPv6Address) -> IPv4Address | None:
    """The address of IPv4 that an address of IPv6 leads to; None if there is none."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo
