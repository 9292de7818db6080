"""The settings of the `libvirt` provider in the project file."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo, model_validator

from reconciler.manifests.kinds.base import Model, SettingScalar
from reconciler.manifests.kinds.scalars import Boolean, Choice, RegionName, String
from reconciler.manifests.problems import InvalidInput
from reconciler.manifests.trust import trust_in
from reconciler.providers.common.region_settings import distinct_regions
from reconciler.providers.libvirt.uris import usable_uri

_POOL = r"[^\s/\0.][^/\0\n]*"


@dataclass(frozen=True)
class LibvirtUri(SettingScalar):
    """A libvirt URI that names a host and nothing else, or one that is trusted."""

    what = "a libvirt URI"

    def parse_setting(self, text: str, info: ValidationInfo) -> str:
        return usable_uri(text, trust_in(info.context))


class HostSettings(Model):
    """A region: a storage pool of one libvirt."""

    uri: Annotated[str, LibvirtUri(), Field(description="libvirt's URI of the host.")]
    pool: Annotated[
        str,
        String(_POOL, "it must be the name of a storage pool"),
        Field(description="The storage pool that is the region."),
    ]
    path: Annotated[
        str | None,
        String(r"/[^\0]*", "it must be the absolute path, on that host, of the directory for its pool"),
        Field(description="With definePools: directory, on the host, of a pool that does not exist yet."),
    ] = None


class Settings(Model):
    """Storage pools of hypervisor hosts are regions."""

    regions: Annotated[
        dict[Annotated[str, RegionName()], HostSettings],
        BeforeValidator(distinct_regions),
        Field(description="The host and storage pool of each region."),
    ]
    format: Annotated[str, Choice("qcow2", "raw"), Field(description="Format of volumes that are created.")] = "qcow2"
    define_pools: Annotated[
        bool, Boolean(), Field(description="Define and start pools that are missing; each region then needs a path.")
    ] = False
    remove_source: Annotated[
        bool, Boolean(), Field(description="Remove a generalized machine once it has been captured.")
    ] = False

    @model_validator(mode="after")
    def _a_pool_each(self) -> "Settings":
        regions: dict[tuple[str, str], str] = {}
        for region, host in self.regions.items():
            first = regions.setdefault((host.uri, host.pool), region)
            if first != region:
                summary = f"the pool of region {region} is the one of {first}"
                raise InvalidInput(summary, "a region needs a pool of its own", ("regions", region))
        return self

    @model_validator(mode="after")
    def _paths_of_pools(self) -> "Settings":
        for region, host in self.regions.items():
            place = ("regions", region, "path")
            if host.path and not self.define_pools:
                raise InvalidInput(
                    "`path` is only for pools that are defined", "set `definePools: true`, or remove it", place
                )
            if not host.path and self.define_pools:
                remedy = "add the absolute path, on that host, of the directory for its pool"
                raise InvalidInput(f"region {region} has no `path`, which `definePools: true` needs", remedy, place)
        return self
