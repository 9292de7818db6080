"""Backends are found by the name of their type and loaded when they are needed.

Our own are declared as entry points too, and still imported directly: reading entry points takes 30 ms,
a quarter of a plan that finds nothing to do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.manifests.backends import FACTORIES, installed, package_of
from reconciler.manifests.installation import install_extra
from reconciler.manifests.trust import Trust
from reconciler.providers.errors import ContractViolation, ProviderError, Unsupported
from reconciler.providers.protocol import Provider, Reader

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

MEMBERS = tuple(name for protocol in (Reader, Provider) for name in vars(protocol) if not name.startswith("_"))
"""What every provider has."""


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """What a backend creates a provider from: its name and type in the project file, its settings, the project's
    folder, and what whoever runs this trusts beyond it.

    The settings are plain JSON that the model of the backend's settings has accepted, with defaults filled in and what
    is not set left out; as written where the backend has no model.
    """

    name: str
    type: str
    settings: Mapping[str, Any]
    project_dir: Path
    trust: Trust = field(default_factory=Trust)


ProviderFactory = Callable[[ProviderConfig], Provider]


def create_provider(config: ProviderConfig) -> Provider:
    """The provider that the backend of `config.type` makes.

    Raises: Unsupported when no installed package offers that type; ContractViolation when what it makes is no provider;
    ProviderError when it cannot be loaded.
    """
    module = _own_module(config.type)
    if module:
        return _own_provider(config, module)
    point = _entry_point(config)
    try:
        factory: ProviderFactory = point.load()
        provider = factory(config)
    except (ImportError, AttributeError) as cause:
        raise _not_loadable(config, point, cause) from cause
    _check_members(config, provider, package_of(point))
    return provider


def require(*libraries: str) -> None:
    """Raises: ModuleNotFoundError for a library that is not installed; none is loaded for that."""
    for library in libraries:
        if find_spec(library) is None:
            raise ModuleNotFoundError(f"No module named '{library}'", name=library)


def _own_module(kind: str) -> str:
    """The module of our own backend of a type, beside this file; empty when there is none."""
    if not kind.isidentifier() or not (Path(__file__).parent / kind / "provider.py").is_file():
        return ""
    return f"reconciler.providers.{kind}.provider"


def _own_provider(config: ProviderConfig, module: str) -> Provider:
    try:
        provider: Provider = import_module(module).create_provider(config)
    except ImportError as cause:
        raise ProviderError(
            f"provider '{config.name}': the backend '{config.type}' needs a package that is missing: {cause}",
            f"install it, in reconciler's checkout: {install_extra(config.type)}",
        ) from cause
    return provider


def _entry_point(config: ProviderConfig) -> EntryPoint:
    backends = installed(FACTORIES)
    if config.type not in backends:
        from reconciler.manifests.words import suggestion

        raise Unsupported(
            f"provider '{config.name}': no backend of type '{config.type}' is installed",
            suggestion(config.type, backends, label="installed"),
        )
    return backends[config.type]


def _not_loadable(config: ProviderConfig, point: EntryPoint, cause: Exception) -> ProviderError:
    """What is missing, and whose it is: our extras never have it."""
    package = package_of(point)
    missing = cause.name if isinstance(cause, ModuleNotFoundError) and cause.name else ""
    if missing:
        why = f"needs the module {missing}, which is not installed"
        return ProviderError(_about(config, package, why), f"install what {package} needs to have {missing}")
    return ProviderError(_about(config, package, f"cannot be loaded: {cause}"), f"repair {package}, or remove it")


def _check_members(config: ProviderConfig, provider: object, package: str) -> None:
    lacking = [name for name in MEMBERS if not callable(getattr(provider, name, None))]
    if lacking:
        why = f"lacks {', '.join(lacking)}. This is a bug of {package}."
        raise ContractViolation(_about(config, package, why))


def _about(config: ProviderConfig, package: str, what: str) -> str:
    return f"provider '{config.name}': the backend '{config.type}' of {package} {what}"
