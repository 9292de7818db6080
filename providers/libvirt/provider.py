"""The `libvirt` backend: storage pools of hypervisor hosts are regions, and images are volumes in them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes
from reconciler.providers.libvirt.host.library import require_library
from reconciler.providers.libvirt.settings import Settings, read_settings
from reconciler.providers.protocol import (
    Capabilities,
    Done,
    InProgress,
    Machine,
    MachineOrder,
    Observed,
    Operation,
    ProgressCallback,
    Scan,
    Scope,
    SourceFacts,
)
from reconciler.providers.registry import ProviderConfig

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.hosts import Hosts
    from reconciler.providers.libvirt.machines.machine_requests import MachineRoom
    from reconciler.providers.libvirt.publishing.operation_runner import Ground

_STYLES = frozenset({"file", "disk", "snapshot", "version", "vm"})
_WORKERS = 8


def create_provider(config: ProviderConfig) -> LibvirtProvider:
    """The backend for these settings. Raises: ProviderError when they cannot be understood, or libvirt is missing."""
    settings = read_settings(config)
    require_library(config.name)
    return LibvirtProvider(settings, str(config.project_dir))


def _today() -> date:
    return datetime.now(UTC).date()


class LibvirtProvider:
    """A `Provider` on hosts. A host is only asked when something is."""

    def __init__(self, settings: Settings, project: str, today: Callable[[], date] = _today) -> None:
        self._settings = settings
        self._project = project
        self._today = today

    @cached_property
    def _hosts(self) -> Hosts:
        from reconciler.providers.libvirt.host.hosts import Hosts

        return Hosts(self._settings)

    @cached_property
    def _ground(self) -> Ground:
        from reconciler.providers.libvirt.publishing.operation_runner import Ground

        return Ground(self._settings, self._hosts, self._project)

    @cached_property
    def _machines(self) -> MachineRoom:
        from reconciler.providers.libvirt.machines.machine_requests import MachineRoom, copies_in

        return MachineRoom(self._hosts, lambda region: copies_in(self._hosts, region))

    def capabilities(self) -> Capabilities:
        return Capabilities(
            regions=frozenset(self._settings.hosts),
            sources=_STYLES,
            sharing=frozenset({"Private"}),
            replication_modes=frozenset({"Full", "Shallow"}),
            workers=_WORKERS,
        )

    def scan(self, scope: Scope, progress: ProgressCallback | None = None) -> Scan:
        from reconciler.providers.libvirt.scanning import scan

        return scan.scan(self._hosts, scope, progress)

    def read(self, address: Address) -> Observed | None:
        from reconciler.providers.libvirt.scanning import scan

        return scan.read(self._hosts, address)

    def source_identity(self, source: Mapping[str, Any]) -> str:
        return self._ground.sources.identity(source)

    def source_facts(self, source: Mapping[str, Any], definition: Attributes | None = None) -> SourceFacts:
        return self._ground.sources.facts(source, definition)

    def source_digest(self, source: Mapping[str, Any], progress: Callable[[int, int], None] | None = None) -> str:
        return self._ground.sources.digest(source, progress)

    def begin(self, operation: Operation, progress: ProgressCallback) -> Done | InProgress:
        """Chooses the names of volumes to be made, and leaves the making to `poll`, so that the journal knows them
        first. What makes none is done at once."""
        from reconciler.providers.libvirt.publishing.operation_runner import OperationRun, plan_names

        work = plan_names(self._ground, operation, self._today)
        if work.names:
            return InProgress(work.handle(), 0)
        return Done(OperationRun(self._ground, work, progress).results())

    def poll(self, handle: Mapping[str, Any], progress: ProgressCallback) -> Done:
        """Does the whole operation. After an interruption it begins again: what was made half is removed first."""
        from reconciler.providers.libvirt.publishing.operation_handle import Work
        from reconciler.providers.libvirt.publishing.operation_runner import OperationRun

        return Done(OperationRun(self._ground, Work.of(handle), progress).results())

    def tidy(self, addresses: Sequence[Address], lineage: str, declared: Collection[Address] = ()) -> None:  # noqa: ARG002 - the protocol's
        from reconciler.providers.libvirt.publishing.region_changes import Regions
        from reconciler.providers.libvirt.records.documents import Documents

        documents, regions = Documents(self._hosts, lineage), Regions(self._hosts, lineage, lambda *_: None)
        for address in addresses:
            if address.region:
                regions.tidy(address)
            else:
                documents.tidy(address)

    def create_machine(self, order: MachineOrder) -> Machine:
        return self._machines.create(order)

    def delete_machine(self, name: str, region: str, lineage: str) -> bool:
        return self._machines.delete(name, region, lineage)

    def machines(self, region: str) -> Sequence[Machine]:
        return self._machines.all(region)

    def machine_output(self, name: str, region: str, lineage: str) -> bytes:
        return self._machines.output(name, region, lineage)

    def close(self) -> None:
        if "_hosts" in self.__dict__:
            self._hosts.close()
