"""Which hosts are the regions of a `libvirt` provider, and which of their pools it uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from reconciler.manifests.trust import Trust
from reconciler.providers.errors import ProviderError
from reconciler.providers.libvirt.uris import is_usable
from reconciler.providers.registry import ProviderConfig


@dataclass(frozen=True, slots=True)
class Host:
    """One region: the storage pool `pool` of the libvirt at `uri`. `path` is the absolute directory, on that host, of a
    pool that may have to be defined; empty when pools are not."""

    region: str
    uri: str
    pool: str
    path: str = ""

    @property
    def name(self) -> str:
        """What people call the host: its machine's name, or the URI where that does not distinguish hosts."""
        return urlsplit(self.uri).hostname or self.uri


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything that the provider needs to know. `format` is that of the volumes it makes. `define_pools`: a pool that
    is missing is defined. `remove_source`: a machine whose generalized disks were captured is removed.
    `trust` is what may be read and downloaded beyond the project."""

    name: str
    hosts: Mapping[str, Host]
    format: str = "qcow2"
    define_pools: bool = False
    remove_source: bool = False
    trust: Trust = field(default_factory=Trust)

    def host(self, region: str) -> Host:
        """Raises: ProviderError for a region not offered."""
        try:
            return self.hosts[region]
        except KeyError:
            offered = ", ".join(sorted(self.hosts))
            raise ProviderError(
                f"provider '{self.name}' has no region '{region}'",
                f"its regions are {offered}: use one of them, or name the new one's host under `regions`",
            ) from None


def configuration_of(config: ProviderConfig) -> Configuration:
    """What accepted settings describe. Raises: ProviderError for a URI that is not allowed."""
    settings = config.settings
    for region, host in settings["regions"].items():
        _require_usable(region, host["uri"], config)
    hosts = [
        Host(region, host["uri"], host["pool"], host.get("path", "")) for region, host in settings["regions"].items()
    ]
    return Configuration(
        name=config.name,
        hosts={host.region: host for host in hosts},
        format=settings["format"],
        define_pools=settings["definePools"],
        remove_source=settings["removeSource"],
        trust=config.trust,
    )


def _require_usable(region: str, uri: str, config: ProviderConfig) -> None:
    """Settings may come from a cache, and what is trusted may have changed since. Raises: ProviderError."""
    if not is_usable(uri, config.trust):
        raise ProviderError(
            f"provider '{config.name}': the URI of region '{region}' is not allowed",
            "name it under `libvirt.uris` in the settings of whoever runs this (--settings FILE)",
        )
