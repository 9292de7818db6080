"""Descriptions that were lost: a region gets its own back if every volume in it has content that the state recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes
from reconciler.providers.content_digest import GUEST, ContentDigest
from reconciler.providers.errors import SourceError
from reconciler.providers.libvirt.content.volume_reading import digest_of_volume
from reconciler.providers.libvirt.records.description_store import DescriptionStore, StoredDescription
from reconciler.providers.libvirt.records.descriptions import Copy, Description, stamp
from reconciler.providers.libvirt.records.volume_names import VolumeName
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Operation

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.pools import Pool


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the state has recorded: the facts of a version's `disks`, and the `attributes` of its recorded objects, as
    they will be or, for those that are deleted, as they were."""

    disks: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[Address, Attributes] = field(default_factory=dict)


NOTHING_RECORDED = Recorded()


def recorded_in(operation: Operation) -> Recorded:
    """What the state has recorded of an operation's objects."""
    attributes = {step.address: step.planned or step.prior or {} for step in operation.steps if step.recorded}
    return Recorded(operation.computed.get("disks", {}), attributes)


def restore_description(
    pool: Pool, writer: Writer, address: Address, names: Sequence[str], pending: Sequence[str], recorded: Recorded
) -> StoredDescription | None:
    """The description of a recorded region, written again from its volumes, all of which are read: `names`, and as many
    whole ones of those `pending` as it needs. None if one of `names` has other content than was recorded, or there are
    none. Raises: ProviderError."""
    if address not in recorded.attributes:
        return None
    wanted = int(recorded.attributes[address].get("replicas", 1))
    copies = copies_by_content(pool, names, recorded.disks)
    if names and not copies:
        return None
    for name in pending:
        found = copies_by_content(pool, [*(copy.volume for copy in copies), name], recorded.disks)
        copies = found if found and max(copy.replica for copy in found) <= wanted else copies
    if not copies:
        return None
    disks = {copy.disk: recorded.disks[copy.disk] for copy in copies}
    described = Description(
        writer.owner.mark(address), recorded.attributes[address], {"disks": disks}, copies, fence=writer.fence
    )
    volume, written = DescriptionStore(pool).write(address, described)
    return StoredDescription(described, volume, written, restored=True)


def copies_by_content(pool: Pool, names: Iterable[str], disks: Mapping[str, Any]) -> tuple[Copy, ...]:
    """What a description says of these volumes if each has the content recorded for its disk; else nothing. Reads all
    of them. Raises: Unavailable."""
    numbers: Counter[str] = Counter()
    copies: list[Copy] = []
    for name in sorted(names):
        copy = _copy(pool, name, disks)
        if copy is None:
            return ()
        numbers[copy[0]] += 1
        copies.append(Copy(name, copy[0], numbers[copy[0]], *copy[1:]))
    return tuple(copies)


def _copy(pool: Pool, name: str, disks: Mapping[str, Any]) -> tuple[str, int, str, ContentDigest, str] | None:
    """Disk, capacity, format, digest and stamp of a volume; None if its content is not what was recorded."""
    parsed, volume = VolumeName.parse(name), pool.volume(name)
    facts = disks.get(parsed.disk, {}) if parsed else {}
    expected = ContentDigest.in_facts(facts, GUEST)
    if parsed is None or volume is None or volume.backing_path or not expected.known:
        return None
    capacity = int(facts["virtualSize"])
    try:
        digest = digest_of_volume(pool, volume, capacity, volume.format, plain=expected.is_plain)
    except SourceError:
        return None
    return (parsed.disk, capacity, volume.format, digest, stamp(volume)) if digest.agrees(expected) else None
