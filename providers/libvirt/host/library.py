"""The door to libvirt's own library: whether it is there, and what has to happen once before it is used."""

from __future__ import annotations

import threading
from importlib.util import find_spec
from typing import TYPE_CHECKING

from reconciler.manifests.installation import install_extra
from reconciler.providers.errors import ProviderError, Unsupported

if TYPE_CHECKING:
    from types import ModuleType

_lock = threading.Lock()
_prepared = False


def require_library(provider: str) -> None:
    """Raises: ProviderError, with what to install, when libvirt's bindings are not there; nothing is loaded for that.

    PyPI has the bindings as source, which is compiled against the headers of the library.
    """
    if find_spec("libvirt") is None:
        raise ProviderError(
            f"provider '{provider}': the backend 'libvirt' needs the Python bindings of libvirt, which are missing",
            f"install them, in reconciler's checkout: {install_extra('libvirt')} (they are compiled, which takes the "
            "Debian packages gcc, libvirt-dev, pkg-config and python3-dev)",
        )


def require_disc_maker() -> None:
    """Raises: Unsupported, with what to install, when the library that writes discs is not there."""
    if find_spec("pycdlib") is None:
        raise Unsupported(
            "a machine of a generalized image is told who it is by a disc, and the library that writes it is missing",
            f"install it, in reconciler's checkout: {install_extra('libvirt')}",
        )


def prepare() -> None:
    """Readies the library for this process, once: it says nothing by itself, and one thread turns its event loop.

    libvirt prints every error to stderr unless told otherwise; all of them reach us as exceptions. Without the event
    loop nobody would answer or miss keep-alive messages; it has to be there before the first connection is made.
    """
    global _prepared
    import libvirt

    with _lock:
        if _prepared:
            return
        libvirt.registerErrorHandler(_say_nothing, None)
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=_turn, args=(libvirt,), name="libvirt events", daemon=True).start()
        _prepared = True


def _say_nothing(_context: object, _error: object) -> None:
    pass


def _turn(libvirt: ModuleType) -> None:
    while True:
        libvirt.virEventRunDefaultImpl()
