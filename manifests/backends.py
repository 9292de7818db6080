"""The installed backends, as their distributions declare them: one entry point from a type to the function that creates
its providers, and one to the model of their settings.

Reading entry points imports no backend, but it needs `importlib.metadata`, which takes 30 ms to load; so does pydantic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.manifests.installation import DISTRIBUTION

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from reconciler.manifests.kinds.base import Model

FACTORIES = "reconciler.providers"
"""The group of entry points from a type to its `create_provider`."""

SETTINGS = "reconciler.provider_settings"
"""The group of entry points from a type to the model of its settings."""


class BrokenBackend(Exception):
    """A backend is installed, and the model of its settings cannot be loaded. The text says why."""


def installed(group: str) -> dict[str, EntryPoint]:
    """The entry points of a group by type, sorted; of two for one type our own counts."""
    from importlib.metadata import entry_points

    points = sorted(entry_points(group=group), key=lambda point: (is_ours(point), point.value))
    return dict(sorted((point.name, point) for point in points))


def settings_model(backend: str) -> type[Model] | None:
    """The model of a type's settings; None when its distribution declares none. Raises: BrokenBackend."""
    point = installed(SETTINGS).get(backend)
    return None if point is None else load_model(point)


def load_model(point: EntryPoint) -> type[Model]:
    """The model that an entry point names. Raises: BrokenBackend."""
    from reconciler.manifests.kinds.base import Model

    try:
        model = point.load()
    except (ImportError, AttributeError) as cause:
        raise BrokenBackend(f"{point.value} of {package_of(point)} cannot be loaded: {cause}") from cause
    if not (isinstance(model, type) and issubclass(model, Model)):
        raise BrokenBackend(f"{point.value} of {package_of(point)} is no subclass of {Model.__module__}.Model")
    return model


def own_settings_models() -> dict[str, type[Model]]:
    """The models of this distribution's own backends by type, sorted, whatever else is installed."""
    return {name: load_model(point) for name, point in installed(SETTINGS).items() if is_ours(point)}


def package_of(point: EntryPoint) -> str:
    """The name and version of the distribution that declares an entry point."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"


def is_ours(point: EntryPoint) -> bool:
    """Whether this distribution declares an entry point."""
    return point.dist is not None and point.dist.name == DISTRIBUTION
