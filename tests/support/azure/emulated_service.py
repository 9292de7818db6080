"""The emulated service without HTTP, for tests of its answers: with its own store, and a clock that stands still."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from reconciler.providers.emulator.assembly import create_service
from reconciler.providers.emulator.content.disk_content import DiskContents
from reconciler.providers.emulator.core.arm import ArmAnswer, ArmError, ArmRequest, Body
from reconciler.providers.emulator.core.clock import Durations, ManualClock
from reconciler.providers.emulator.core.injected_faults import Fault
from reconciler.providers.emulator.core.service import Service
from reconciler.providers.emulator.core.store import Store
from reconciler.providers.emulator.http.admin import set_faults

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
TENANT = "11111111-1111-1111-1111-111111111111"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/images"
COMPUTE = f"{GROUP}/providers/Microsoft.Compute"
DEFINITION = f"{COMPUTE}/galleries/corp/images/ubuntu"


class Emulated:
    """A service and requests to it. Paths that do not begin with a slash are below the group's compute provider."""

    def __init__(self, folder: Path, *, scale: float = 0) -> None:
        self.store = Store(folder / "emulator.db")
        self.clock = ManualClock()
        self.contents = DiskContents(folder / "disks")
        self.service: Service = create_service(
            self.store, SUBSCRIPTION, TENANT, self.contents, clock=self.clock, durations=Durations(scale)
        )

    def send(
        self, method: str, path: str, body: Any = None, *, api_version: str = "2026-03-03", **query: str
    ) -> ArmAnswer:
        full = path if path.startswith("/") else f"{COMPUTE}/{path}"
        names = {f"${name}" if name in ("expand", "filter", "select") else name: one for name, one in query.items()}
        return self.service.handle(ArmRequest(method, full, {"api-version": api_version, **names}, body))

    def put(self, path: str, properties: Mapping[str, Any] | None = None, **more: Any) -> ArmAnswer:
        """Writes a resource, in eastus unless `more` has another location."""
        return self.send("PUT", path, {"location": "eastus", "properties": properties or {}, **more})

    def get(self, path: str, **query: str) -> Body:
        body: Body = self.send("GET", path, **query).body
        return body

    def properties(self, path: str, **query: str) -> Body:
        properties: Body = self.get(path, **query)["properties"]
        return properties

    def refused(self, method: str, path: str, body: Any = None, **query: str) -> ArmError:
        """The error in the answer to a request."""
        with pytest.raises(ArmError) as caught:
            self.send(method, path, body, **query)
        return caught.value

    def put_refused(self, path: str, properties: Mapping[str, Any] | None = None, **more: Any) -> ArmError:
        return self.refused("PUT", path, {"location": "eastus", "properties": properties or {}, **more})

    def status(self, answer: ArmAnswer) -> Body:
        """The status of the operation that an answer has started."""
        path = urlsplit(answer.headers["Azure-AsyncOperation"]).path
        return self.get(path)

    def faults(self, *faults: Fault) -> None:
        """Replaces the faults."""
        set_faults(self.service, faults)

    def group(self) -> None:
        self.send("PUT", GROUP, {"location": "eastus"})

    def disk(self, name: str, *, size_gb: int = 10, location: str = "eastus", **properties: Any) -> str:
        """The id of an empty disk."""
        creation = {"createOption": "Empty"}
        self.put(f"disks/{name}", {"creationData": creation, "diskSizeGB": size_gb, **properties}, location=location)
        return f"{COMPUTE}/disks/{name}"

    def snapshot(self, name: str, source: str) -> str:
        """The id of a snapshot of a disk."""
        self.put(f"snapshots/{name}", {"creationData": {"createOption": "Copy", "sourceResourceId": source}})
        return f"{COMPUTE}/snapshots/{name}"

    def image(self, name: str, disk: str, *data: str, **os_disk: str) -> str:
        """The id of a managed image of disks."""
        first = {"osType": "Linux", "osState": "Generalized", "managedDisk": {"id": disk}, **os_disk}
        others = [{"lun": lun, "managedDisk": {"id": other}} for lun, other in enumerate(data)]
        self.put(f"images/{name}", {"storageProfile": {"osDisk": first, "dataDisks": others}})
        return f"{COMPUTE}/images/{name}"

    def virtual_machine(self, name: str, disk: str, **more: Any) -> str:
        """The id of a virtual machine with an OS disk; `more` is added to its storage profile."""
        os_disk = {"osType": "Linux", "createOption": "Attach", "managedDisk": {"id": disk}}
        profile = {"osDisk": os_disk, **more}
        self.put(
            f"virtualMachines/{name}",
            {"hardwareProfile": {"vmSize": "Standard_D2s_v5"}, "storageProfile": profile},
        )
        return f"{COMPUTE}/virtualMachines/{name}"

    def definition(self, name: str = "ubuntu", *, gallery: str = "corp", **properties: Any) -> str:
        """The id of a definition: Linux, generalized, generation 2 unless `properties` differ."""
        self.put(f"galleries/{gallery}")
        path = f"galleries/{gallery}/images/{name}"
        identifier = {"publisher": "Contoso", "offer": "Servers", "sku": name}
        usual = {"osType": "Linux", "osState": "Generalized", "hyperVGeneration": "V2", "identifier": identifier}
        self.put(path, {**usual, **properties})
        return f"{COMPUTE}/{path}"

    def version(self, profile: Mapping[str, Any], name: str = "1.0.0", definition: str = DEFINITION) -> Body:
        """The properties of a new version after its creation."""
        self.put(f"{definition}/versions/{name}", version_properties(profile))
        return self.properties(f"{definition}/versions/{name}")

    def version_refused(self, profile: Mapping[str, Any], definition: str = DEFINITION, **publishing: Any) -> ArmError:
        return self.put_refused(f"{definition}/versions/9.9.9", version_properties(profile, **publishing))


def version_properties(profile: Mapping[str, Any], **publishing: Any) -> Body:
    regions = [{"name": "eastus"}]
    return {"publishingProfile": {"targetRegions": regions, **publishing}, "storageProfile": profile}


@contextmanager
def emulated_service(folder: Path, *, scale: float = 0) -> Iterator[Emulated]:
    """A service with a resource group, for as long as this lasts."""
    emulated = Emulated(folder, scale=scale)
    try:
        emulated.group()
        yield emulated
    finally:
        emulated.store.close()
