"""A project with any manifests on an emulator of its own: written, planned and applied for real."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from support.azure.azurite import RunningAzurite
from support.azure.world import ACCOUNT_ID, COMPUTE_ID, AzureWorld
from support.estates import Document

from reconciler.applying.context import Interrupt
from reconciler.drift.report import DriftReport
from reconciler.engine import AppliedPlan, Engine
from reconciler.errors import PlanRefused
from reconciler.manifests.errors import ManifestError
from reconciler.manifests.trust import Trust
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.providers.azure.images.vhd import footer
from reconciler.state.records import Record

MANIFEST = "manifests/all.yaml"
_DISKS = "2024-03-02"
_MACHINES = "2024-07-01"


class CloudProject:
    """`world` is what the provider reaches; `write` the manifests, then `plan` and `apply` as the commands do."""

    def __init__(self, folder: Path, azurite: RunningAzurite) -> None:
        (folder / "manifests").mkdir(parents=True)
        self.folder = folder
        self.trust = Trust()
        self.azurite = azurite
        self.world = AzureWorld(folder, azurite)
        provider = {"type": "emulator", **self.world.settings}
        project = {"project": "test", "manifests": ["manifests"], "provider": provider}
        (folder / "reconciler.yaml").write_text(yaml.safe_dump(project))

    def write(self, *documents: Document) -> None:
        """Replaces the manifests by these documents."""
        (self.folder / MANIFEST).write_text(yaml.safe_dump_all(documents, sort_keys=False))

    def plan(self, **options: Any) -> Plan:
        with Engine(self.folder, trust=self.trust) as engine:
            return engine.plan(PlanOptions(**options))

    def apply(self, *documents: Document, **options: Any) -> AppliedPlan:
        """Applies the manifests, after replacing them by documents if there are any."""
        if documents:
            self.write(*documents)
        with Engine(self.folder, trust=self.trust) as engine:
            return engine.apply(PlanOptions(**options), lambda _: True, Interrupt())

    def apply_until_done(self, *documents: Document, **options: Any) -> dict[str, str]:
        """Applies completely, and checks that nothing is left to do; returns the actions by address."""
        outcome = self.apply(*documents, **options)
        assert outcome.result is None or outcome.result.complete, outcome.result
        left = self.plan()
        assert [(str(one.address), one.action, one.changes) for one in left.changes] == []
        assert not left.unreachable
        return {str(change.address): change.action.value for change in outcome.plan.changes}

    def failure(self, *documents: Document, **options: Any) -> str:
        """Message and remedy of an apply that fails for one object."""
        result = self.apply(*documents, **options).result
        assert result is not None
        ((_, error), *_) = result.failed
        return f"{error.message}; {error.remedy}"

    def refused(self, *documents: Document, **options: Any) -> str:
        """The problems for which the documents are refused before any request, each with its place."""
        self.write(*documents)
        objects = self.world.objects()
        with pytest.raises((ManifestError, PlanRefused)) as refusal:
            self.apply(**options)
        assert self.world.objects() == objects
        error = refusal.value
        assert isinstance(error, ManifestError | PlanRefused)
        return "\n".join(_told(error))

    def destroy(self) -> None:
        """Deletes everything, and checks that nothing is left."""
        result = self.apply(destroy=True, allow_deletes=99).result
        assert result is not None
        assert result.complete, result
        assert self.world.objects() == []

    def drift(self) -> DriftReport:
        with Engine(self.folder, trust=self.trust) as engine:
            return engine.drift()

    def records(self) -> dict[str, Record]:
        with Engine(self.folder, trust=self.trust) as engine:
            return {str(address): record for address, record in engine.state().records.items()}

    # What a version can be made from, of somebody else's making. Each gives its id.

    def disk(self, name: str, *, kind: str = "disks", size_gb: int = 1, **properties: Any) -> str:
        body = {"creationData": {"createOption": "Empty"}, "diskSizeGB": size_gb, "osType": "Linux"}
        return self._put(f"{kind}/{name}", {"hyperVGeneration": "V2", **body, **properties}, _DISKS)

    def managed_image(self, name: str, **os_disk: Any) -> str:
        disk = {"osType": "Linux", "osState": "Generalized", "managedDisk": {"id": self.disk(f"of-{name}")}}
        profile = {"osDisk": {**disk, **os_disk}}
        return self._put(f"images/{name}", {"storageProfile": profile, "hyperVGeneration": "V2"}, _MACHINES)

    def virtual_machine(self, name: str, *, generalized: bool) -> str:
        disk = {"createOption": "Attach", "osType": "Linux", "managedDisk": {"id": self.disk(f"of-{name}")}}
        body = {"hardwareProfile": {"vmSize": "Standard_D2s_v5"}, "storageProfile": {"osDisk": disk}}
        vm = self._put(f"virtualMachines/{name}", body, _MACHINES)
        for action in ("deallocate", "generalize") if generalized else ():
            self.world.call("POST", f"{vm}/{action}", None, _MACHINES)
        return vm

    def blob(self, name: str, size: int = 8 << 20) -> dict[str, Any]:
        """An empty disk in a blob, as a version names it."""
        with self.azurite.client() as client:
            container = client.create_container(f"theirs-{uuid4().hex[:12]}")
            blob = container.get_blob_client(name)
            blob.create_page_blob(size + 512)
            blob.upload_page(footer(size, "00" * 32), size, 512)
            return {"vhd": {"uri": blob.url, "storageAccount": ACCOUNT_ID}}

    def _put(self, path: str, properties: dict[str, Any], api_version: str) -> str:
        body = {"location": "eastus", "properties": properties}
        made: str = self.world.call("PUT", f"{COMPUTE_ID}/{path}", body, api_version)["id"]
        return made


def _told(error: ManifestError | PlanRefused) -> Iterator[str]:
    if isinstance(error, ManifestError):
        yield from map(str, error.diagnostics)
        return
    yield from map(str, error.plan.errors)
    for change in error.plan.changes:
        if change.block:
            yield f"{change.address}: {change.block.why}; {change.block.remedy}"


@contextmanager
def cloud_project(folder: Path, azurite: RunningAzurite) -> Iterator[CloudProject]:
    """A project for as long as this lasts."""
    project = CloudProject(folder, azurite)
    try:
        yield project
    finally:
        project.world.close()
