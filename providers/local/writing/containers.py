"""The descriptions of galleries, definitions and versions in the directories of their home regions."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from reconciler.manifests.address import Address
from reconciler.providers.common.descriptions import Damaged, ObjectDescription, Unreadable
from reconciler.providers.common.ownership import require_mark, require_not_newer
from reconciler.providers.errors import ObjectConflict, Unavailable
from reconciler.providers.local.descriptions import Description, read_description, write_description
from reconciler.providers.local.directories import object_names
from reconciler.providers.local.directories.effects import make_folder, remove_empty_folders, unlink
from reconciler.providers.local.directories.folders import failure, open_folder
from reconciler.providers.local.directories.object_paths import ObjectPaths
from reconciler.providers.owner import Writer


class ContainerFiles:
    """A `ContainerStore` in directories, for one writer. `recorded`: the addresses that the state has a record of."""

    def __init__(self, paths: ObjectPaths, writer: Writer, recorded: Collection[Address] = ()) -> None:
        self._paths = paths
        self._writer = writer
        self._recorded = recorded

    def require_free(self, address: Address, home: str) -> None:
        """As `ContainerStore.require_free`."""
        for region in self._paths.present():
            if region != home and os.path.lexists(self._paths.description(address, region)):
                with (
                    self._explaining(f"to look for {address}", address, region),
                    open_folder(self._paths.regions.path(region), object_names.folder(address)) as folder,
                ):
                    self._container(folder, address, region).read()

    @contextlib.contextmanager
    def opened(self, address: Address, home: str, *, create: bool) -> Iterator[ContainerFile]:  # noqa: ARG002 - the protocol's
        """As `ContainerStore.opened`."""
        path = self._paths.regions.ready_path(home)
        with (
            self._explaining(f"to write {address}", address, home),
            make_folder(path, object_names.folder(address), self._writer) as folder,
        ):
            yield self._container(folder, address, home)

    def remove(self, address: Address, home: str) -> None:
        """As `ContainerStore.remove`."""
        path, folders = self._paths.regions.ready_path(home), object_names.folder(address)
        name = object_names.description_file(address)
        with (
            self._explaining(f"to delete {address}", address, home),
            contextlib.suppress(FileNotFoundError),
            open_folder(path, folders) as folder,
        ):
            description = self._container(folder, address, home).read()
            if description is not None:
                require_not_newer(description.fence, self._writer, address)
            for left in (object_names.hidden_name(name, "new", self._writer), name):
                unlink(folder, left, self._writer)
            os.fsync(folder)
        remove_empty_folders(path, (*folders, *((address.version,) if address.version else ())), self._writer)

    def tidy(self, address: Address) -> None:
        """Removes unfinished descriptions, which never got their name. Raises: ProviderError."""
        name = object_names.description_file(address)
        for region in self._paths.present():
            folders = object_names.folder(address)
            try:
                path = self._paths.regions.ready_path(region)
            except Unavailable:  # tidied when it can be asked again
                continue
            with (
                self._explaining(f"to tidy {address}", address, region),
                contextlib.suppress(FileNotFoundError),
                open_folder(path, folders) as folder,
            ):
                for left in os.listdir(folder):
                    unfinished = object_names.unfinished(left)
                    if unfinished and unfinished.name == name and unfinished.is_left_for(self._writer):
                        unlink(folder, left, self._writer)
            remove_empty_folders(path, folders, self._writer)

    def _container(self, folder: int, address: Address, region: str) -> ContainerFile:
        return ContainerFile(folder, region, self._writer, address, address in self._recorded)

    @contextlib.contextmanager
    def _explaining(self, doing: str, address: Address, region: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise failure(error, doing, self._paths.folder(address, region)) from error


@dataclass(frozen=True, slots=True)
class ContainerFile:
    """A `Container`: the place of one description in the open directory `folder` of `region`."""

    folder: int
    region: str
    writer: Writer
    address: Address
    recorded: bool

    def read(self) -> Description | None:
        """As `Container.read`."""
        name = object_names.description_file(self.address)
        try:
            description, _ = read_description(name, self.folder)
        except FileNotFoundError:
            return None
        except Unreadable as error:
            if self.recorded and isinstance(error, Damaged):
                return Description(None)
            raise ObjectConflict(
                f"{self.address}: {name} {error}", "check it, and move it away if no one needs it"
            ) from error
        require_mark(description.mark, self.writer.owner, self.address)
        return description

    def write(self, description: ObjectDescription) -> tuple[str, str]:
        """As `Container.write`."""
        address, name = self.address, object_names.description_file(self.address)
        written = Description(
            description.mark,
            description.attributes,
            description.computed,
            protect=description.protect,
            fence=description.fence,
        )
        status = write_description(self.folder, name, written, self.writer)
        stamps = [(name, object_names.stamp(status))]
        return (
            object_names.object_id(self.region, address),
            object_names.fingerprint(self.region, object_names.folder(address), stamps),
        )
