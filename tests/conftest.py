"""What holds for the whole test run."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.suite.needs import MARKERS, ProgramWatch, markers_for

if TYPE_CHECKING:
    from support.azure.azurite import RunningAzurite
    from support.libvirt.daemons import LibvirtHost

TESTS = Path(__file__).parent
IMPORT_LIBVIRT = {TESTS / "unit" / "providers" / "libvirt", TESTS / "crash" / "test_libvirt_kill_points.py"}
"""What cannot even be collected without libvirt's Python bindings."""

SOME_SECONDS = 10
"""How long a test takes that is marked slow and does not say how many seconds."""

WORKERS_PER_CORE = 2
"""Tests wait, for other processes and for the disk, about as long as they compute."""

watch = pytest.StashKey[ProgramWatch]()


def pytest_configure(config: pytest.Config) -> None:
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    config.stash[watch] = ProgramWatch()
    tools = TESTS.parent / ".tools" / "node_modules" / ".bin"  # what .ci/setup installs; programs are found on PATH
    if str(tools) not in os.environ.get("PATH", "").split(os.pathsep):
        os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}{os.pathsep}{tools}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    return WORKERS_PER_CORE * len(os.sched_getaffinity(0))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves out the tests of libvirt where its bindings are missing and markers select what runs, as `make check`
    does. A run of everything fails instead."""
    selects = bool(config.getoption("markexpr"))
    return True if selects and collection_path in IMPORT_LIBVIRT and find_spec("libvirt") is None else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests with what they need, and puts the longest first, so that no worker ends with one of them."""
    for item in items:
        borne = {mark.name for mark in item.iter_markers()}
        folder = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""
        for name in sorted(markers_for(getattr(item, "fixturenames", ()), borne, folder) - borne):
            item.add_marker(name)
    items.sort(key=_seconds, reverse=True)


def _seconds(item: pytest.Item) -> float:
    """About how long a test takes; 0 for all that are not slow."""
    mark = item.get_closest_marker("slow")
    return 0 if mark is None else float(mark.args[0]) if mark.args else SOME_SECONDS


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Watches the programs that a test starts."""
    item.config.stash[watch].borne = {mark.name for mark in item.iter_markers()}
    try:
        return (yield)
    finally:
        item.config.stash[watch].borne = None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """What is taken down may have been set up for an earlier test."""
    item.config.stash[watch].borne = None


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAzurite]:
    """A blob service for the whole run: every test has containers or names of its own."""
    from support.azure.azurite import running_azurite

    with running_azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture(scope="session")
def libvirt_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LibvirtHost, ...]]:
    """Two hypervisor hosts for the whole run: every test has pools and machines of its own, and a host that a test
    stops it starts again."""
    from support.libvirt.daemons import running_daemons

    with running_daemons(tmp_path_factory.mktemp("hosts")) as hosts:
        yield hosts


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Where CI is set, everything a test needs is installed, so a skip hides a test."""
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, and in CI that is a failure: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report
