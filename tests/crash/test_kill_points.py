"""A run killed at any provider call, state write or file system change; the next one settles everything.

The child process kills itself with SIGKILL when it reaches its point. Afterwards a plain `apply` must converge to what
an undisturbed run makes: the same files with the same content, the same records, an empty journal.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.estates import Document, Estate, definition, gallery, version
from support.killing import Killer, killed_at

from reconciler.manifests.examples.boot_image import write_boot_image

REMOVABLE = {"allowDeletionOfReplicatedLocations": True}
FILE_SYSTEM_CALLS = ("mkdir", "rename", "replace", "unlink", "rmdir", "fsync", "open", "chmod")


def first_documents() -> list[Document]:
    """One gallery, two definitions, three versions, three regions."""
    everywhere = ["eastus=2", "westus", "northeurope"]
    return [
        gallery(description="Golden images"),
        definition(),
        definition(name="debian"),
        version({"file": "../images/boot.raw"}, "corp/ubuntu", "1.0.0", targetRegions=everywhere, safety=REMOVABLE),
        version({"file": "../images/boot.vhd"}, "corp/ubuntu", "1.0.1", targetRegions=["eastus", "westus"]),
        version({"version": "corp/ubuntu/1.0.0"}, "corp/debian", "1.0.0", targetRegions=["eastus"]),
    ]


def second_documents() -> list[Document]:
    """Updates, a removed region, more and fewer replicas, a removed version, a replaced one and a new one."""
    fewer = ["eastus", "westus=2"]
    return [
        gallery(description="Golden images, second edition"),
        definition(tags={"owner": "platform"}),
        definition(name="debian"),
        version({"file": "../images/boot.raw"}, "corp/ubuntu", "1.0.0", targetRegions=fewer, safety=REMOVABLE),
        version(
            {"file": "../images/boot.vhd"},
            "corp/debian",
            "1.0.0",
            targetRegions=["eastus"],
            lifecycle={"allowReplace": True},
        ),
        version({"file": "../images/boot.vhd"}, "corp/debian", "1.0.1", targetRegions=["eastus", "northeurope"]),
    ]


def around_calls(killer: Killer) -> None:
    """Before and after provider calls and state writes."""
    from reconciler.providers.local.provider import LocalProvider
    from reconciler.state.sql_store.store import SqlStore

    killer.wrap(SqlStore, "write")
    killer.wrap(LocalProvider, "begin")


def around_files(killer: Killer) -> None:
    """Before and after what is done to the file system."""
    killer.wrap(os, *FILE_SYSTEM_CALLS)


def disks_and_names(estate: Estate) -> dict[str, str]:
    """Every path in the regions; disks with their content, descriptions without, as they hold the lineage."""
    return {path: "" if path.endswith(".json") else content for path, content in estate.tree().items()}


def prepared(directory: Path, scenario: str) -> tuple[Estate, dict[str, Any]]:
    """An estate just before the run that is to be killed, and that run's options."""
    estate = Estate(directory)
    write_boot_image(directory / "images" / "boot.raw", "first", size_mib=1)
    write_boot_image(directory / "images" / "boot.vhd", "second", size_mib=1, format="vhd")
    estate.write(first_documents())
    if scenario == "create":
        return estate, {}
    assert estate.apply().result is not None
    if scenario == "destroy":
        return estate, {"destroy": True}
    estate.write(second_documents())
    return estate, {"allow_deletes": 100, "allow_loss": ("corp",)}


def copies_of(template: Path, folder: Path) -> Iterator[Estate]:
    """Fresh copies of an estate, at one path, so that nothing in them can tell them apart."""
    while True:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(template, folder, symlinks=True)
        yield Estate(folder)


@pytest.mark.parametrize(
    ("install", "stride", "least"),
    [(around_calls, 1, 10), (around_files, 3, 30)],
    ids=["calls and writes", "file system"],
)
@pytest.mark.parametrize("scenario", ["create", "change", "destroy"])
@pytest.mark.slow(40)
def test_killed_anywhere_the_next_run_converges(
    tmp_path: Path, scenario: str, install: Callable[[Killer], None], stride: int, least: int
) -> None:
    _, options = prepared(tmp_path / "template", scenario)
    fresh = copies_of(tmp_path / "template", tmp_path / "estate")
    undisturbed = next(fresh)
    undisturbed.apply(**options)
    wanted, records = disks_and_names(undisturbed), recorded(undisturbed)
    points = 0
    for at in range(1, 10_000, stride):
        estate = next(fresh)
        if not killed_at(at, install, partial(estate.apply, **options)):
            break
        points += 1
        outcome = estate.apply(**options)
        assert outcome.result is None or outcome.result.complete, (at, outcome.result)
        assert disks_and_names(estate) == wanted, at
        assert recorded(estate) == records, at
        assert estate.plan(**options).changes == (), at
    assert points > least


def recorded(estate: Estate) -> set[str]:
    with estate.engine() as engine:
        state = engine.store.read()
        assert not state.intents
        return {str(address) for address in state.records}
