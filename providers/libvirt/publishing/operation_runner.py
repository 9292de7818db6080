"""One operation on the hosts: the names it needs, and from its steps to their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes
from reconciler.providers.common.steps import COPYING, Copied, do_steps, own_step
from reconciler.providers.errors import ProviderError, SourceError
from reconciler.providers.image_files.image_sources import add_archive_digest
from reconciler.providers.libvirt.publishing.disk_sources import (
    Disk,
    MachineDisk,
    MissingDisk,
    Sources,
    is_generalized,
    virtual_size,
)
from reconciler.providers.libvirt.publishing.operation_handle import Names, Work
from reconciler.providers.libvirt.publishing.region_changes import Regions
from reconciler.providers.libvirt.publishing.region_creation import RegionMaker
from reconciler.providers.libvirt.publishing.shallow_versions import ShallowMaker, volumes_of
from reconciler.providers.libvirt.records.complete_copies import Published
from reconciler.providers.libvirt.records.documents import Documents
from reconciler.providers.libvirt.records.volume_names import choose
from reconciler.providers.protocol import Applied, Operation, ProgressCallback, Results, Step, Verb

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.hosts import Hosts
    from reconciler.providers.libvirt.settings import Settings


class Ground:
    """What every operation stands on."""

    def __init__(self, settings: Settings, hosts: Hosts, project: str) -> None:
        self.settings = settings
        self.hosts = hosts
        self.published = Published(hosts)
        self.sources = Sources(hosts, self.published, project)

    def disks(self, operation: Operation) -> list[Disk]:
        """The disks of an operation's version. Once it is published its copies can stand in for a source that is gone.

        Raises: ProviderError.
        """
        version: Attributes = operation.version or {}
        known: Mapping[str, Any] = operation.computed.get("disks", {})
        try:
            return list(self.sources.of_version(version, generalized=self.is_generalized(operation.unit)))
        except ProviderError as error:
            if not known:
                raise
            why = error.message
        return [MissingDisk(disk, int(facts["virtualSize"]), why) for disk, facts in known.items()]

    def is_generalized(self, version: Address) -> bool:
        """Whether a version's definition says that its machines are; they are where nobody can say."""
        found = self.published.document(version._replace(version="", region=""))
        return found is None or is_generalized(found.attributes)


def plan_names(ground: Ground, operation: Operation, today: Callable[[], date]) -> Work:
    """The operation with the names of all volumes it is going to make. Regions that need none are left out, and those
    whose sources cannot be had. Raises: ProviderError."""
    names: dict[Address, dict[str, tuple[str, ...]]] = {}
    disks: list[Disk] | None = None
    for step in operation.steps:
        if not step.address.region or step.planned is None:
            continue
        if step.verb in COPYING:
            try:
                disks = disks if disks is not None else ground.disks(operation)
            except ProviderError:  # whoever makes the regions will be told the same
                continue
            counts = {disk.disk: _volumes(operation, disk, step) for disk in disks}
        else:
            more = int(step.planned["replicas"]) - int((step.prior or {}).get("replicas", step.planned["replicas"]))
            counts = dict.fromkeys(operation.computed.get("disks", {}), more)
        if any(count > 0 for count in counts.values()):
            names[step.address] = _chosen(ground, step.address, counts, today())
    return Work(operation, names)


def _volumes(operation: Operation, disk: Disk, step: Step) -> int:
    replicas = int((step.planned or {})["replicas"])
    return volumes_of(disk, replicas) if _is_shallow(operation) else replicas


def _chosen(ground: Ground, region: Address, counts: Mapping[str, int], today: date) -> dict[str, tuple[str, ...]]:
    try:
        pool = ground.hosts.pool(region.region)
        pool.refresh()
        taken = set(pool.names())
    except ProviderError:  # the region will say so itself when its turn comes
        taken = set()
    chosen: dict[str, tuple[str, ...]] = {}
    for disk, count in counts.items():
        found: list[str] = []
        for _ in range(count):
            found.append(choose(region.unit, disk, today, taken))
            taken.add(found[-1])
        chosen[disk] = tuple(found)
    return chosen


def _is_shallow(operation: Operation) -> bool:
    return (operation.version or {}).get("replicationMode") == "Shallow"


class OperationRun:
    """One operation: its steps in their order, those that copy together."""

    def __init__(self, ground: Ground, work: Work, progress: ProgressCallback) -> None:
        self._ground = ground
        self._work = work
        self._operation = work.operation
        self._progress = progress
        self._documents = Documents(ground.hosts, work.operation.lineage)
        self._regions = Regions(ground.hosts, work.operation.lineage, progress)
        self._captured: list[MachineDisk] = []

    def results(self) -> Results:
        return do_steps(self._operation, self._copy, self._write_own, self._change)

    def _write_own(self, own: Step, computed: Mapping[str, Any] | None) -> Applied:
        written = self._documents.apply(own, computed)
        self._remove_source(own)
        return written

    def _remove_source(self, own: Step) -> None:
        """Removes the machine that a new generalized version was captured from, where settings say so. The version is
        complete whatever comes of that. Raises: ProviderError."""
        ground = self._ground
        wanted = ground.settings.remove_source and ground.is_generalized(own.address)
        if not (wanted and self._captured and own.verb is Verb.CREATE):
            return
        from reconciler.providers.libvirt.capture.machine_removal import remove_machine

        machine = self._captured[0]
        remove_machine(ground.hosts, machine.region, machine.machine, machine.identity)

    def _change(self, step: Step) -> Applied:
        if not step.address.region:
            return self._documents.apply(step)
        if step.verb is Verb.DELETE:
            return self._regions.delete(step)
        return self._regions.update(step, self._work.names.get(step.address, {}), self._recorded_sizes())

    def _recorded_sizes(self) -> dict[str, int]:
        known = self._operation.computed.get("disks", {})
        return {disk: int(facts["virtualSize"]) for disk, facts in known.items()}

    def _copy(self, steps: Sequence[Step]) -> Copied:
        """Makes the regions of `steps`."""
        operation, names = self._operation, self._work.names
        known: Mapping[str, Any] = operation.computed.get("disks", {})
        try:
            if (own := own_step(operation)) is not None:
                self._documents.require_free(own)
            disks = self._ground.disks(operation)
            _require_names(steps, disks, names)
        except ProviderError as error:
            return {step.address: error for step in steps}, None
        sizes = {disk.disk: virtual_size(disk) for disk in disks}
        if _is_shallow(operation):
            maker = ShallowMaker(self._ground.hosts, self._ground.settings.format, operation.lineage, self._progress)
            results, facts = maker.make(steps, disks, names, sizes)
        else:
            results, facts = self._maker().make(steps, disks, known, names, sizes)
        if all(isinstance(result, Applied) for result in results.values()):
            self._captured = [disk for disk in disks if isinstance(disk, MachineDisk)]
        if facts.keys() != sizes.keys():  # then no region was made
            return results, None
        recorded = {name: {**known.get(name, {}), **found} for name, found in facts.items()}
        add_archive_digest(disks, recorded)
        return results, recorded

    def _maker(self) -> RegionMaker:
        ground, operation = self._ground, self._operation
        generalized = ground.is_generalized(operation.unit)
        return RegionMaker(
            ground.hosts, ground.settings, ground.published, operation.lineage, self._progress, generalized=generalized
        )


def _require_names(steps: Sequence[Step], disks: Sequence[Disk], names: Names) -> None:
    """Raises: SourceError when there are other disks than names were chosen for."""
    for step in steps:
        if {disk.disk for disk in disks} != names.get(step.address, {}).keys():
            raise SourceError(f"the disks of {step.address.unit} have changed since it was begun", "apply again")
