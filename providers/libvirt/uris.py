"""Which URIs of libvirt a project file may name: those that name a host to ask, and no program, file or other place.

libvirt's URIs can do more: with parameters they name programs to run, keys to read and sockets to connect to, and with
other drivers files and folders on this computer. Source: libvirt's page about remote URIs; src/remote/remote_driver.c.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, parse_qsl, urlsplit

from reconciler.manifests.problems import InvalidInput
from reconciler.manifests.trust import Trust
from reconciler.manifests.words import quoted

_SCHEMES = ("qemu", "qemu+ssh", "qemu+tls")
_PATHS = ("/system", "/session")
_PLACE = re.compile(
    r"(?:[A-Za-z0-9_][A-Za-z0-9._-]*@)?"  # a user, with ssh
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])"
    r"(?::[0-9]{1,5})?"
)
_ALIAS = re.compile(r"(?!xen$)[A-Za-z0-9_][A-Za-z0-9_-]*", re.IGNORECASE)
"""A name without a scheme: libvirt looks for it in `uri_aliases` of libvirt.conf and in no other place, except for
`xen`, which it replaces itself. Source: libvirt's src/libvirt.c, virConnectOpenInternal."""

_EXAMPLE = "write a libvirt URI such as qemu+ssh://HOST/system"
_WAY_OUT = (
    "write qemu+ssh://HOST/system, or the name of an alias (`uri_aliases` in libvirt.conf of whoever runs this), or "
    "name the URI under `libvirt.uris` in their settings (--settings FILE)"
)


def usable_uri(text: str, trust: Trust) -> str:
    """The URI to connect to: with ssh, one that asks nothing at a terminal, as several connections may be made at a
    time, behind a progress display.

    Raises: InvalidInput for a URI that is neither harmless nor trusted.
    """
    if text not in trust.libvirt_uris and not _ALIAS.fullmatch(text):
        _check(text)
    return _without_prompts(text)


def is_usable(uri: str, trust: Trust) -> bool:
    """Whether a URI is one that `usable_uri` returns."""
    if uri in map(_without_prompts, trust.libvirt_uris):
        return True
    try:
        return usable_uri(uri, trust) == uri
    except InvalidInput:
        return False


def _without_prompts(text: str) -> str:
    parts = _split(text)
    if parts.scheme.endswith("+ssh") and "no_tty" not in dict(parse_qsl(parts.query, keep_blank_values=True)):
        return f"{text}{'&' if parts.query else '?'}no_tty=1"
    return text


def _check(text: str) -> None:
    parts = _split(text)
    if ":" in parts.netloc.rpartition("@")[0]:
        raise InvalidInput("the URI holds a password", "use ssh keys, or libvirt's own auth.conf")
    if not re.fullmatch(r"[a-z]+(\+[a-z0-9]+)?", parts.scheme) or not re.fullmatch(r"[!-~]+", text):
        raise InvalidInput(f"{quoted(text)} is not a libvirt URI", _EXAMPLE)
    if why := _why_refused(text, parts):
        raise InvalidInput(f"the URI is not allowed: {why}", _WAY_OUT)


def _why_refused(text: str, parts: SplitResult) -> str:
    """What in a URI may name a program, a file or another place; empty if nothing does."""
    if parts.scheme not in _SCHEMES:
        return f"its scheme is {quoted(parts.scheme)}, and not {', '.join(_SCHEMES[:-1])} or {_SCHEMES[-1]}"
    if parts.path not in _PATHS:
        return f"its path is {quoted(parts.path)}, and not {' or '.join(_PATHS)}"
    if parts.netloc and not _PLACE.fullmatch(parts.netloc):
        return f"{quoted(parts.netloc)} is not the name of a host"
    if "@" in parts.netloc and parts.scheme != "qemu+ssh":
        return "a user is only for qemu+ssh"
    written = f"{parts.scheme}://{parts.netloc}{parts.path}"
    if text not in (written, f"{written}?{parts.query}") or not re.fullmatch(r"(?:no_tty=[01])?", parts.query):
        return f"{quoted(text.removeprefix(written))} follows its path, where only ?no_tty=0 or ?no_tty=1 may"
    return ""


def _split(uri: str) -> SplitResult:
    try:
        return urlsplit(uri)
    except ValueError:  # brackets that do not close
        return urlsplit("")
