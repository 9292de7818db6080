"""Volumes of real pools: read, created, cloned and removed by name, and nothing else touched."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.libvirt.regions import Region, Regions

from reconciler.providers.errors import ObjectConflict, ProviderError, Unavailable
from reconciler.providers.libvirt.configuration import Configuration, Host
from reconciler.providers.libvirt.host.connections import KeepAlive
from reconciler.providers.libvirt.host.hosts import Hosts
from reconciler.providers.libvirt.host.pools import Pool
from reconciler.providers.libvirt.host.volumes import volume_of, volume_xml

MIB = 1 << 20


def qemu_info(region: Region, name: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(region.host.run("qemu-img", "info", "--output=json", path_of(region, name)))
    return shown


def path_of(region: Region, name: str) -> str:
    volume = region.pool.volume(name)
    assert volume is not None
    return volume.path


def test_a_volume_is_created_as_requested(regions: Regions) -> None:
    east = regions.east
    east.pool.create("raw", 5 * MIB + 512, "raw")
    east.pool.create("qcow2", 1 << 30, "qcow2")
    raw, qcow2 = east.pool.volume("raw"), east.pool.volume("qcow2")
    assert raw is not None
    assert qcow2 is not None
    assert (raw.name, raw.format, raw.allocation) == ("raw", "raw", 0)
    assert raw.capacity == raw.size == 5 * MIB + 512
    assert (qcow2.format, qcow2.capacity, qcow2.backing_path) == ("qcow2", 1 << 30, "")
    assert qcow2.size == (east.folder / "qcow2").stat().st_size
    assert qcow2.mtime_ns == (east.folder / "qcow2").stat().st_mtime_ns
    assert qemu_info(east, "qcow2")["format-specific"]["data"]["compat"] == "1.1"
    assert east.pool.volumes() == {"raw": raw, "qcow2": qcow2}
    assert east.pool.names() == ("qcow2", "raw")
    assert east.pool.volume("other") is None


def test_an_overlay_names_its_backing_file(regions: Regions) -> None:
    east, north = regions.east, regions.north
    for number, disk_format in enumerate(("qcow2", "raw")):
        east.pool.create(f"base{number}", 8 * MIB, disk_format)
        base = path_of(east, f"base{number}")
        north.pool.create(f"overlay{number}", 8 * MIB, "qcow2", backing_path=base, backing_format=disk_format)
        overlay = north.pool.volume(f"overlay{number}")
        assert overlay is not None
        assert overlay.backing_path == base
        assert qemu_info(north, f"overlay{number}")["backing-filename-format"] == disk_format


def test_files_of_others_are_seen_after_a_refresh(regions: Regions) -> None:
    east = regions.east
    (east.folder / "theirs").write_bytes(b"x" * 1000)
    assert "theirs" not in east.pool.volumes()
    assert east.pool.volumes(refresh=True)["theirs"].size == 1000


def test_changes_by_others_are_seen_at_once(regions: Regions) -> None:
    east = regions.east
    east.pool.write("image", b"x" * 1000)
    east.pool.write("gone", b"x")
    before = east.pool.volume("image")
    with (east.folder / "image").open("ab") as file:
        file.write(b"more")
    (east.folder / "gone").unlink()
    after = east.pool.volumes()
    assert before is not None
    assert (after["image"].size, after["image"].mtime_ns > before.mtime_ns) == (1004, True)
    assert "gone" not in after
    assert east.pool.read("gone") is None


def test_a_name_that_is_taken_is_a_conflict(regions: Regions) -> None:
    east = regions.east
    east.pool.write("ours", b"content")
    (east.folder / "theirs").write_bytes(b"of somebody else")  # which libvirt has not seen yet
    for name in ("ours", "theirs"):
        for disk_format in ("raw", "qcow2"):
            with pytest.raises(ObjectConflict):
                east.pool.create(name, MIB, disk_format)
        with pytest.raises(ObjectConflict):
            east.pool.clone(name, east.pool, "ours")
        with pytest.raises(ObjectConflict):
            east.pool.write(name, b"other")
    assert (east.folder / "ours").read_bytes() == b"content"
    assert (east.folder / "theirs").read_bytes() == b"of somebody else"


def test_removing_affects_one_volume(regions: Regions) -> None:
    east = regions.east
    for name in ("one", "other", "vanished"):
        east.pool.write(name, b"x")
    (east.folder / "vanished").unlink()
    for name in ("one", "one", "vanished", "never"):
        east.pool.delete(name)
    assert os.listdir(east.folder) == ["other"]


@pytest.mark.parametrize("content", [b"", b"x", os.urandom(3 * MIB + 1)])
def test_small_content_is_written_and_read(regions: Regions, content: bytes) -> None:
    regions.west.pool.write("notes", content)
    assert regions.west.pool.read("notes") == content
    assert regions.west.pool.read("notes", 5) == content[:5]
    assert regions.west.pool.read("notes", 5, start=7) == content[7:12]
    assert regions.west.pool.read("other") is None


@pytest.mark.parametrize("disk_format", ["raw", "qcow2"])
def test_a_clone_has_the_content_and_its_holes(regions: Regions, disk_format: str, tmp_path: Path) -> None:
    east, north = regions.east, regions.north
    raw = tmp_path / "raw"
    with raw.open("wb") as file:
        file.write(os.urandom(MIB))
        file.truncate(64 * MIB)
    subprocess.run(["qemu-img", "convert", "-O", disk_format, raw, east.folder / "image"], check=True)
    east.pool.refresh()
    north.pool.clone("copy", east.pool, "image")
    copy = north.pool.volume("copy")
    assert copy is not None
    assert (copy.format, copy.capacity) == (disk_format, 64 * MIB)
    assert copy.allocation < 2 * MIB
    subprocess.run(["qemu-img", "convert", "-O", "raw", north.folder / "copy", tmp_path / "back"], check=True)
    assert (tmp_path / "back").read_bytes() == raw.read_bytes()


def test_a_volume_that_stays_is_always_listed(regions: Regions) -> None:
    """However many volumes others create and remove at the same time."""
    pool = regions.east.pool
    kept = [f"kept{number}" for number in range(20)]
    for name in kept:
        pool.create(name, 1000, "raw")
    over = threading.Event()

    def come_and_go(who: int) -> None:
        while not over.is_set():
            pool.create(f"other{who}", 1000, "raw")
            pool.delete(f"other{who}")

    threads = [threading.Thread(target=come_and_go, args=(who,)) for who in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(500):
            assert set(kept) <= set(pool.names())
    finally:
        over.set()
        for thread in threads:
            thread.join()


def test_clones_may_go_in_both_directions_between_two_pools(regions: Regions) -> None:
    """libvirt deadlocks when two such calls meet."""
    east, north = regions.east, regions.north
    for region in (east, north):
        region.pool.write("image", os.urandom(1000))

    def clone_many(source: Region, target: Region, who: int) -> None:
        for number in range(20):
            target.pool.clone(f"copy{who}-{number}", source.pool, "image")

    ways = [(east, north, number) for number in range(3)] + [(north, east, number) for number in range(3)]
    threads = [threading.Thread(target=clone_many, args=way, daemon=True) for way in ways]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))
    if any(thread.is_alive() for thread in threads):
        east.host.kill()  # nothing else ends the calls
        east.host.restart()
        pytest.fail("libvirtd stood still")
    assert len(east.pool.names()) == len(north.pool.names()) == 61


def test_a_clone_stays_on_its_host(regions: Regions) -> None:
    regions.east.pool.write("image", b"x")
    with pytest.raises(ProviderError, match="not on one host"):
        regions.west.pool.clone("copy", regions.east.pool, "image")


def test_a_busy_pool_can_still_be_listed(regions: Regions) -> None:
    """While a clone is created the pool cannot be refreshed, but its volumes can be listed."""
    east = regions.east
    with (east.folder / "large").open("wb") as file:
        for _ in range(64):
            file.write(os.urandom(8 * MIB))
    east.pool.refresh()
    clone = threading.Thread(target=east.pool.clone, args=("copy", east.pool, "large"))
    clone.start()
    refused, listings = 0, 0
    while clone.is_alive():
        refused += not east.pool.refresh()
        listings += "large" in east.pool.volumes(refresh=True)
    clone.join()
    assert refused
    assert listings
    assert east.pool.refresh()
    assert (east.folder / "copy").stat().st_size == 512 * MIB


@pytest.fixture
def impatient(regions: Regions) -> Iterator[Pool]:
    """The pool `east` with a volume that takes a moment to clone, and connections that do not wait long."""
    east = regions.east
    with (east.folder / "large").open("wb") as file:
        file.write(os.urandom(MIB))
        file.truncate(2 << 30)
    hosts = Hosts(Configuration("main", {"east": Host("east", east.host.uri, east.pool.name)}), KeepAlive(1, 4))
    pool = hosts.pool("east")
    pool.refresh()
    yield pool
    hosts.close()


def clones(pool: Pool, count: int) -> tuple[list[threading.Thread], list[ProviderError]]:
    """Threads that clone `large`, and the list of their results."""
    failures: list[ProviderError] = []

    def clone(name: str) -> None:
        try:
            pool.clone(name, pool, "large")
        except ProviderError as error:
            failures.append(error)

    threads = [threading.Thread(target=clone, args=(f"copy{number}",)) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads, failures


def test_many_threads_do_not_break_the_connection(impatient: Pool) -> None:
    """A host that is working on five calls of one connection does not read keep-alive messages from it."""
    threads, failures = clones(impatient, 10)
    for thread in threads:
        thread.join()
    assert failures == []


def test_every_waiting_thread_notices_a_host_that_hangs(impatient: Pool, regions: Regions) -> None:
    threads, failures = clones(impatient, 4)
    wait_for_clones(regions.east.folder, 4)
    regions.east.host.signal("STOP")
    try:
        for thread in threads:
            thread.join(20)
        assert not any(thread.is_alive() for thread in threads)
    finally:
        regions.east.host.signal("CONT")
    assert len(failures) == 4
    assert all(isinstance(failure, Unavailable) for failure in failures)


def test_every_waiting_thread_notices_a_host_that_dies(impatient: Pool, regions: Regions) -> None:
    threads, failures = clones(impatient, 4)
    wait_for_clones(regions.east.folder, 4)
    regions.east.host.kill()
    for thread in threads:
        thread.join(20)
    regions.east.host.restart()
    assert len(failures) == 4
    assert all(isinstance(failure, Unavailable) for failure in failures)
    for number in range(4):
        impatient.delete(f"copy{number}")
    assert impatient.names() == ("large",)


def wait_for_clones(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 20
    while sum(name.startswith("copy") for name in os.listdir(folder)) < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_free_space_is_reported(regions: Regions) -> None:
    available = regions.east.pool.available()
    seen = os.statvfs(regions.east.folder)
    assert abs(available - seen.f_bfree * seen.f_frsize) < 8 << 30


def test_file_names_are_escaped_in_xml() -> None:
    name = "a<b>&'\"c"
    text = volume_xml(name, 1, "qcow2", backing_path=f"/images/{name}")
    volume = volume_of(text)
    assert (volume.name, volume.backing_path) == (name, f"/images/{name}")
