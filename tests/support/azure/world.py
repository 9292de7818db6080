"""A world for the provider contract behind Azure's API: an emulator with TLS, and Azurite."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from support.azure.azurite import RunningAzurite
from support.azure.quiet_forks import keep_quiet_in_forks

from reconciler.manifests.address import Address
from reconciler.providers.azure.azurite import ACCOUNT
from reconciler.providers.azure.images.staging import Staging
from reconciler.providers.azure.storage_settings import StorageSettings
from reconciler.providers.emulator.core.arm import ArmRequest, Body
from reconciler.providers.emulator.core.clock import Durations
from reconciler.providers.emulator.core.injected_faults import Fault
from reconciler.providers.emulator.core.resources import DEFINITION, GALLERY, VERSION
from reconciler.providers.emulator.core.store import Resource
from reconciler.providers.emulator.gallery.publishing_profile import region_of
from reconciler.providers.emulator.gallery.replication import COMPLETED, state_of
from reconciler.providers.emulator.server import EmulatorSettings, start
from reconciler.providers.image_files.image_sources import FileSources
from reconciler.providers.protocol import Provider
from reconciler.testing.operations import writer_of
from reconciler.testing.providers import new_provider
from reconciler.testing.worlds import Stray

GROUP = "images"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
GROUP_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
COMPUTE_ID = f"{GROUP_ID}/providers/Microsoft.Compute"
ACCOUNT_ID = f"{GROUP_ID}/providers/Microsoft.Storage/storageAccounts/{ACCOUNT}"
STRANGE_REGION = "uksouth"


class AzureWorld:
    """A subscription of its own, in this process, so that the tests can inspect it."""

    def __init__(self, folder: Path, azurite: RunningAzurite) -> None:
        self.folder = folder
        self._azurite = azurite
        self._providers: list[Provider] = []
        self.emulator = start(EmulatorSettings(folder / "emulator", time_scale=0))
        keep_quiet_in_forks(self.emulator)
        self.container = f"images-{uuid4().hex[:12]}"
        self.call("PUT", GROUP_ID, {"location": "eastus"}, "2024-11-01")
        self._contents: list[bytes] = []
        self._before = dict(os.environ)
        os.environ |= {
            "RECONCILER_EMULATOR_TENANT_ID": self.emulator.tenant,
            "RECONCILER_EMULATOR_CLIENT_ID": self.emulator.client_id,
            "RECONCILER_EMULATOR_CLIENT_SECRET": self.emulator.client_secret,
        }

    def close(self) -> None:
        for provider in self._providers:
            provider.close()
        os.environ.clear()
        os.environ.update(self._before)
        self.emulator.stop()

    @property
    def settings(self) -> dict[str, Any]:
        """The provider's settings in a project file, except for its type."""
        storage = {"account": ACCOUNT_ID, "container": self.container, "endpoint": self._azurite.endpoint}
        named = {"endpoint": self.emulator.endpoint, "ca": str(self.emulator.ca)}
        return {**named, "subscription": SUBSCRIPTION, "resourceGroup": GROUP, "storage": storage}

    def provider(self) -> Provider:
        self._providers.append(new_provider("emulator", self.settings, self.folder))
        return self._providers[-1]

    def call(self, method: str, path: str, body: Any = None, api_version: str = "2026-03-03", **query: str) -> Body:
        """A request without HTTP; an asynchronous operation is done when this returns."""
        query = {"api-version": api_version, **query}
        answer = self.emulator.service.handle(ArmRequest(method, path, query, body)).body
        with self.emulator.service.store.transaction():
            self.emulator.service.advance()
        return answer or {}

    def set_time_scale(self, scale: float) -> None:
        """Sets how long operations take from now on, relative to the real service."""
        self.emulator.service.durations = Durations(scale=scale)

    # Sources.

    def image(self, name: str, content: bytes) -> Mapping[str, Any]:
        path = self.folder / "images" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        self._contents.append(content)
        return {"file": f"images/{name}"}

    def remove_image(self, source: Mapping[str, Any]) -> None:
        (self.folder / source["file"]).unlink()

    # Looking past the provider.

    def version(self, address: Address) -> Resource | None:
        with self.emulator.service.store.transaction():
            return self.emulator.service.store.get(_id(address.unit))

    def copies(self, region: Address) -> list[bytes]:
        version = self.version(region)
        leg = version.hidden["regions"].get(region.region) if version else None
        if version is None or leg is None or state_of(leg, self.emulator.service.clock.now()) != COMPLETED:
            return []
        if version.properties["publishingProfile"].get("replicationMode") == "Shallow":
            return []
        profile = version.properties["publishingProfile"]["targetRegions"]
        (count,) = (one["regionalReplicaCount"] for one in profile if region_of(one) == region.region)
        blobs: Any = self.emulator.service.blobs
        disk = blobs.path(version.hidden["disks"]["os"]["content"]).read_bytes()
        return [self._content(disk)] * count

    def _content(self, disk: bytes) -> bytes:
        """The image in a fixed VHD, which has zeros up to a whole MiB and a footer after it."""
        assert disk[-512:].startswith(b"conectix")
        padded = disk[:-512]
        assert len(padded) % (1 << 20) == 0
        return next((one for one in reversed(self._contents) if padded == one.ljust(len(padded), b"\0")), padded)

    def objects(self) -> list[str]:
        store = self.emulator.service.store
        with store.transaction():
            found = [one.key for kind in (GALLERY, DEFINITION, VERSION) for one in store.of_type(kind)]
            found += [f"{one.key}@{region}" for one in store.of_type(VERSION) for region in one.hidden["regions"]]
        found += [path.name for path in sorted((self.folder / "emulator" / "disks").iterdir())]
        return sorted(found) + self._blobs()

    def _blobs(self) -> list[str]:
        from azure.core.exceptions import ResourceNotFoundError

        with self._azurite.client() as client:
            try:
                return [f"staging {one}" for one in client.get_container_client(self.container).list_blob_names()]
            except ResourceNotFoundError:
                return []

    # The hands of others.

    def make_foreign(self, address: Address) -> None:
        self.call("PUT", _id(Address(address.gallery)), {"location": "eastus"})
        if not address.definition:
            return
        identifier = {"publisher": "a", "offer": "b", "sku": "c"}
        properties = {"osType": "Linux", "osState": "Generalized", "hyperVGeneration": "V2", "identifier": identifier}
        place = {"location": "eastus"}
        self.call("PUT", _id(address._replace(version="", region="")), {**place, "properties": properties})
        if not address.version:
            return
        snapshot = {"creationData": {"createOption": "Empty"}, "diskSizeGB": 1, "osType": "Linux"}
        self.call("PUT", f"{COMPUTE_ID}/snapshots/theirs", {**place, "properties": snapshot}, "2024-03-02")
        source = {"storageProfile": {"osDiskImage": {"source": {"id": f"{COMPUTE_ID}/snapshots/theirs"}}}}
        self.call("PUT", _id(address.unit), {**place, "properties": source})

    def add_region(self, version: Address, region: str) -> None:
        """Another client adds a target region to a version."""
        shown = self.call("GET", _id(version))
        regions = [*shown["properties"]["publishingProfile"]["targetRegions"], {"name": region}]
        self.call("PATCH", _id(version), {"properties": {"publishingProfile": {"targetRegions": regions}}})

    def add_stray(self, region: Address) -> Stray:
        self.add_region(region.unit, STRANGE_REGION)
        stray = region._replace(region=STRANGE_REGION)
        return Stray(STRANGE_REGION, lambda: self.copies(stray) != [])

    def damage(self, region: Address) -> None:
        """The copies in a region fail."""
        version = self.version(region)
        assert version is not None
        version.hidden["regions"][region.region]["fails"] = "the copies cannot be read"
        version.properties["provisioningState"] = "Failed"
        with self.emulator.service.store.transaction():
            self.emulator.service.store.put(version)

    truncate = lose = damage

    def leave_unfinished(self, region: Address, lineage: str, fence: int = 0) -> None:
        """An interrupted upload."""

        class CutOffError(Exception):
            pass

        def cut(_done: int, _total: int) -> None:
            raise CutOffError

        source = self.image("half.raw", b"half of it".ljust(4 << 20, b"\1"))
        (disk,) = FileSources(str(self.folder)).disks(source, None)
        staging = Staging(StorageSettings(ACCOUNT_ID, self.container, self._azurite.endpoint))
        with contextlib.suppress(CutOffError):
            staging.stage(disk, writer_of(lineage, fence), region.unit, cut)
        staging.close()
        assert self._blobs()

    def _faults(self, *faults: Fault) -> contextlib.AbstractContextManager[None]:
        @contextlib.contextmanager
        def set_for_a_while() -> Iterator[None]:
            self.emulator.service.faults.set(faults)
            try:
                yield
            finally:
                self.emulator.service.faults.set(())

        return set_for_a_while()

    def unreachable(self) -> contextlib.AbstractContextManager[None]:
        return self._faults(Fault("drop", times=0))

    def failing(self, region: str) -> contextlib.AbstractContextManager[None]:
        return self._faults(Fault("fail-region", region=region, times=0))


def _id(address: Address) -> str:
    gallery = f"{COMPUTE_ID}/galleries/{address.gallery}"
    if not address.definition:
        return gallery
    definition = f"{gallery}/images/{address.definition}"
    return f"{definition}/versions/{address.version}" if address.version else definition
