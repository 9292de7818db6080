"""What people are told of a host that no connection could be made to, and what to do about it."""

from __future__ import annotations

from urllib.parse import urlsplit

from reconciler.providers.errors import Unavailable


def unreachable(uri: str, name: str, told: str) -> Unavailable:
    """The error to show; `told` is what libvirt said, which holds all that ssh wrote where that leads to the host.

    ssh is told by libvirt to ask nothing, so what it would have asked about is done by hand, once.
    """
    login = _login(uri)
    if "IDENTIFICATION HAS CHANGED" in told:
        return Unavailable(
            f"{name} cannot be reached: it shows another host key than the one that ssh knows it by",
            f"find out why; if the host was set up anew, forget the key (ssh-keygen -R {name}) and connect: {login}",
        )
    if "Host key verification failed" in told:
        return Unavailable(
            f"{name} cannot be reached: ssh does not know its host key",
            f"compare the key with the host's, and accept it: {login}",
        )
    if "Permission denied (" in told:
        return Unavailable(
            f"{name} cannot be reached: it does not let this user in by ssh",
            "put your public key there, and the key into ssh-agent if it has a passphrase, until this works without "
            f"asking: {login}",
        )
    return Unavailable(
        f"{name} cannot be reached: {told}", f"see that the host is up and that this works: virsh -c '{uri}' pool-list"
    )


def _login(uri: str) -> str:
    """The command that asks what ssh has to ask."""
    place = urlsplit(uri).netloc
    return f"ssh ssh://{place}" if ":" in place else f"ssh {place}"
