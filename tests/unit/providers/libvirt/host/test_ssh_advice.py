"""The errors for a host that cannot be reached. The texts are those of OpenSSH 9.2 through libvirt 9.0."""

from __future__ import annotations

import shlex

import pytest

from reconciler.providers.errors import Unavailable
from reconciler.providers.libvirt.host.commands import virsh
from reconciler.providers.libvirt.host.ssh_advice import unreachable

CHANGED = """Cannot recv data: @@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
Offending ED25519 key in /home/ada/.ssh/known_hosts:2
Host key verification failed.: Connection reset by peer"""
UNKNOWN = "Cannot recv data: Host key verification failed.: Connection reset by peer"
REFUSED = "Cannot recv data: ada@host1: Permission denied (publickey,keyboard-interactive).: Connection reset by peer"


@pytest.mark.parametrize(
    ("reason", "message", "remedy"),
    [
        (CHANGED, "its host key is not the one that ssh knows", "ssh-keygen -R host1"),
        (UNKNOWN, "ssh does not know its host key", "accept it: ssh ada@host1"),
        (REFUSED, "rejects this user's ssh login", "without a prompt: ssh ada@host1"),
        ("Cannot recv data: Connection refused", "host1 cannot be reached: Cannot recv data", "virsh -c"),
    ],
)
def test_what_ssh_would_ask_is_reported_in_one_sentence(reason: str, message: str, remedy: str) -> None:
    error = unreachable("qemu+ssh://ada@host1/system?no_tty=1", "host1", reason)
    assert isinstance(error, Unavailable)
    assert message in error.message
    assert "\n" not in error.message
    assert remedy in error.remedy


def test_the_remedy_includes_the_port() -> None:
    assert "accept it: ssh ssh://host1:2222" in unreachable("qemu+ssh://host1:2222/system", "host1", UNKNOWN).remedy


def test_a_remedy_can_be_pasted_whatever_the_uri_contains() -> None:
    uri = "qemu+ssh://host1/system?x='$(id)'&no_tty=1"
    remedy = unreachable(uri, "host1", "Cannot recv data: Connection refused").remedy
    assert shlex.split(remedy.partition("works: ")[2]) == ["virsh", "-c", uri, "pool-list"]
    assert shlex.split(virsh("undefine", "it's; id", "--remove-all-storage"))[2] == "it's; id"
