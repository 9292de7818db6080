"""The `libvirt` backend: storage pools of virtualization hosts are regions, and images are volumes in them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.libvirt.configuration import Configuration, configuration_of
from reconciler.providers.libvirt.host.library import require_library
from reconciler.providers.owner import Owner, Writer
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
    from reconciler.providers.libvirt.machines.trial_machines import TrialMachines
    from reconciler.providers.libvirt.publishing.operation_runner import OperationContext

_STYLES = frozenset({"file", "disk", "snapshot", "version", "vm"})
_WORKERS = 8


def create_provider(config: ProviderConfig) -> LibvirtProvider:
    """The backend for these settings. Raises: ProviderError if libvirt is not installed."""
    require_library(config.name)
    return LibvirtProvider(configuration_of(config), str(config.project_dir))


def _today() -> date:
    return datetime.now(UTC).date()


class LibvirtProvider:
    """A `Provider` on hosts. It connects to a host when it first needs it."""

    def __init__(self, settings: Configuration, project: str, today: Callable[[], date] = _today) -> None:
        self._settings = settings
        self._project = project
        self._today = today

    @cached_property
    def _hosts(self) -> Hosts:
        from reconciler.providers.libvirt.host.hosts import Hosts

        return Hosts(self._settings)

    @cached_property
    def _context(self) -> OperationContext:
        from reconciler.providers.libvirt.publishing.operation_runner import OperationContext

        return OperationContext(self._settings, self._hosts, self._project)

    @cached_property
    def _machines(self) -> TrialMachines:
        from reconciler.providers.libvirt.machines.trial_machines import TrialMachines, copies_in

        return TrialMachines(self._hosts, lambda region: copies_in(self._hosts, region))

    def capabilities(self) -> Capabilities:
        return Capabilities(
            regions=frozenset(self._settings.hosts),
            sources=_STYLES,
            sharing=frozenset({"Private"}),
            replication_modes=frozenset({"Full", "Shallow"}),
            workers=_WORKERS,
            keeps_protection=True,
            stages_replacements=True,
        )

    def scan(self, scope: Scope, progress: ProgressCallback | None = None) -> Scan:
        from reconciler.providers.libvirt.scanning import scan

        return scan.scan(self._hosts, scope, progress)

    def read(self, address: Address) -> Observed | None:
        from reconciler.providers.libvirt.scanning import scan

        return scan.read(self._hosts, address)

    def source_identity(self, source: Mapping[str, Any]) -> str:
        return self._context.sources.identity(source)

    def source_facts(self, source: Mapping[str, Any], definition: Attributes | None = None) -> SourceFacts:
        return self._context.sources.facts(source, definition)

    def source_digest(
        self, source: Mapping[str, Any], progress: Callable[[int, int], None] | None = None, *, plain: bool = False
    ) -> ContentDigest:
        return self._context.sources.digest(source, progress, plain=plain)

    def begin(self, operation: Operation, progress: ProgressCallback) -> Done | InProgress:
        """Chooses the names of the volumes to be created, and leaves their creation to `poll`, so that the journal has
        the names first. An operation that creates no volumes is done at once."""
        from reconciler.providers.libvirt.publishing.operation_runner import OperationRunner, choose_names

        handle = choose_names(self._context, operation, self._today, progress)
        if handle.names:
            return InProgress(handle.encode(), 0)
        return Done(OperationRunner(self._context, handle, progress).results())

    def poll(self, handle: Mapping[str, Any], writer: Writer, progress: ProgressCallback) -> Done:
        """Runs the whole operation. After an interruption it starts again, and first removes incomplete volumes."""
        from reconciler.providers.libvirt.publishing.operation_handle import OperationHandle
        from reconciler.providers.libvirt.publishing.operation_runner import OperationRunner

        return Done(OperationRunner(self._context, OperationHandle.decode(handle, writer), progress).results())

    def claim(self, regions: Collection[str], writer: Writer) -> Mapping[str, str]:
        from reconciler.providers.libvirt.host import places

        hosts = self._hosts.for_writer(writer)
        return {region: places.claim(hosts.pool_to_fill(region)) for region in sorted(regions)}

    def tidy(self, addresses: Sequence[Address], writer: Writer, declared: Collection[Address] = ()) -> None:  # noqa: ARG002 - the protocol's
        from reconciler.providers.common import containers
        from reconciler.providers.libvirt.publishing.region_changes import RegionChanges
        from reconciler.providers.libvirt.records.containers import ContainerSidecars

        regions = RegionChanges(self._hosts, writer, lambda *_: None)
        containers.tidy(addresses, ContainerSidecars(self._hosts, writer), regions)

    def create_machine(self, order: MachineOrder) -> Machine:
        return self._machines.create(order)

    def delete_machine(self, name: str, region: str, owner: Owner) -> bool:
        return self._machines.delete(name, region, owner)

    def machines(self, region: str) -> Sequence[Machine]:
        return self._machines.all(region)

    def machine_output(self, name: str, region: str, owner: Owner) -> bytes:
        return self._machines.output(name, region, owner)

    def close(self) -> None:
        if "_hosts" in self.__dict__:
            self._hosts.close()
