"""The places that every store is tried on, and the worlds that every provider is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.postgres import PostgresServer, running_server
from support.provider_worlds import BACKENDS, ProviderWorld
from support.stores import StorePlace

from reconciler.state.store import Lease, StateStore


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with running_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StorePlace]:
    """A place where no state is yet."""
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


@pytest.fixture(params=sorted(BACKENDS))
def provider_world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ProviderWorld]:
    """A world in which nothing is yet."""
    world = BACKENDS[request.param](tmp_path, request.getfixturevalue)
    yield world
    world.close()
