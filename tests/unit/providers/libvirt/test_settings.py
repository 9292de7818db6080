"""The settings of the libvirt provider: every problem is reported at its place, with the nearest word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.provider_settings import accepted, refused, said

from reconciler.manifests.trust import Trust
from reconciler.providers.errors import ProviderError
from reconciler.providers.libvirt.configuration import Configuration, Host, configuration_of
from reconciler.providers.registry import ProviderConfig

EAST = {"uri": "qemu+ssh://host1/system", "pool": "images"}
WEST = {"uri": "qemu+ssh://host2/system", "pool": "images"}


def configuration(folder: Path, **settings: Any) -> Configuration:
    return configuration_of(accepted(folder, "libvirt", settings))


def test_a_region_is_a_connection_with_a_pool(tmp_path: Path) -> None:
    settings = configuration(tmp_path, regions={"East US": EAST, "westus": WEST})
    assert settings.host("eastus") == Host("eastus", "qemu+ssh://host1/system?no_tty=1", "images")
    assert settings.host("westus").name == "host2"
    assert (settings.format, settings.define_pools, settings.remove_source) == ("qcow2", False, False)


def test_what_is_set_counts_quoted_and_plain(tmp_path: Path) -> None:
    regions = {"eastus": {**EAST, "path": "/srv/images"}}
    for yes in ("true", True):
        settings = configuration(tmp_path, regions=regions, definePools=yes, removeSource=yes, format="raw")
        assert (settings.format, settings.define_pools, settings.remove_source) == ("raw", True, True)
    assert settings.host("eastus").path == "/srv/images"


@pytest.mark.parametrize(
    ("uri", "used"),
    [
        ("qemu:///system", "qemu:///system"),
        ("qemu+ssh://me@host1/system", "qemu+ssh://me@host1/system?no_tty=1"),
        ("qemu+ssh://[2001:db8::1]:2222/session", "qemu+ssh://[2001:db8::1]:2222/session?no_tty=1"),
        ("lab-host", "lab-host"),
        ("qemu+ssh://host1/system?no_tty=0", "qemu+ssh://host1/system?no_tty=0"),
        ("qemu+tls://host1:16514/system", "qemu+tls://host1:16514/system"),
    ],
)
def test_ssh_asks_nothing_at_a_terminal_unless_it_is_set_to(tmp_path: Path, uri: str, used: str) -> None:
    settings = configuration(tmp_path, regions={"eastus": {"uri": uri, "pool": "images"}})
    assert settings.host("eastus").uri == used


@pytest.mark.parametrize(
    ("settings", "line", "why"),
    [
        ({}, '"main": {', "main.regions: is missing"),
        ({"regions": []}, '"regions"', "must be a mapping, not a list"),
        ({"regions": {}}, '"regions"', "names no region"),
        ({"region": {"eastus": EAST}}, '"region"', "did you mean 'regions'"),
        ({"regions": {"eastus": "qemu:///system"}}, '"eastus"', "| keys: uri, pool, path"),
        ({"regions": {"../x": EAST}}, '"../x"', "not a region name"),
        ({"regions": {"eastus": EAST, "East US": WEST}}, '"East US"', "the region eastus is declared twice"),
        ({"regions": {"eastus": EAST, "westus": EAST}}, '"westus"', "the pool of region westus is the one of eastus"),
        ({"regions": {"eastus": {**EAST, "pol": "x"}}}, '"pol"', "eastus.pol: unknown key 'pol' | did"),
        ({"regions": {"eastus": {"uri": "qemu:///system"}}}, '"eastus"', "eastus.pool: is missing"),
        ({"regions": {"eastus": {**EAST, "pool": "../x"}}}, '"pool"', "it must be the name of a storage pool"),
        ({"regions": {"eastus": {**EAST, "uri": "host1/system"}}}, '"uri"', "is not a libvirt URI"),
        ({"regions": {"eastus": {**EAST, "uri": "qemu+ssh://[host1/system"}}}, '"uri"', "is not a libvirt URI"),
        ({"regions": {"eastus": {**EAST, "uri": "qemu+tcp://me:secret@host1/system"}}}, '"uri"', "holds a password"),
        ({"regions": {"eastus": {**EAST, "path": "/srv"}}}, '"path"', "set `definePools: true`"),
        ({"regions": {"eastus": EAST}, "definePools": "true"}, '"eastus"', "add the absolute path"),
        ({"regions": {"eastus": {**EAST, "path": "srv"}}, "definePools": True}, '"path"', "must be the absolute path"),
        ({"regions": {"eastus": EAST}, "definePools": "maybe"}, '"definePools"', "is neither true nor false"),
        ({"regions": {"eastus": EAST}, "removeSource": 7}, '"removeSource"', "is neither true nor false"),
        ({"regions": {"eastus": EAST}, "format": "vmdk"}, '"format"', "allowed: qcow2, raw"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    tmp_path: Path, settings: dict[str, Any], line: str, why: str
) -> None:
    problem = next(problem for problem in refused(tmp_path, "libvirt", settings) if why in said(problem))
    assert problem.line.strip().startswith(line)
    assert problem.summary.startswith("providers.main")
    assert problem.detail or "must be" in problem.summary


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    problems = refused(tmp_path, "libvirt", {"colour": "red", "format": "vhd", "regions": {"eastus": {"uri": "x:"}}})
    for where in ("main.colour", "main.format", "main.regions.eastus.uri", "main.regions.eastus.pool"):
        assert [problem for problem in problems if f"{where}:" in problem.summary]


def test_a_secret_is_not_repeated(tmp_path: Path) -> None:
    host = {"uri": "qemu+tcp://me:hunter2@host1/system", "pool": "images"}
    assert "hunter2" not in str(refused(tmp_path, "libvirt", {"regions": {"eastus": host}}))


def test_a_region_that_is_not_offered_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="no region 'westus'") as caught:
        configuration(tmp_path, regions={"eastus": EAST}).host("westus")
    assert "eastus" in caught.value.remedy


REFUSED = [
    "qemu+ssh://h/system?command=./x.sh",
    "qemu+ssh://h/system?no_tty=1&command=/bin/x",
    "qemu+ssh://h/system?no_tty=1;command=/bin/x",
    "qemu+ssh://h/system?%63ommand=x",
    "qemu+ssh://h/system?COMMAND=x",
    "qemu+ssh://h/system?netcat=nc&socket=/run/x",
    "qemu+ssh://h/system?proxy=netcat",
    "qemu+ssh://h/system?keyfile=/etc/shadow",
    "qemu+ssh://h/system?no_verify=1",
    "qemu+tls://h/system?pkipath=/tmp/x",
    "qemu:///system?socket=/tmp/evil",
    "qemu:///system?mode=legacy&socket=/tmp/evil",
    "qemu:///system#?command=x",
    "qemu:///embed?root=/tmp/x",
    "qemu:///system/../embed",
    "qemu:////system",
    "QEMU+EXT:///system?command=x",
    "qemu+ext:///system?command=/bin/x",
    "qemu+unix:///system?socket=/tmp/x",
    "qemu+libssh2://h/system?keyfile=/k&known_hosts=/x",
    "qemu+libssh://h/system",
    "qemu+tcp://h/system",
    "qemu+ssh://-oProxyCommand=x/system",
    "qemu+ssh://-x@h/system",
    "qemu+ssh://me@-h/system",
    "qemu+ssh://me@you@h/system",
    "qemu+ssh://h:22x/system",
    "qemu+ssh://h%20-x/system",
    "qemu+ssh://h$(id)/system",
    "qemu+tls://me@h/system",
    "qemu+ssh://h/system?x='$(id)'",
    "test:///default",
    "test:///etc/shadow",
    "esx://h/?no_verify=1",
    "ch:///system",
    "vbox:///session",
    "xen",
    "Xen",
    "-x",
    "",
]


@pytest.mark.parametrize("uri", REFUSED)
def test_a_uri_that_names_more_than_a_host_is_refused(tmp_path: Path, uri: str) -> None:
    problems = refused(tmp_path, "libvirt", {"regions": {"eastus": {"uri": uri, "pool": "images"}}})
    assert any("eastus.uri" in problem.summary for problem in problems)
    with pytest.raises(ProviderError, match="the URI of region 'eastus' is not allowed"):
        configuration_of(unchecked(tmp_path, uri))


@pytest.mark.parametrize("uri", [uri for uri in REFUSED if uri])
def test_whoever_runs_this_can_allow_an_exact_uri(tmp_path: Path, uri: str) -> None:
    trust = Trust(libvirt_uris=(uri,))
    settings = {"regions": {"eastus": {"uri": uri, "pool": "images"}}}
    assert configuration_of(accepted(tmp_path, "libvirt", settings, trust)).host("eastus").uri.startswith(uri)
    near = {"regions": {"eastus": {"uri": f"{uri}&command=x", "pool": "images"}}}
    assert refused(tmp_path, "libvirt", near, trust)


def test_a_refused_uri_names_the_ways_out(tmp_path: Path) -> None:
    settings = {"regions": {"eastus": {"uri": "qemu+ssh://h/system?command=x", "pool": "images"}}}
    (problem,) = refused(tmp_path, "libvirt", settings)
    assert "'?command=x' follows its path" in problem.summary
    for way in ("qemu+ssh://HOST/system", "uri_aliases", "libvirt.uris", "--settings FILE"):
        assert way in problem.detail


def unchecked(folder: Path, uri: str) -> ProviderConfig:
    """What the provider would get from a cache that somebody else wrote."""
    settings = accepted(folder, "libvirt", {"regions": {"eastus": EAST}}).settings
    regions = {"eastus": {"uri": uri, "pool": "images"}}
    return ProviderConfig("main", "libvirt", {**settings, "regions": regions}, folder)
