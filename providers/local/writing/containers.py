"""The descriptions of galleries, definitions and versions in the directories of their home regions."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.manifests.address import Address
from reconciler.providers.common.descriptions import ObjectDescription, Unreadable
from reconciler.providers.common.ownership import require_mark, require_not_newer
from reconciler.providers.errors import ObjectConflict
from reconciler.providers.local.descriptions import Description, read_description, write_description
from reconciler.providers.local.directories import object_names
from reconciler.providers.local.directories.folders import failure, make_folder, open_folder, remove_empty_folders
from reconciler.providers.local.directories.object_paths import ObjectPaths
from reconciler.providers.owner import Writer


class ContainerFiles:
    """A `ContainerStore` in directories, for one writer."""

    def __init__(self, paths: ObjectPaths, writer: Writer) -> None:
        self._paths = paths
        self._writer = writer

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
            make_folder(path, object_names.folder(address)) as folder,
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
            self._discard_unfinished(folder, name)
            description = self._container(folder, address, home).read()
            if description is not None:
                require_not_newer(description.fence, self._writer, address)
                self._writer.require_lease()
                os.unlink(name, dir_fd=folder)
                os.fsync(folder)
        remove_empty_folders(path, folders)

    def tidy(self, address: Address) -> None:
        """Removes an unfinished description, which never got its name. Raises: ProviderError."""
        for region in self._paths.present():
            path, folders = self._paths.regions.path(region), object_names.folder(address)
            with (
                self._explaining(f"to tidy {address}", address, region),
                contextlib.suppress(FileNotFoundError),
                open_folder(path, folders) as folder,
            ):
                self._discard_unfinished(folder, object_names.description_file(address))
            remove_empty_folders(path, folders)

    def _container(self, folder: int, address: Address, region: str) -> ContainerFile:
        return ContainerFile(folder, region, self._writer, address)

    def _discard_unfinished(self, folder: int, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(object_names.new_name(name, self._writer.lineage), dir_fd=folder)

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

    def read(self) -> Description | None:
        """As `Container.read`."""
        name = object_names.description_file(self.address)
        try:
            description, _ = read_description(name, self.folder)
        except FileNotFoundError:
            return None
        except Unreadable as error:
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
        status = write_description(self.folder, name, written, self.writer.lineage)
        stamps = [(name, object_names.stamp(status))]
        return (
            object_names.object_id(self.region, address),
            object_names.fingerprint(self.region, object_names.folder(address), stamps),
        )
