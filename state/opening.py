"""`open_store`: the store for a URL, found by its scheme in `reconciler.state.stores`."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from reconciler.manifests.trust import Trust
from reconciler.state import stores
from reconciler.state.errors import StateError
from reconciler.state.store import StateStore


def open_store(
    url: str, project: str, base: Path, *, clock: Callable[[], float] | None = None, trust: Trust | None = None
) -> StateStore:
    """The store at `url`; relative paths start at `base`. Creates nothing: see `StateStore`.

    `clock` gives the time of leases, in seconds since 1970; without it that is the store's own.
    Raises: StateError when the state exists and cannot be used (corrupt, newer than this program, of another project),
    or no store knows the URL.
    """
    module = _module_for(url)
    store: StateStore | None = module.open_store(url, project, base, clock, trust or Trust())
    if store is None:
        raise _unknown(url.partition("://")[0])
    return store


def check_url(url: str, base: Path, trust: Trust | None = None) -> None:
    """Raises: StateError for a URL that no store knows, or that leads where `trust` does not. Opens nothing."""
    check = getattr(_module_for(url), "check", None)
    if check is not None:
        check(url, base, trust or Trust())


def _module_for(url: str) -> Any:
    """The module of the store that knows a URL. Raises: StateError."""
    scheme, separator, _ = url.partition("://")
    known = separator and scheme.isidentifier() and not scheme.startswith("_")
    if not known or not find_spec(f"{stores.__name__}.{scheme}"):
        raise _unknown(scheme if separator else "")
    return import_module(f"{stores.__name__}.{scheme}")


def _unknown(scheme: str) -> StateError:
    """Names only the scheme: what follows may contain a password."""
    from pkgutil import iter_modules

    names = sorted((module.name for module in iter_modules(stores.__path__)), reverse=True)
    forms = [import_module(f"{stores.__name__}.{name}").FORM for name in names]
    kind = f"unknown state URL: it starts with '{scheme}://'" if scheme else "unknown state URL: it has no scheme"
    return StateError(kind, f"Write {', or '.join(forms)}.")
