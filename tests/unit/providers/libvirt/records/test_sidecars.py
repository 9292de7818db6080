"""Sidecars on a real host: the newest complete one counts, wherever a write is interrupted."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.libvirt.daemons import LibvirtHost
from support.libvirt.regions import Regions

from reconciler.manifests.address import Address
from reconciler.providers.common.descriptions import Unreadable
from reconciler.providers.errors import ProviderError, Unsupported
from reconciler.providers.libvirt.configuration import Configuration, Host
from reconciler.providers.libvirt.host.hosts import Hosts
from reconciler.providers.libvirt.host.pools import Pool
from reconciler.providers.libvirt.records import sidecars
from reconciler.providers.libvirt.records.sidecars import Sidecar

VERSION = Address.parse("corp/ubuntu/1.0.3")
REGION = VERSION._replace(region="eastus.1")


def volumes(pool: Pool) -> list[str]:
    return list(pool.names())


def value_of(pool: Pool, address: Address = REGION, note: str = "") -> object:
    found = sidecars.read(pool, address, note)
    return found and found[1]


PARTS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,12}", fullmatch=True)
ADDRESSES = st.lists(PARTS, min_size=1, max_size=4).map(lambda parts: Address(*parts))


@given(address=ADDRESSES, note=st.just("") | PARTS, serial=st.integers(1, 10**9))
def test_a_name_is_parsed_back_as_it_was_made(address: Address, note: str, serial: int) -> None:
    sidecar = Sidecar(address, note, serial)
    assert Sidecar.parse(sidecar.volume) == sidecar
    assert sidecars.is_ours(sidecar.volume)


def test_names_contain_the_address() -> None:
    assert Sidecar(REGION, "", 7).volume == ".reconciler~corp~ubuntu~1.0.3~eastus.1.000007.json"
    assert Sidecar(VERSION, "making", 1).volume == ".reconciler~corp~ubuntu~1.0.3~~making.000001.json"
    assert Sidecar.parse(".reconciler~corp~.000001.json") is None  # one address, one name
    assert Sidecar.parse("corp-ubuntu-1.0.3-os-2026-03-09") is None
    assert not sidecars.is_ours("corp-ubuntu-1.0.3-os-2026-03-09")


def test_an_address_that_is_too_long_for_a_file_name_is_refused(regions: Regions) -> None:
    long = Address("g" * 80, "d" * 80, "1.0.3", "r" * 80)
    with pytest.raises(Unsupported, match="is too long") as refused:
        sidecars.write(regions.east.pool, long, {})
    assert "shorter names" in refused.value.remedy
    assert volumes(regions.east.pool) == []


def test_a_value_is_written_replaced_and_removed(regions: Regions) -> None:
    pool = regions.east.pool
    assert value_of(pool) is None
    sidecars.write(pool, REGION, {"is": "first"})
    sidecars.write(pool, REGION, {"is": ["second", "\n", "ü"]})
    sidecars.write(pool, VERSION, "the version's")
    sidecars.write(pool, REGION, "a note", note="making")
    assert value_of(pool) == {"is": ["second", "\n", "ü"]}
    assert value_of(pool, VERSION) == "the version's"
    assert value_of(pool, note="making") == "a note"
    assert len(volumes(pool)) == 3
    sidecars.remove(pool, REGION)
    sidecars.remove(pool, REGION)
    assert value_of(pool) is None
    assert value_of(pool, note="making") == "a note"
    assert value_of(pool, VERSION) == "the version's"


def test_a_large_value_is_complete(regions: Regions) -> None:
    value = {"disks": ["x" * 1000] * 1000}
    sidecars.write(regions.east.pool, REGION, value)
    assert value_of(regions.east.pool) == value


@pytest.mark.parametrize("written", [0, 1, 10])
def test_an_interrupted_write_has_not_happened(regions: Regions, written: int) -> None:
    """As if this process died between any two calls: the volume exists, and what was not sent is zeros."""
    pool = regions.east.pool
    for before in (None, "whole"):
        cut = sidecars.write(pool, REGION, "to be cut").volume
        content = pool.read(cut)
        assert content is not None
        sidecars.remove(pool, REGION)
        if before is not None:
            sidecars.write(pool, REGION, before)
        newer = Sidecar(REGION, "", 9).volume
        pool.create(newer, len(content), "raw")
        (regions.east.folder / newer).write_bytes(content[:written].ljust(len(content), b"\0"))
        assert value_of(pool) == before
        assert sidecars.write(pool, REGION, "next").serial == 10
        assert value_of(pool) == "next"
        assert volumes(pool) == [Sidecar(REGION, "", 10).volume]


def test_after_a_crash_before_the_older_is_removed_the_newer_counts(regions: Regions) -> None:
    pool = regions.east.pool
    first = sidecars.write(pool, REGION, "first").volume
    content = pool.read(first)
    assert content is not None
    sidecars.write(pool, REGION, "second")
    pool.write(first, content)
    assert value_of(pool) == "second"
    sidecars.remove(pool, REGION)
    assert volumes(pool) == []


def test_damage_is_not_absence(regions: Regions) -> None:
    pool = regions.east.pool
    name = sidecars.write(pool, REGION, {"is": "whole"}).volume
    file = regions.east.folder / name
    file.write_bytes(file.read_bytes().replace(b"whole", b"hole!"))
    with pytest.raises(Unreadable, match="damaged"):
        sidecars.read(pool, REGION)


def test_a_full_pool_keeps_the_previous_value_and_nothing_incomplete(libvirt_hosts: tuple[LibvirtHost, ...]) -> None:
    host = libvirt_hosts[0]
    folder = host.define_pool("full-of-notes", size_mib=1)
    hosts = Hosts(Configuration("main", {"eastus": Host("eastus", host.uri, "full-of-notes")}))
    pool = hosts.pool("eastus")
    sidecars.write(pool, REGION, "before")
    (folder / "other").write_bytes(bytes(900 << 10))
    present = os.listdir(folder)
    with pytest.raises(ProviderError, match="only a part of the volume") as caught:
        sidecars.write(pool, REGION, "x" * (200 << 10))
    assert "free some space" in caught.value.remedy
    assert value_of(pool) == "before"
    assert sorted(os.listdir(folder)) == sorted(present)
    hosts.close()


def test_an_address_that_cannot_be_part_of_a_name_is_refused(regions: Regions) -> None:
    with pytest.raises(Unsupported):
        sidecars.write(regions.east.pool, Address("corp", "a~b"), "x")
    assert volumes(regions.east.pool) == []
