"""The places that every store is tested on, and the worlds that every provider is tested on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest
from support.local_galleries import LocalWorld
from support.postgres import PostgresServer, running_server
from support.stores import StorePlace

from reconciler.state.store import Lease, StateStore
from reconciler.testing import FullWorld


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with running_server() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGHOST", str(server.folder))  # a state may be on any server that the environment names
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StorePlace]:
    """A place without any state."""
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres_server")
        url = server.database()
    else:
        url = "sqlite:///.reconciler/state.db"
    place = StorePlace(url, tmp_path)
    yield place
    place.close()


@pytest.fixture
def store(place: StorePlace) -> StateStore:
    return place.open()


@pytest.fixture
def lease(store: StateStore) -> Lease:
    return store.acquire({"corp", "labs"}, "ada")


class World(FullWorld, Protocol):
    """A world that may have something running."""

    def close(self) -> None: ...


Fixtures = Callable[[str], Any]
"""Gives the value of a fixture by its name: what a backend needs running beside it."""


def _local(folder: Path, _fixture: Fixtures) -> World:
    return LocalWorld(folder)


def _emulator(folder: Path, fixture: Fixtures) -> World:
    from support.azure.world import AzureWorld

    return AzureWorld(folder, fixture("azurite"))


def _libvirt(folder: Path, fixture: Fixtures) -> World:
    from support.libvirt.world import LibvirtWorld

    return LibvirtWorld(folder, fixture("libvirt_hosts"))


BACKENDS: Mapping[str, Callable[[Path, Fixtures], World]] = {
    "local": _local,
    "emulator": _emulator,
    "libvirt": _libvirt,
}


MARKS = {"emulator": [pytest.mark.azurite], "libvirt": [pytest.mark.libvirt]}
"""Backend -> what its world takes."""


@pytest.fixture(params=[pytest.param(name, marks=MARKS.get(name, [])) for name in sorted(BACKENDS)])
def provider_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """An empty world of each backend."""
    world = BACKENDS[request.param](tmp_path, request.getfixturevalue)
    yield world
    world.close()
