"""libvirt's own library: whether it is installed, and its one-time preparation."""

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
    """Raises: ProviderError, with what to install, if libvirt's Python bindings are missing; loads nothing.

    PyPI has the bindings as source only, which is compiled against the headers of the library.
    """
    if find_spec("libvirt") is None:
        raise ProviderError(
            f"provider '{provider}': the backend 'libvirt' needs libvirt's Python bindings, which are not installed",
            f"install them, in reconciler's checkout: {install_extra('libvirt')} (they are compiled, which takes the "
            "Debian packages gcc, libvirt-dev, pkg-config and python3-dev)",
        )


def require_iso_writer() -> None:
    """Raises: Unsupported, with what to install, if the library that writes ISO images is missing."""
    if find_spec("pycdlib") is None:
        raise Unsupported(
            "a machine from a generalized image needs a cloud-init seed ISO; pycdlib, which writes it, is not "
            "installed",
            f"install it, in reconciler's checkout: {install_extra('libvirt')}",
        )


def prepare() -> None:
    """Prepares the library once in this process: it prints nothing, and one thread runs its event loop.

    By default libvirt prints every error to stderr, although all of them reach us as exceptions. Without the event loop
    nothing would send or miss keep-alive messages; it must run before the first connection is opened.
    """
    global _prepared
    import libvirt

    with _lock:
        if _prepared:
            return
        libvirt.registerErrorHandler(_ignore_error, None)
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=_run_event_loop, args=(libvirt,), name="libvirt events", daemon=True).start()
        _prepared = True


def _ignore_error(_context: object, _error: object) -> None:
    pass


def _run_event_loop(libvirt: ModuleType) -> None:
    while True:
        libvirt.virEventRunDefaultImpl()
