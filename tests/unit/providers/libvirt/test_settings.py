"""The settings of the libvirt provider: every fault is named, with the nearest word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.providers.errors import ProviderError
from reconciler.providers.libvirt.settings import Host, Settings, read_settings
from reconciler.providers.registry import ProviderConfig

EAST = {"uri": "qemu+ssh://host1/system", "pool": "images"}
WEST = {"uri": "qemu+ssh://host2/system", "pool": "images"}


def settings_of(**values: Any) -> Settings:
    return read_settings(ProviderConfig("main", "libvirt", values, Path("/project")))


def test_a_region_is_a_connection_with_a_pool() -> None:
    settings = settings_of(regions={"East US": EAST, "westus": WEST})
    assert settings.host("eastus") == Host("eastus", "qemu+ssh://host1/system?no_tty=1", "images")
    assert settings.host("westus").name == "host2"
    assert (settings.format, settings.define_pools, settings.remove_source) == ("qcow2", False, False)


def test_what_is_said_counts_as_text_and_as_values() -> None:
    regions = {"eastus": {**EAST, "path": "/srv/images"}}
    for yes in ("true", True):
        settings = settings_of(regions=regions, definePools=yes, removeSource=yes, format="raw")
        assert (settings.format, settings.define_pools, settings.remove_source) == ("raw", True, True)
    assert settings.host("eastus").path == "/srv/images"


@pytest.mark.parametrize(
    ("uri", "used"),
    [
        ("qemu:///system", "qemu:///system"),
        ("qemu+ssh://me@host1/system", "qemu+ssh://me@host1/system?no_tty=1"),
        ("qemu+ssh://host1/system?keyfile=/k", "qemu+ssh://host1/system?keyfile=/k&no_tty=1"),
        ("qemu+ssh://host1/system?no_tty=0", "qemu+ssh://host1/system?no_tty=0"),
        ("qemu+tls://host1:16514/system", "qemu+tls://host1:16514/system"),
    ],
)
def test_ssh_asks_nothing_at_a_terminal_unless_told_to(uri: str, used: str) -> None:
    assert settings_of(regions={"eastus": {"uri": uri, "pool": "images"}}).host("eastus").uri == used


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, "write `regions"),
        ({"regions": []}, "write `regions"),
        ({"region": {"eastus": EAST}}, "did you mean 'regions'"),
        ({"regions": {"eastus": "qemu:///system"}}, "`regions.eastus` is a mapping"),
        ({"regions": {"../x": EAST}}, "not a region name"),
        ({"regions": {"eastus": EAST, "East US": WEST}}, "region eastus is there twice"),
        ({"regions": {"eastus": EAST, "westus": EAST}}, "the pool of region westus is the one of eastus"),
        ({"regions": {"eastus": {**EAST, "pol": "x"}}}, "regions.eastus: unknown setting 'pol'.*'pool'"),
        ({"regions": {"eastus": {"uri": "qemu:///system"}}}, "`regions.eastus.pool` is the name"),
        ({"regions": {"eastus": {**EAST, "pool": "../x"}}}, "`regions.eastus.pool` is the name"),
        ({"regions": {"eastus": {**EAST, "uri": "host1"}}}, "`regions.eastus.uri` is a libvirt URI"),
        ({"regions": {"eastus": {**EAST, "uri": "qemu+ssh://[host1/system"}}}, "`regions.eastus.uri` is a libvirt URI"),
        ({"regions": {"eastus": {**EAST, "uri": "qemu+tcp://me:secret@host1/system"}}}, "holds a password"),
        ({"regions": {"eastus": {**EAST, "path": "/srv"}}}, "set `definePools: true`"),
        ({"regions": {"eastus": EAST}, "definePools": "true"}, "`regions.eastus.path` is the absolute path"),
        ({"regions": {"eastus": {**EAST, "path": "srv"}}, "definePools": True}, "is the absolute path"),
        ({"regions": {"eastus": EAST}, "definePools": "maybe"}, "`definePools` is true or false"),
        ({"regions": {"eastus": EAST}, "removeSource": 7}, "`removeSource` is true or false"),
        ({"regions": {"eastus": EAST}, "format": "vmdk"}, "`format` is qcow2 or raw"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(values: dict[str, Any], why: str) -> None:
    with pytest.raises(ProviderError, match=why) as caught:
        settings_of(**values)
    assert "provider 'main'" in caught.value.message
    assert caught.value.remedy


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ProviderError) as caught:
        settings_of(colour="red", format="vhd", regions={"eastus": {"uri": "x"}})
    for fault in ("'colour'", "`format`", "`regions.eastus.uri`", "`regions.eastus.pool`"):
        assert fault in caught.value.message


def test_a_secret_is_not_repeated() -> None:
    with pytest.raises(ProviderError) as caught:
        settings_of(regions={"eastus": {"uri": "qemu+tcp://me:secret@host1/system", "pool": "images"}})
    assert "secret" not in caught.value.message


def test_a_region_that_is_not_offered_is_refused() -> None:
    with pytest.raises(ProviderError, match="no region 'westus'") as caught:
        settings_of(regions={"eastus": EAST}).host("westus")
    assert "eastus" in caught.value.remedy
