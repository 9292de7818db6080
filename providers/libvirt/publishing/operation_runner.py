"""Runs one operation on the hosts: chooses the names of its volumes, then goes from its steps to their results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes
from reconciler.providers.bound_sources import require_same
from reconciler.providers.common.containers import apply, home_of
from reconciler.providers.common.stand_ins import disks_or_stand_ins
from reconciler.providers.common.steps import COPYING, Copied, do_steps, not_replaced, own_step
from reconciler.providers.errors import ProviderError, SourceError
from reconciler.providers.image_files.source_disks import add_archive_digest
from reconciler.providers.libvirt.publishing.disk_sources import DiskSources, is_generalized
from reconciler.providers.libvirt.publishing.disks import Disk, FoundDisk, MachineDisk, MissingDisk, virtual_size
from reconciler.providers.libvirt.publishing.operation_handle import Names, OperationHandle
from reconciler.providers.libvirt.publishing.publication import Publication
from reconciler.providers.libvirt.publishing.region_changes import RegionChanges
from reconciler.providers.libvirt.publishing.region_creation import RegionCreation
from reconciler.providers.libvirt.publishing.shallow_versions import ShallowCreation, volume_count
from reconciler.providers.libvirt.records.complete_copies import CompleteCopies
from reconciler.providers.libvirt.records.containers import ContainerSidecars
from reconciler.providers.libvirt.records.lost_descriptions import recorded_in
from reconciler.providers.libvirt.records.volume_names import choose_name
from reconciler.providers.protocol import Applied, Operation, ProgressCallback, Results, Step, Verb

if TYPE_CHECKING:
    from reconciler.providers.libvirt.configuration import Configuration
    from reconciler.providers.libvirt.host.hosts import Hosts


class OperationContext:
    """What all operations of a provider share."""

    def __init__(self, settings: Configuration, hosts: Hosts, project: str) -> None:
        self.settings = settings
        self.hosts = hosts
        self.copies = CompleteCopies(hosts)
        self.sources = DiskSources(hosts, self.copies, project, settings.trust, remove_source=settings.remove_source)

    def disks(self, operation: Operation, progress: ProgressCallback, *, unpack: bool) -> Sequence[Disk]:
        """The disks of an operation's version: `unpack`, to be read. If it is published, its copies can stand in for a
        source that is gone.

        Raises: ProviderError.
        """
        report = partial(progress, operation.unit)
        version: Attributes = operation.version or {}

        def find() -> list[FoundDisk]:
            generalized = self.is_generalized(operation.unit)
            return self.sources.of_version(version, generalized=generalized, unpack=unpack, progress=report)

        return disks_or_stand_ins(find, operation.computed.get("disks", {}), _stand_in)

    def is_generalized(self, version: Address) -> bool:
        """Whether a version's definition declares generalized images; true if no region has the definition."""
        definition = self.copies.container(version._replace(version="", region=""))
        return definition is None or is_generalized(definition.attributes)


def _stand_in(disk: str, facts: Mapping[str, Any], why: str) -> MissingDisk:
    return MissingDisk(disk, int(facts["virtualSize"]), why)


def choose_names(
    context: OperationContext, operation: Operation, today: Callable[[], date], progress: ProgressCallback
) -> OperationHandle:
    """The operation with the names of all volumes it will create. Regions that need none are left out, and so are those
    whose sources are unavailable. Raises: ProviderError."""
    names: dict[Address, dict[str, tuple[str, ...]]] = {}
    disks: Sequence[Disk] | None = None
    for step in operation.steps:
        if not step.address.region or step.planned is None:
            continue
        if step.verb in COPYING:
            try:
                disks = disks if disks is not None else context.disks(operation, progress, unpack=False)
            except ProviderError:  # the step fails with the same error when it runs
                continue
            counts = {disk.disk: _volume_count(operation, disk, step) for disk in disks}
        else:
            more = int(step.planned["replicas"]) - int((step.prior or {}).get("replicas", step.planned["replicas"]))
            counts = dict.fromkeys(operation.computed.get("disks", {}), more)
        if any(count > 0 for count in counts.values()):
            names[step.address] = _names_for(context, step.address, counts, today())
    return OperationHandle(operation, names)


def _volume_count(operation: Operation, disk: Disk, step: Step) -> int:
    replicas = int((step.planned or {})["replicas"])
    return volume_count(disk, replicas) if _is_shallow(operation) else replicas


def _names_for(
    context: OperationContext, region: Address, counts: Mapping[str, int], today: date
) -> dict[str, tuple[str, ...]]:
    try:
        pool = context.hosts.pool(region.region)
        pool.refresh()
        taken = set(pool.names())
    except ProviderError:  # the region fails with the same error when its step runs
        taken = set()
    names: dict[str, tuple[str, ...]] = {}
    for disk, count in counts.items():
        chosen: list[str] = []
        for _ in range(count):
            chosen.append(choose_name(region.unit, disk, today, taken))
            taken.add(chosen[-1])
        names[disk] = tuple(chosen)
    return names


def _is_shallow(operation: Operation) -> bool:
    return (operation.version or {}).get("replicationMode") == "Shallow"


class OperationRunner:
    """Runs the steps of one operation in their order; those that copy run together."""

    def __init__(self, context: OperationContext, handle: OperationHandle, progress: ProgressCallback) -> None:
        self._context = context
        self._names = handle.names
        self._operation = handle.operation
        self._progress = progress
        self._recorded = recorded_in(handle.operation)
        self._containers = ContainerSidecars(context.hosts, handle.operation.writer, self._recorded)
        self._changes = RegionChanges(context.hosts, handle.operation.writer, progress, self._recorded)
        own = own_step(handle.operation)
        self._publication = Publication(together=own is not None and own.verb is Verb.REPLACE)
        self._captured: list[MachineDisk] = []

    def results(self) -> Results:
        """Runs the operation; one result for each step."""
        results = do_steps(self._operation, self._copy, self._write_own, self._change)
        return self._replaced(results) if self._publication.together else results

    def _replaced(self, results: Results) -> Results:
        """The results of replacing a version: its old volumes are removed, or it keeps them."""
        version = self._operation.unit
        why = results[version]
        if not isinstance(why, ProviderError):
            return {**results, **self._publication.clear()}
        self._publication.undo()
        return {
            address: result if isinstance(result, ProviderError) else not_replaced(address, version, why)
            for address, result in results.items()
        }

    def _write(self, step: Step, computed: Mapping[str, Any] | None = None) -> Applied:
        return apply(self._containers, self._operation.writer, step, computed, self._operation.computed)

    def _write_own(self, own: Step, computed: Mapping[str, Any] | None) -> Applied:
        written = self._write(own, computed)
        home = str((own.prior or {}).get("location", ""))
        if self._publication.together and home not in ("", home_of(own)):
            self._containers.remove(own.address, home)
        return replace(written, removed=self._remove_source(own))

    def _remove_source(self, own: Step) -> tuple[str, ...]:
        """Removes the machine that a new generalized version was captured from, if the plan has said so, and what was
        removed. The version is complete even if this fails. Raises: ProviderError."""
        context, removes = self._context, self._operation.removes
        if not (removes and self._captured and own.verb is Verb.CREATE and context.is_generalized(own.address)):
            return ()
        from reconciler.providers.libvirt.capture.machine_removal import not_as_planned, remove_machine

        machine, now = self._captured[0], context.sources.removes(self._captured)
        if now != removes:
            raise not_as_planned(machine.machine, removes, now)
        remove_machine(context.hosts, self._operation.writer, machine.region, machine.machine, machine.identity)
        return removes

    def _change(self, step: Step) -> Applied:
        if not step.address.region:
            return self._write(step)
        if step.verb is Verb.DELETE:
            return self._changes.delete(step)
        return self._changes.update(step, self._names.get(step.address, {}), self._recorded_sizes())

    def _recorded_sizes(self) -> dict[str, int]:
        recorded = self._operation.computed.get("disks", {})
        return {disk: int(facts["virtualSize"]) for disk, facts in recorded.items()}

    def _copy(self, steps: Sequence[Step]) -> Copied:
        """Creates the regions of `steps`."""
        operation = self._operation
        recorded: Mapping[str, Any] = operation.computed.get("disks", {})
        try:
            if (own := own_step(operation)) is not None:
                self._require_free(own)
            self._require_deletable()
            disks = self._context.disks(operation, self._progress, unpack=True)
            _require_names(steps, disks, self._names)
            found = [disk for disk in disks if not isinstance(disk, MissingDisk)]
            require_same(operation.sources, {disk.disk: disk.identity for disk in found})
        except ProviderError as error:
            return {step.address: error for step in steps}, None
        sizes = {disk.disk: virtual_size(disk) for disk in disks}
        if _is_shallow(operation):
            results, facts = self._shallow_creation().create(steps, disks, self._names, sizes, operation.sources)
        else:
            bound = operation.sources
            results, facts = self._creation().create(steps, disks, recorded, self._names, sizes, bound)
        if all(isinstance(result, Applied) for result in results.values()):
            self._captured = [disk for disk in disks if isinstance(disk, MachineDisk)]
        if facts.keys() != sizes.keys():  # then no region was created
            return results, None
        merged = {name: {**recorded.get(name, {}), **new} for name, new in facts.items()}
        add_archive_digest(disks, merged)
        return results, merged

    def _require_free(self, own: Step) -> None:
        """Raises: ObjectConflict if any region has a version of this name that is not ours, before anything is copied;
        Unavailable."""
        address, home = own.address, home_of(own)
        with self._containers.opened(address, home, create=own.verb is Verb.CREATE) as container:
            container.read()
        self._containers.require_free(address, home)

    def _require_deletable(self) -> None:
        """Raises: ObjectConflict if a region that a replaced version no longer has cannot be deleted."""
        for step in self._operation.steps if self._publication.together else ():
            if step.address.region and step.verb is Verb.DELETE:
                self._changes.require_deletable(step)

    def _creation(self) -> RegionCreation:
        context, operation = self._context, self._operation
        generalized = context.is_generalized(operation.unit)
        return RegionCreation(
            context.hosts,
            context.settings,
            context.copies,
            operation.writer,
            self._progress,
            self._publication,
            generalized=generalized,
            recorded=self._recorded,
        )

    def _shallow_creation(self) -> ShallowCreation:
        context = self._context
        return ShallowCreation(
            context.hosts, context.settings.format, self._operation.writer, self._progress, self._publication
        )


def _require_names(steps: Sequence[Step], disks: Sequence[Disk], names: Names) -> None:
    """Raises: SourceError if the disks are not those that names were chosen for."""
    for step in steps:
        if {disk.disk for disk in disks} != names.get(step.address, {}).keys():
            raise SourceError(
                f"the disks of {step.address.unit} have changed since this operation started", "apply again"
            )
