"""One storage pool: reads, creates and removes its volumes, and only those that the caller names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext

import libvirt

from reconciler.providers.errors import ProviderError
from reconciler.providers.libvirt.host.connections import Connection
from reconciler.providers.libvirt.host.failures import is_busy, is_missing_volume
from reconciler.providers.libvirt.host.object_names import NOWHERE, Place
from reconciler.providers.libvirt.host.volumes import Volume, volume_of, volume_xml

_LARGEST_IN_MEMORY = 8 << 20


class Pool:
    """The pool `name` of a region's host. Every call raises Unavailable if the host does not answer or the pool is
    stopped, and may be made from any thread. `place` distinguishes it from others that have, or had, its name.
    `require_lease` is called right before each change."""

    def __init__(
        self,
        region: str,
        connection: Connection,
        name: str,
        place: Place = NOWHERE,
        require_lease: Callable[[], None] = lambda: None,
    ) -> None:
        self.region, self.name, self.connection, self.place = region, name, connection, place
        self.require_lease = require_lease

    def __str__(self) -> str:
        return f"pool '{self.name}' of {self.connection.name}"

    def refresh(self) -> bool:
        """Makes libvirt read the directory again: until then it does not know files that others put there, nor that
        the content sent into a raw volume is of another format. False if the pool is busy and cannot be refreshed."""
        with self._asking("refreshing it") as pool:
            try:
                pool.refresh(0)
            except libvirt.libvirtError as error:
                if is_busy(error):
                    return False
                raise
        return True

    def names(self) -> tuple[str, ...]:
        """The names of all volumes, sorted, in one call.

        `listVolumes` makes two calls, for the number of volumes and for as many names: a volume created in between
        displaces another from the list.
        """
        with self._asking("listing its volumes") as pool:
            return tuple(sorted(volume.name() for volume in pool.listAllVolumes()))

    def volumes(self, refresh: bool = False) -> Mapping[str, Volume]:
        """All volumes by name; `refresh`: read the directory first, unless the pool is busy."""
        if refresh:
            self.refresh()
        volumes: dict[str, Volume] = {}
        with self._asking("listing its volumes") as pool:
            for listed in pool.listAllVolumes():
                volume = _described(listed)
                if volume is not None:
                    volumes[volume.name] = volume
        return volumes

    def volume(self, name: str) -> Volume | None:
        """A volume as it is now; None if there is none of that name."""
        with self._asking(f"looking at the volume '{name}'") as pool:
            volume = _lookup(pool, name)
            return _described(volume) if volume is not None else None

    def available(self) -> int:
        """The free bytes of the pool when it was last refreshed, those reserved for root included."""
        with self._asking("asking for its free space") as pool:
            return int(pool.info()[3])

    def create(
        self,
        name: str,
        capacity: int,
        disk_format: str,
        backing_path: str | None = None,
        backing_format: str = "qcow2",
    ) -> None:
        """Creates an empty volume; with `backing_path` an overlay of that file on the host.

        A volume that `streams.upload` will fill is created raw, with the size of the file: only then everything that a
        stream skips is a hole. Raises: ObjectConflict if the name is taken.
        """
        with self._asking(f"creating the volume '{name}'") as pool:
            self.require_lease()
            pool.createXML(volume_xml(name, capacity, disk_format, backing_path, backing_format), 0)

    def delete(self, name: str) -> None:
        """Removes a volume; a missing one is fine. Raises: ProviderError, retryable if it is in use."""
        with self._asking(f"removing the volume '{name}'") as pool:
            volume = _lookup(pool, name)
            if volume is not None:
                self.require_lease()
                try:
                    volume.delete(0)
                except libvirt.libvirtError as error:
                    if not is_missing_volume(error):
                        raise

    def clone(self, name: str, source: Pool, source_name: str, disk_format: str | None = None) -> None:
        """Creates a volume with the content of one in a pool of the same connection, without it leaving the host, in
        its format or in another. The clone of an overlay has no backing volume.

        Raises: ObjectConflict if the name is taken.
        """
        if source.connection is not self.connection:
            raise ProviderError(f"{source} and {self} are not on one host. This is a bug.")
        with source.asking_volume(source_name, "cloning") as original, self._asking(f"creating '{name}'") as pool:
            described = volume_of(original.XMLDesc(0))
            with nullcontext() if source.name == self.name else self.connection.between_pools():
                self.require_lease()
                pool.createXMLFrom(volume_xml(name, described.capacity, disk_format or described.format), original, 0)

    def read(self, name: str, most: int = _LARGEST_IN_MEMORY, start: int = 0) -> bytes | None:
        """A volume's content from `start`, at most `most` bytes; None if there is no volume of that name."""
        with self._asking(f"reading the volume '{name}'") as pool:
            volume = _lookup(pool, name)
            if volume is None:
                return None
            stream = pool.connect().newStream(0)
            try:
                volume.download(stream, start, most, 0)
                content = b"".join(iter(lambda: stream.recv(libvirt.virStorageVol.streamBufSize), b""))
                stream.finish()
            except libvirt.libvirtError as error:
                if is_missing_volume(error):
                    return None
                raise
        return content

    def write(self, name: str, content: bytes) -> None:
        """Creates a raw volume with this content. If this fails or the process dies, it may exist incompletely.

        Raises: ObjectConflict if the name is taken.
        """
        self.create(name, len(content), "raw")
        with self.asking_volume(name, "writing") as volume:
            stream = volume.connect().newStream(0)
            self.require_lease()
            volume.upload(stream, 0, len(content), 0)
            for start in range(0, len(content), libvirt.virStorageVol.streamBufSize):
                stream.send(content[start : start + libvirt.virStorageVol.streamBufSize])
            stream.finish()
        if self.read(name) != content:
            raise partly_written(self, name)

    @contextmanager
    def asking_volume(self, name: str, doing: str) -> Iterator[libvirt.virStorageVol]:
        """libvirt's handle of a volume, for calls whose failures are raised as the provider's errors. Only this thread
        may use it."""
        with self._asking(f"{doing} the volume '{name}'") as pool:
            yield pool.storageVolLookupByName(name)

    @contextmanager
    def asking_volume_apart(self, name: str, doing: str) -> Iterator[tuple[libvirt.virStorageVol, libvirt.virConnect]]:
        """As `asking_volume`, with the connection: no other block uses it, so that another thread may."""
        with self.connection.opened_apart(f"pool '{self.name}': {doing} the volume '{name}'") as connection:
            yield connection.pool(self.name).storageVolLookupByName(name), connection.handle

    @contextmanager
    def _asking(self, doing: str) -> Iterator[libvirt.virStoragePool]:
        with self.connection.opened(f"pool '{self.name}': {doing}") as connection:
            yield connection.pool(self.name)


def partly_written(pool: Pool, name: str) -> ProviderError:
    """The error for a stream that ended without an error although its content is missing.

    libvirt writes in the background and may lose the error of the last few hundred KiB: seen with 9.0, in its own
    programs as well.
    """
    return ProviderError(
        f"{pool}: only a part of the volume '{name}' was written", "free some space in that pool, then apply again"
    )


def _lookup(pool: libvirt.virStoragePool, name: str) -> libvirt.virStorageVol | None:
    try:
        return pool.storageVolLookupByName(name)
    except libvirt.libvirtError as error:
        if is_missing_volume(error):
            return None
        raise


def _described(volume: libvirt.virStorageVol) -> Volume | None:
    """None if the volume was removed since it was listed."""
    try:
        return volume_of(volume.XMLDesc(0))
    except libvirt.libvirtError as error:
        if is_missing_volume(error):
            return None
        raise
