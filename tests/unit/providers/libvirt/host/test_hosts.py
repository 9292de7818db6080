"""Hosts and their pools: what is down, missing or stopped is unavailable with its name and a remedy, never absent."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.libvirt.daemons import POOLS, LibvirtHost
from support.libvirt.regions import Regions
from support.paths import TESTS

from reconciler.providers.errors import ProviderError, Unavailable
from reconciler.providers.libvirt.configuration import Configuration, Host
from reconciler.providers.libvirt.host.connections import Connection, KeepAlive
from reconciler.providers.libvirt.host.hosts import Hosts, PoolNotDefined


def hosts_of(*hosts: Host, define_pools: bool = False) -> Hosts:
    return Hosts(Configuration("main", {host.region: host for host in hosts}, define_pools=define_pools))


@pytest.fixture
def host(libvirt_hosts: tuple[LibvirtHost, ...]) -> LibvirtHost:
    return libvirt_hosts[0]


@pytest.fixture
def stopped(host: LibvirtHost) -> Iterator[LibvirtHost]:
    host.stop()
    yield host
    host.restart()


def test_regions_of_one_host_share_its_connections(regions: Regions) -> None:
    hosts = regions.hosts
    assert hosts.regions == ("east", "north", "west")
    assert hosts.connection("east") is hosts.connection("north")
    assert hosts.connection("east") is not hosts.connection("west")
    assert hosts.pool("east") is hosts.pool("east")


def test_a_connection_is_kept_and_used_by_one_thread_at_a_time(host: LibvirtHost) -> None:
    """Two threads have two; nested blocks of one thread share one, unless it needs one to pass on."""
    connection = Connection(host.uri, "host1", KeepAlive())
    with connection.asking("one") as first:
        pass
    both = threading.Barrier(2)
    used: list[object] = []

    def use() -> None:
        with connection.asking("two") as outer, connection.asking("deeper") as inner:
            both.wait(20)
            assert inner is outer
            with connection.opened_apart("to give away") as line:
                assert line.handle is not outer
            used.append(outer)

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(used) == 2
    assert used[0] is not used[1]
    assert first in used
    connection.close()


def test_the_library_is_quiet(host: LibvirtHost, capfd: pytest.CaptureFixture[str]) -> None:
    hosts = hosts_of(Host("eastus", host.uri, "nowhere"))
    with pytest.raises(Unavailable):
        hosts.pool("eastus")
    assert capfd.readouterr() == ("", "")
    hosts.close()


def test_a_host_that_is_down_is_unavailable(stopped: LibvirtHost) -> None:
    hosts = hosts_of(Host("eastus", stopped.uri, "images"))
    with pytest.raises(Unavailable) as caught:
        hosts.pool("eastus")
    assert stopped.uri in caught.value.message
    assert f"virsh -c '{stopped.uri}'" in caught.value.remedy


def test_a_connection_comes_back_with_its_host(regions: Regions) -> None:
    east = regions.east
    east.pool.write("image", b"content")
    east.host.kill()
    with pytest.raises(Unavailable):
        east.pool.names()
    east.host.restart()
    deadline = time.monotonic() + 5
    while True:
        try:
            assert east.pool.names() == ("image",)
            break
        except Unavailable:  # the attempt before may have been this moment
            assert time.monotonic() < deadline
    assert regions.hosts.pool("east").read("image") == b"content"


def test_a_host_that_was_slow_to_fail_is_not_retried_for_as_long(tmp_path: Path) -> None:
    """The attempt runs a program instead of ssh that fails after a while; twenty threads ask at the same time."""
    calls = tmp_path / "calls"
    ssh = tmp_path / "ssh"
    ssh.write_text(f"#!/bin/sh\necho >> {calls}\nsleep 0.5\nexit 255\n")
    ssh.chmod(0o755)
    connection = Connection(f"qemu+ssh://host9/system?command={ssh}&no_tty=1", "host9", KeepAlive())
    answers: list[str] = []

    def ask() -> None:
        try:
            with connection.asking("listing pools"):
                pass
        except Unavailable as error:
            answers.append(error.message)

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 20
    assert all("host9 cannot be reached" in answer for answer in answers)
    assert calls.read_text().count("\n") == 1
    deadline = time.monotonic() + 20
    while calls.read_text().count("\n") == 1:
        ask()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_missing_pool_is_unavailable_and_not_defined(host: LibvirtHost) -> None:
    hosts = hosts_of(Host("eastus", host.uri, "nowhere"))
    with pytest.raises(Unavailable, match="pool 'nowhere' of region eastus is not defined") as caught:
        hosts.pool("eastus")
    assert "virsh" in caught.value.remedy
    assert "definePools" in caught.value.remedy
    assert "nowhere" not in host.virsh("pool-list", "--all", "--name").split()
    hosts.close()


def test_a_stopped_pool_is_unavailable_and_not_started(regions: Regions) -> None:
    east = regions.east
    east.pool.write("image", b"content")
    east.host.virsh("pool-destroy", east.pool.name)
    with pytest.raises(Unavailable, match=f"pool '{east.pool.name}' of region east is not active") as caught:
        regions.hosts.pool("east")
    assert f"pool-start {east.pool.name}" in caught.value.remedy
    with pytest.raises(Unavailable, match="is not active"):
        east.pool.volumes()
    east.host.virsh("pool-start", east.pool.name)
    assert list(regions.hosts.pool("east").volumes()) == ["image"]


def test_a_pool_is_defined_if_the_settings_allow_it(host: LibvirtHost) -> None:
    target = Host("eastus", host.uri, "of our own & <new>", f"{POOLS}/of our own & <new>")
    hosts = hosts_of(target, define_pools=True)
    made: list[str] = []
    with pytest.raises(PoolNotDefined, match="pool 'of our own & <new>' of region eastus is not defined"):
        hosts.pool("eastus")
    assert target.pool not in host.virsh("pool-list", "--all", "--name").splitlines()
    threads = [threading.Thread(target=lambda: made.append(hosts.pool_to_fill("eastus").name)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [target.pool] * 8
    hosts.pool("eastus").write("image", b"content")
    assert (host.folder / "var" / "images" / target.pool / "image").read_bytes() == b"content"
    host.kill()
    host.restart()
    assert hosts_of(target).pool("eastus").names() == ("image",)  # it starts with its host
    hosts.close()


def test_a_pool_that_cannot_be_defined_leaves_nothing(host: LibvirtHost) -> None:
    hosts = hosts_of(Host("eastus", host.uri, "impossible", "/dev/null/images"), define_pools=True)
    with pytest.raises(ProviderError, match="defining the pool 'impossible'"):
        hosts.pool_to_fill("eastus")
    assert "impossible" not in host.virsh("pool-list", "--all", "--name").split()
    hosts.close()


def test_a_stopped_pool_stays_stopped_even_if_pools_may_be_defined(regions: Regions) -> None:
    east = regions.east
    east.host.virsh("pool-destroy", east.pool.name)
    hosts = hosts_of(Host("eastus", east.host.uri, east.pool.name, "/elsewhere"), define_pools=True)
    with pytest.raises(Unavailable, match="is not active"):
        hosts.pool_to_fill("eastus")
    hosts.close()


def test_a_driver_in_this_process_is_enough_for_planning() -> None:
    hosts = hosts_of(Host("eastus", "test:///default", "default-pool"))
    pool = hosts.pool("eastus")
    pool.create("image", 1 << 30, "qcow2")
    found = pool.volume("image")
    assert found is not None
    assert (found.capacity, found.format, found.mtime_ns) == (1 << 30, "qcow2", 0)
    pool.delete("image")
    assert pool.volume("image") is None
    hosts.close()


def test_daemons_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    """Killed, so that it cannot clean up itself."""
    script = (
        "import pathlib, sys, time\n"
        "from support.libvirt.daemons import running_daemons\n"
        "with running_daemons(pathlib.Path(sys.argv[1])) as hosts:\n"
        "    print(*(host.pid for host in hosts), flush=True)\n"
        "    time.sleep(60)\n"
    )
    environment = {"PYTHONPATH": str(TESTS), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment
    ) as started:
        assert started.stdout is not None
        pids = started.stdout.readline().split()
        assert len(pids) == 2
        assert all(b"libvirtd" in commands_below(pid) for pid in pids)
        started.kill()
    deadline = time.monotonic() + 5
    while any(Path(f"/proc/{pid}/root/proc").exists() for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def commands_below(pid: str) -> bytes:
    """The command lines of all processes in the namespace of a process."""
    return b"".join(path.read_bytes() for path in Path(f"/proc/{pid}/root/proc").glob("[0-9]*/cmdline"))
