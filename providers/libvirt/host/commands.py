"""Commands in remedies, quoted so that a shell takes each word as it is: names and URIs are written by others."""

from __future__ import annotations

import shlex


def virsh(*words: str, uri: str = "") -> str:
    """The command line of virsh with these words, at `uri` unless that is empty."""
    return shlex.join(["virsh", *(["-c", uri] if uri else []), *words])


def ssh(place: str) -> str:
    """The command line that logs in at the place of a URI, `[USER@]HOST[:PORT]`."""
    return shlex.join(["ssh", f"ssh://{place}" if ":" in place else place])
