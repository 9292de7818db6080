"""What a sidecar contains: the description of an object, or the list of a region's pending volumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from reconciler.providers.common import descriptions
from reconciler.providers.common.descriptions import ObjectDescription, Unreadable
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.owner import OwnerMark

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.volumes import Volume


@dataclass(frozen=True, slots=True)
class Copy:
    """One volume of a region: replica number `replica` of a disk (`os`, `data-LUN`). Replica 0 is the backing volume of
    a Shallow region's overlays. `capacity` is that of the disk in bytes, `content` the digest of what a guest sees on
    it, unknown for an overlay, `stamp` that of the volume when it was complete."""

    volume: str
    disk: str
    replica: int
    capacity: int
    format: str
    content: ContentDigest
    stamp: str


@dataclass(frozen=True, slots=True)
class Description(ObjectDescription):
    """A description as the libvirt provider keeps it; `copies` are the volumes of a target region."""

    copies: tuple[Copy, ...] = ()

    def encode(self) -> dict[str, Any]:
        """JSON-shaped."""
        return {**descriptions.encode(self), "copies": [_encoded(copy) for copy in self.copies]}

    @classmethod
    def decode(cls, value: Any) -> Description:
        """Raises: Unreadable."""
        common = descriptions.decode(value)
        try:
            copies = tuple(_copy(entry) for entry in value.get("copies", ()))
        except (ValueError, TypeError, KeyError) as error:
            raise descriptions.damaged() from error
        disks = common.computed.get("disks", {})
        if any(copy.disk not in disks for copy in copies):
            raise Unreadable("names a volume of an unknown disk")
        return cls(common.mark, common.attributes, common.computed, copies, protect=common.protect, fence=common.fence)

    def facts(self, disk: str) -> Mapping[str, Any]:
        """What was recorded of a disk."""
        facts: Mapping[str, Any] = self.computed["disks"][disk]
        return facts

    @property
    def replicas(self) -> tuple[Copy, ...]:
        """The copies that count as replicas, without the backing volumes of overlays."""
        return tuple(copy for copy in self.copies if copy.replica)


@dataclass(frozen=True, slots=True)
class PendingVolumes:
    """The volumes that an operation of `mark.lineage` creates or removes in a region. None of them counts until the
    region's description names it. `machine` (REGION/NAME): they are captured from that machine; else empty. `fence` is
    that of the run. `leaving` are those of the volumes that the region had before."""

    mark: OwnerMark
    volumes: tuple[str, ...]
    machine: str = ""
    fence: int = 0
    leaving: tuple[str, ...] = ()

    def encode(self) -> dict[str, Any]:
        """JSON-shaped."""
        owner = descriptions.encode_mark(self.mark)
        return {
            "owner": owner,
            "volumes": list(self.volumes),
            "machine": self.machine,
            "fence": self.fence,
            "leaving": list(self.leaving),
        }

    @classmethod
    def decode(cls, value: Any) -> PendingVolumes:
        """Raises: Unreadable."""
        try:
            mark = descriptions.decode_mark(value["owner"])
            volumes = tuple(str(name) for name in value["volumes"])
            leaving = tuple(str(name) for name in value.get("leaving", ()))
            return cls(mark, volumes, str(value["machine"]), int(value.get("fence", 0)), leaving)
        except (ValueError, TypeError, KeyError) as error:
            raise Unreadable("is not a list of pending volumes") from error


def stamp(volume: Volume) -> str:
    """The part of a listing that changes with a volume's content."""
    return f"{volume.size}:{volume.mtime_ns}"


def _encoded(copy: Copy) -> dict[str, Any]:
    fields = {name: value for name, value in asdict(copy).items() if name != "content"}
    return {**fields, "digest": "", **copy.content.facts()}


def _copy(value: Mapping[str, Any]) -> Copy:
    return Copy(
        volume=str(value["volume"]),
        disk=str(value["disk"]),
        replica=int(value["replica"]),
        capacity=int(value["capacity"]),
        format=str(value["format"]),
        content=_content(value),
        stamp=str(value["stamp"]),
    )


def _content(value: Mapping[str, Any]) -> ContentDigest:
    """Raises: KeyError where nothing says what is in a volume, nor that it is an overlay."""
    return ContentDigest.in_facts(value) if "digest" in value else ContentDigest(plain=str(value["sha256"]))
