"""The error for a host that could not be connected to, with a remedy; most of them concern ssh."""

from __future__ import annotations

import shlex
from urllib.parse import urlsplit

from reconciler.providers.errors import Unavailable
from reconciler.providers.libvirt.host.commands import ssh, virsh


def unreachable(uri: str, name: str, reason: str) -> Unavailable:
    """The error to show; `reason` is libvirt's message, which includes the output of ssh if the URI uses that.

    libvirt runs ssh without prompts, so the user answers once, by hand, what ssh would have asked.
    """
    login = _login(uri)
    if "IDENTIFICATION HAS CHANGED" in reason:
        return Unavailable(
            f"{name} cannot be reached: its host key is not the one that ssh knows",
            f"find out why; if the host was reinstalled, remove the key (ssh-keygen -R {shlex.quote(name)}) and "
            f"connect: {login}",
        )
    if "Host key verification failed" in reason:
        return Unavailable(
            f"{name} cannot be reached: ssh does not know its host key",
            f"compare the key with the host's and accept it: {login}",
        )
    if "Permission denied (" in reason:
        return Unavailable(
            f"{name} cannot be reached: it rejects this user's ssh login",
            "add your public key there, and load the key into ssh-agent if it has a passphrase, until this works "
            f"without a prompt: {login}",
        )
    return Unavailable(
        f"{name} cannot be reached: {reason}",
        f"check that the host is up and that this works: {virsh('pool-list', uri=uri)}",
    )


def _login(uri: str) -> str:
    """The command that shows the prompts of ssh."""
    return ssh(urlsplit(uri).netloc)
