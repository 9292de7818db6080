"""What a sidecar says of an object: whose it is, how it was declared, what was worked out, and which volumes it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes
from reconciler.providers.protocol import OwnerMark

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.volumes import Volume


class Unreadable(ValueError):
    """A sidecar is there and cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Copy:
    """One volume of a region: a replica, by its number, of a disk (`os`, `data-LUN`). Replica 0 is what the overlays of
    a Shallow region lie on. `capacity` is that of the disk in bytes, `sha256` the digest of what a machine sees on it,
    `stamp` how the volume was when it was complete."""

    volume: str
    disk: str
    replica: int
    capacity: int
    format: str
    sha256: str
    stamp: str

    def encode(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Description:
    """One object. `mark` is None where somebody else wrote it and left the owner out."""

    mark: OwnerMark | None
    attributes: Attributes = field(default_factory=dict)
    computed: Mapping[str, Any] = field(default_factory=dict)
    copies: tuple[Copy, ...] = ()

    def encode(self) -> dict[str, Any]:
        """JSON-shaped."""
        owner = self.mark and {"lineage": self.mark.lineage, "address": str(self.mark.address)}
        return {
            "owner": owner,
            "attributes": self.attributes,
            "computed": self.computed,
            "copies": [copy.encode() for copy in self.copies],
        }

    @classmethod
    def decode(cls, value: Any) -> Description:
        """Raises: Unreadable."""
        try:
            owner = value.get("owner")
            mark = OwnerMark(str(owner["lineage"]), Address.parse(owner["address"])) if owner else None
            copies = tuple(_copy(one) for one in value.get("copies", ()))
            attributes, computed = dict(value["attributes"]), dict(value.get("computed", {}))
            disks = {name: dict(facts) for name, facts in computed.get("disks", {}).items()}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Unreadable("is not a description of an image") from error
        if any(copy.disk not in disks for copy in copies):
            raise Unreadable("names a volume of no disk")
        return cls(mark, attributes, computed, copies)

    def facts(self, disk: str) -> Mapping[str, Any]:
        """What was worked out of a disk."""
        found: Mapping[str, Any] = self.computed["disks"][disk]
        return found

    @property
    def replicas(self) -> tuple[Copy, ...]:
        """The copies that count; not what overlays lie on."""
        return tuple(copy for copy in self.copies if copy.replica)


@dataclass(frozen=True, slots=True)
class Making:
    """Volumes that an operation of `mark.lineage` makes or removes in a region: none of them is anything until the
    region's description names it."""

    mark: OwnerMark
    volumes: tuple[str, ...]
    machine: str = ""

    def encode(self) -> dict[str, Any]:
        """JSON-shaped."""
        owner = {"lineage": self.mark.lineage, "address": str(self.mark.address)}
        return {"owner": owner, "volumes": list(self.volumes), "machine": self.machine}

    @classmethod
    def decode(cls, value: Any) -> Making:
        """Raises: Unreadable."""
        try:
            mark = OwnerMark(str(value["owner"]["lineage"]), Address.parse(value["owner"]["address"]))
            return cls(mark, tuple(str(name) for name in value["volumes"]), str(value["machine"]))
        except (ValueError, TypeError, KeyError) as error:
            raise Unreadable("does not say which volumes are being made") from error


def stamp(volume: Volume) -> str:
    """What a listing says of a volume's content."""
    return f"{volume.size}:{volume.mtime_ns}"


def _copy(value: Mapping[str, Any]) -> Copy:
    return Copy(
        volume=str(value["volume"]),
        disk=str(value["disk"]),
        replica=int(value["replica"]),
        capacity=int(value["capacity"]),
        format=str(value["format"]),
        sha256=str(value["sha256"]),
        stamp=str(value["stamp"]),
    )
