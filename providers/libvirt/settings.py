"""Which hosts are the regions, and which of their pools is used: the settings of the `libvirt` provider, checked."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from reconciler.manifests.regions import canonical_region
from reconciler.providers.errors import ProviderError
from reconciler.providers.registry import ProviderConfig

FORMATS = ("qcow2", "raw")
_KNOWN = ("regions", "format", "definePools", "removeSource")
_KNOWN_OF_REGION = ("uri", "pool", "path")
_SHAPE = 'write `regions: {REGION: {uri: "qemu+ssh://HOST/system", pool: POOL}, ...}`'
_POOL = re.compile(r"[^\s/\0.][^/\0\n]*")


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
        """How people call the host: its machine's name, or the URI where that does not tell hosts apart."""
        return urlsplit(self.uri).hostname or self.uri


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the provider has to know. `format` is that of the volumes it makes; `define_pools`: a pool that is
    missing is defined; `remove_source`: a machine whose generalized disks were captured is removed."""

    name: str
    hosts: Mapping[str, Host]
    format: str = "qcow2"
    define_pools: bool = False
    remove_source: bool = False

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


def read_settings(config: ProviderConfig) -> Settings:
    """The settings of a provider. Raises: ProviderError naming every fault."""
    values = config.settings
    faults = [_unknown(name, _KNOWN) for name in values if name not in _KNOWN]
    define_pools = _flag(values, "definePools", faults)
    settings = Settings(
        name=config.name,
        hosts=_hosts(values.get("regions"), define_pools, faults),
        format=_format(values, faults),
        define_pools=define_pools,
        remove_source=_flag(values, "removeSource", faults),
    )
    if faults:
        raise ProviderError(f"provider '{config.name}': " + "; ".join(faults), "correct it in the project file")
    return settings


def _unknown(name: str, known: tuple[str, ...]) -> str:
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean '{nearest[0]}'?)" if nearest else f" (known are: {', '.join(known)})"
    return f"unknown setting '{name}'{hint}"


def _flag(values: Mapping[str, Any], name: str, faults: list[str]) -> bool:
    value = values.get(name, "false")  # the project file's scalars are texts
    if str(value).lower() not in ("true", "false"):
        faults.append(f"`{name}` is true or false")
    return str(value).lower() == "true"


def _format(values: Mapping[str, Any], faults: list[str]) -> str:
    value = str(values.get("format", FORMATS[0]))
    if value not in FORMATS:
        faults.append(f"`format` is {' or '.join(FORMATS)}")
    return value


def _hosts(regions: Any, define_pools: bool, faults: list[str]) -> dict[str, Host]:
    if not isinstance(regions, Mapping) or not regions:
        faults.append(_SHAPE)
        return {}
    hosts: dict[str, Host] = {}
    pools: dict[tuple[str, str], str] = {}
    for written, values in regions.items():
        host = _host(str(written), values, define_pools, faults)
        if host.region in hosts:
            faults.append(f"region {host.region} is there twice")
        same = pools.setdefault((host.uri, host.pool), host.region)
        if host.pool and same != host.region:
            faults.append(f"the pool of region {host.region} is the one of {same}: a region needs a pool of its own")
        hosts[host.region] = host
    return hosts


def _host(written: str, values: Any, define_pools: bool, faults: list[str]) -> Host:
    try:
        region = canonical_region(written)
    except ValueError as error:
        faults.append(str(error))
        region = written
    if not isinstance(values, Mapping):
        faults.append(f"`regions.{written}` is a mapping {{uri, pool}}")
        return Host(region, "", "")
    where = f"regions.{written}"
    faults += [f"{where}: {_unknown(name, _KNOWN_OF_REGION)}" for name in values if name not in _KNOWN_OF_REGION]
    pool = values.get("pool")
    if not isinstance(pool, str) or not _POOL.fullmatch(pool):
        faults.append(f"`{where}.pool` is the name of a storage pool")
        pool = ""
    return Host(region, _uri(values, where, faults), pool, _path(values, where, define_pools, faults))


def _uri(values: Mapping[str, Any], where: str, faults: list[str]) -> str:
    """The URI, by which ssh asks nothing at a terminal: several connections may be made at a time, behind a progress
    display."""
    uri = values.get("uri")
    try:
        parts = urlsplit(uri if isinstance(uri, str) else "")
    except ValueError:  # brackets that do not close
        parts = urlsplit("")
    if not re.fullmatch(r"[a-z]+(\+[a-z0-9]+)?", parts.scheme) or re.search(r"\s", str(uri)):
        faults.append(f"`{where}.uri` is a libvirt URI such as qemu+ssh://HOST/system")
        return ""
    if parts.password:
        faults.append(f"`{where}.uri` holds a password: use ssh keys, or libvirt's own auth.conf")
    if parts.scheme.endswith("+ssh") and "no_tty" not in parse_qs(parts.query):
        return f"{uri}{'&' if parts.query else '?'}no_tty=1"
    return str(uri)


def _path(values: Mapping[str, Any], where: str, define_pools: bool, faults: list[str]) -> str:
    path = values.get("path", "")
    if not define_pools:
        if path:
            faults.append(f"`{where}.path` is used when pools are defined: set `definePools: true`, or leave it out")
        return ""
    if not isinstance(path, str) or not path.startswith("/") or "\0" in path:
        faults.append(f"`{where}.path` is the absolute path, on that host, of the directory for its pool")
        return ""
    return path
