"""What a backend offers: `Reader` only reads, `Provider` also acts.

A unit is what one call acts on: a gallery, a definition, or a version together with its target regions. An operation
carries the steps for one unit, so that a backend can read a source once for all regions, or change all regions with
one request, while each region still has a result of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes
from reconciler.providers.bound_sources import BoundSource
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import ProviderError
from reconciler.providers.image_contents import ImageContents
from reconciler.providers.owner import Owner, OwnerMark, Writer


class Condition(StrEnum):
    """The condition of an observed object."""

    READY = "ready"
    INCOMPLETE = "incomplete"  # started and not finished: nobody should use it
    DAMAGED = "damaged"  # finished once, and changed since
    BUSY = "busy"  # the backend is still working on it


@dataclass(frozen=True, slots=True)
class Observed:
    """One object as the provider sees it.

    `fingerprint` changes whenever the object may have changed. `canonical` is the canonical JSON of its attributes in
    the manifests' vocabulary. `computed` is what the provider found out (digests, sizes), canonical JSON as well.
    `defects` are sentences about what is wrong; empty when the condition is READY. `protected`: its description says
    that it must not be deleted or replaced. `fence` is that of the run that wrote it last; 0 where that is not known.
    `mark_lost`: the description that named the owner is lost, and nothing in the object can be anyone else's: it
    belongs to the state that has a record of it.
    """

    address: Address
    object_id: str
    mark: OwnerMark | None
    fingerprint: str
    canonical: str
    condition: Condition = Condition.READY
    defects: tuple[str, ...] = ()
    computed: str = "{}"
    protected: bool = False
    fence: int = 0
    mark_lost: bool = False

    @property
    def attributes(self) -> Attributes:
        attributes: Attributes = json.loads(self.canonical)
        return attributes


@dataclass(frozen=True, slots=True)
class Scope:
    """What a scan is about.

    `wanted` maps each address to the fingerprint recorded for it, or None: an object whose fingerprint is still the
    recorded one is only counted as matching. `unmanaged`: also report objects outside `wanted`. `deep`: read every
    byte again and compare digests; then nothing is `matching`. `places` maps each region in which something is recorded
    to the recorded identity of the place behind it (see `Provider.claim`): a region whose place is another one now is
    unreachable, and everything in it is unknown.
    """

    wanted: Mapping[Address, str | None]
    unmanaged: bool = False
    deep: bool = False
    places: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scan:
    """The answer to a Scope: a wanted address is in `observed`, in `matching`, below an address or at a region in
    `unreachable` (address -> why), or else certainly absent. `unmanaged` is sorted by address.

    `perhaps_in`: for a gallery, definition or version that is unreachable, and certainly in no region that answered,
    the regions that it may be in.
    """

    observed: Mapping[Address, Observed] = field(default_factory=dict)
    matching: frozenset[Address] = frozenset()
    unreachable: Mapping[Address, str] = field(default_factory=dict)
    unmanaged: tuple[Observed, ...] = ()
    perhaps_in: Mapping[Address, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do; the plan refuses the rest.

    `regions`: canonical names it offers, None for any. `sources`: the source styles it accepts. `sharing`: the sharing
    permissions it can express. `replication_modes`: of `Full` and `Shallow`. `encryption`: whether it encrypts copies
    with the user's own keys. `alike`: attributes that two definitions must share for a version of one to be built from
    a version of the other. `workers`: how many operations it handles best at a time. `patience_s`: how long one of them
    may take. `keeps_protection`: objects say in their descriptions whether they are protected. `stages_replacements`: a
    REPLACE of a version makes and verifies all new copies before it removes an old one. `home_region_fixed`: the copies
    in a version's home region cannot be replaced on their own, only together with the version.
    `regions_need_permission`: a region is removed from a version, or replaced, only if the version's safety profile
    allows it. `largest_disk_bytes`: replication mode -> how large a disk may be; any size for one that is left out.
    """

    regions: frozenset[str] | None
    sources: frozenset[str]
    sharing: frozenset[str] = frozenset({"Private"})
    replication_modes: frozenset[str] = frozenset({"Full"})
    encryption: bool = False
    alike: frozenset[str] = frozenset()
    workers: int = 10
    patience_s: float = 6 * 3600.0
    keeps_protection: bool = False
    stages_replacements: bool = False
    home_region_fixed: bool = False
    regions_need_permission: bool = False
    largest_disk_bytes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What a disk source is, before anything is copied. Sizes in bytes; `size` is what a copy moves at most.

    `identity` changes whenever the content may have changed (cheap: no content is read). `removes`: what is removed, by
    the provider's settings, once a new version has been made from this source in all its regions; a phrase for each
    thing, such as "machine gen on host1 with 2 volumes". `revision` is for sources whose content cannot be read from
    here: what else distinguishes one content from another, such as a unique id, the time of creation and an etag.
    `firmware`: what the machine that it comes from boots with, `efi` or `bios`; empty if that is not known. `warnings`
    are sentences about what the source says and the image will not have, for a plan to show. `largest_disk` is the
    virtual size of the largest of its disks; 0 if that is not known. `contents` are those of the OS disk; None
    where they cannot be read from here.
    """

    size: int
    virtual_size: int
    format: str
    identity: str
    removes: tuple[str, ...] = ()
    revision: str = ""
    firmware: str = ""
    warnings: tuple[str, ...] = ()
    largest_disk: int = 0
    contents: ImageContents | None = None


class Verb(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"  # a target region: the content is recreated, with as short a gap as the backend can manage; or,
    # where the backend stages replacements, a version together with its regions, or a gallery or definition around what
    # it contains
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Step:
    """One node's part of an operation. `planned` is what it must be afterwards (None for a delete), `prior` what it was
    (None for a create). A CREATE that finds our own object, finished or not, makes it what is planned; one that finds
    any other fails with ObjectConflict. A DELETE checks the mark at that moment, and succeeds when the object is gone.

    `write_flags` are the flags that the manifest sends along with a write (`restore`, `allowUpdateImage`).
    `makes_room`: a DELETE after which an object of the same name is created, so that nothing may keep the name taken.
    `protect`: what the object's description is to say, where the backend keeps that (`Capabilities.keeps_protection`).
    `recorded`: the state has a record of this object, so that one that was observed with `mark_lost` is ours.
    `repairs`: a REPLACE whose only reason are damaged copies: those that are found whole stay.
    """

    verb: Verb
    address: Address
    planned: Attributes | None = None
    prior: Attributes | None = None
    object_id: str = ""
    write_flags: tuple[str, ...] = ()
    makes_room: bool = False
    protect: bool = False
    recorded: bool = False
    repairs: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """The steps for one unit, in the order in which they make sense: a version before its regions, deletes in reverse.
    `writer` is the run that they are done for.

    When the unit is a version, `version` has its attributes, the sources among them, and `computed` what was recorded
    of its disks at the first copy (empty before): later copies must have the same digests. `removes` is what the plan
    has said that making the version also removes (`SourceFacts.removes`): nothing else may be removed. `replacement`
    has the attributes of what is created in its place after an operation that makes room: a backend that has to delete
    first makes sure of their sources before it does. `sources` are the contents that were planned for disks without a
    recorded one: a provider refuses others before a copy becomes visible.
    """

    unit: Address
    writer: Writer
    steps: tuple[Step, ...]
    version: Attributes | None = None
    computed: Mapping[str, Any] = field(default_factory=dict)
    removes: tuple[str, ...] = ()
    replacement: Attributes | None = None
    sources: tuple[BoundSource, ...] = ()

    @property
    def lineage(self) -> str:
        return self.writer.lineage


@dataclass(frozen=True, slots=True)
class Applied:
    """A node after its step: `canonical` must equal what was planned. For a delete everything is empty. `removed` are
    those of `Operation.removes` that were removed."""

    object_id: str = ""
    fingerprint: str = ""
    canonical: str = "{}"
    computed: str = "{}"
    removed: tuple[str, ...] = ()


Results = Mapping[Address, "Applied | ProviderError"]


@dataclass(frozen=True, slots=True)
class Done:
    """The operation is over: one result for each step."""

    results: Results


@dataclass(frozen=True, slots=True)
class InProgress:
    """The operation continues. `handle` is plain JSON without secrets, and enough for another process to `poll` with.
    `results` holds the steps that are already over. Poll again after `retry_after_s` seconds."""

    handle: Mapping[str, Any]
    retry_after_s: float
    results: Results = field(default_factory=dict)


ProgressCallback = Callable[[Address, int, int], None]
"""Called with an address, bytes done and bytes in total; often, from any thread, and must return at once."""


class Reader(Protocol):
    """Reads, and cannot change anything."""

    def capabilities(self) -> Capabilities:
        """What the backend can do."""
        ...

    def scan(self, scope: Scope, progress: ProgressCallback | None = None) -> Scan:
        """Everything in `scope`, in bulk. What could not be asked is in `unreachable`, never absent."""
        ...

    def read(self, address: Address) -> Observed | None:
        """One object, or None when it is certainly absent. Raises: Unavailable when in doubt."""
        ...

    def source_identity(self, source: Mapping[str, Any]) -> str:
        """The `identity` that source_facts would give, without reading content; empty when the source is missing."""
        ...

    def source_facts(self, source: Mapping[str, Any], definition: Attributes | None = None) -> SourceFacts:
        """What a `source` of a manifest is. `definition` has the attributes of the image definition when the source is
        the whole image or the OS disk of a new version: then a source that does not fit them is refused as well.

        Raises: SourceError when it is missing, is not a disk image or does not fit; Unsupported; Unavailable.
        """
        ...

    def source_digest(
        self, source: Mapping[str, Any], progress: Callable[[int, int], None] | None = None, *, plain: bool = False
    ) -> ContentDigest:
        """The digest of a source's content, all of whose data is read; if `plain`, with the sha256 of all its bytes.

        A backend that only knows plain digests gives those. Raises: as source_facts.
        """
        ...


class Provider(Reader, Protocol):
    """Reads and acts. `begin` and `poll` run in worker threads, several at a time, but never two for one unit.

    A provider calls `Writer.require_lease` right before every effect, and touches nothing that a run with a greater
    fence has written.
    """

    def claim(self, regions: Collection[str], writer: Writer) -> Mapping[str, str]:
        """Region -> the identity of the place behind it: of the directory, pool or resource group that the settings
        name. Gives an identity to a place that has none, as by a marker file. Called before the first object is created
        in a region in which nothing is recorded; a backend whose places have no identity leaves regions out. Without
        regions: the place of what is in no region, under an empty name, where a backend has just one place.

        Raises: ProviderError.
        """
        ...

    def begin(self, operation: Operation, progress: ProgressCallback) -> Done | InProgress:
        """Carries out the operation, or starts it. A step that fails is in the results; raising fails all steps."""
        ...

    def poll(self, handle: Mapping[str, Any], writer: Writer, progress: ProgressCallback) -> Done | InProgress:
        """The state of an operation that was left in progress."""
        ...

    def tidy(self, addresses: Sequence[Address], writer: Writer, declared: Collection[Address] = ()) -> None:
        """Removes what interrupted operations of this owner left at these addresses: never a complete object, and
        nothing that belongs to anyone else. Called under a lease, before the world is observed. What is left of an
        address that is still `declared`, and so is created next, may stay if that can continue from it.

        Raises: ProviderError.
        """
        ...

    def close(self) -> None:
        """Closes connections and removes temporary files."""
        ...


@dataclass(frozen=True, slots=True)
class MachineOrder:
    """A machine to be created from a target region's copies of a version: `image` is the region's address.

    `definition` and `version` are the attributes of those that the image belongs to, `computed` what is recorded of the
    version's disks. `user`, `ssh_keys` and `host_name` are for generalized images. `network` is a name that the
    region's host knows; empty for none.
    """

    name: str
    image: Address
    owner: Owner
    definition: Attributes
    version: Attributes
    computed: Mapping[str, Any]
    cpus: int
    memory_mib: int
    user: str = ""
    ssh_keys: tuple[str, ...] = ()
    host_name: str = ""
    network: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that was created from an image. `state` is a word for people, `host` what they call its host, `console`
    the command that opens its console; `notes` are what they should know about how it was created."""

    name: str
    mark: OwnerMark
    state: str
    host: str
    console: str
    notes: tuple[str, ...] = ()


@runtime_checkable
class Machines(Protocol):
    """What a backend also offers if it runs machines itself: to try an image, not to manage machines."""

    def create_machine(self, order: MachineOrder) -> Machine:
        """Creates a machine and starts it. Nothing is left of one that cannot be created.

        Raises: ObjectConflict when the name is taken; Unsupported; ProviderError.
        """
        ...

    def delete_machine(self, name: str, region: str, owner: Owner) -> bool:
        """Stops and removes a machine with everything it wrote; False when there is none.

        Raises: ObjectConflict when another state created it, or it bears no mark of this one's key; ProviderError.
        """
        ...

    def machines(self, region: str) -> Sequence[Machine]:
        """The machines created from images in a region, from any state, sorted by name.

        Raises: ProviderError.
        """
        ...

    def machine_output(self, name: str, region: str, owner: Owner) -> bytes:
        """What a machine has written to its serial console, the latest megabytes. Raises: as delete_machine."""
        ...
