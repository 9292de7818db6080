"""What happens to copies that people use: none is taken away without the permission of the version itself, and no
version is deleted before it is known that it can be created again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.azure.azurite import RunningAzurite
from support.azure.world import COMPUTE_ID, AzureWorld

from reconciler.manifests.address import Address
from reconciler.providers.emulator.core.injected_faults import Fault
from reconciler.providers.errors import SourceError, Unsupported
from reconciler.providers.protocol import Condition, Done, Observed, Operation, Scope, Step, Verb
from reconciler.testing.galleries import create_containers, create_steps, region_attributes, version_attributes
from reconciler.testing.operations import CONTENT, EAST, VERSION, WEST, Results, applied, failed, run, writer_of

VERSION_ID = f"{COMPUTE_ID}/galleries/corp/images/ubuntu/versions/1.0.3"
FIRM = {"allowDeletionOfReplicatedLocations": False, "blockDeletionBeforeEndOfLife": False}
REMOVABLE = {**FIRM, "allowDeletionOfReplicatedLocations": True}
PREMIUM = {**region_attributes(), "storageAccountType": "Premium_LRS"}


@pytest.fixture
def world(tmp_path: Path, azurite: RunningAzurite) -> Iterator[AzureWorld]:
    world = AzureWorld(tmp_path, azurite)
    yield world
    world.close()


def publish_with(world: AzureWorld, safety: Mapping[str, bool]) -> dict[str, Any]:
    """Publishes the version in two regions, with this safety profile; its attributes."""
    source = world.image("boot.raw", CONTENT)
    attributes = version_attributes(source, safety=safety)
    create_containers(world.provider())
    steps = (Step(Verb.CREATE, VERSION, attributes), *create_steps(source, {EAST: 1, WEST: 1})[1:])
    applied(run(world.provider(), *steps, version=attributes), WEST)
    return attributes


def writes(world: AzureWorld) -> list[tuple[str, int]]:
    """How many requests of each kind may have changed something so far."""
    counts = world.emulator.request_log.summary()["counts"]
    return [(entry["name"], entry["count"]) for entry in counts if entry["method"] != "GET"]


def test_copies_are_replaced_where_the_version_permits_it(world: AzureWorld) -> None:
    attributes = publish_with(world, REMOVABLE)
    results = run(world.provider(), Step(Verb.REPLACE, WEST, PREMIUM, region_attributes()), version=attributes)
    assert applied(results, WEST).object_id
    assert world.copies(WEST) == [CONTENT]


def test_copies_are_not_replaced_against_the_safety_profile(world: AzureWorld) -> None:
    attributes = publish_with(world, FIRM)
    before = writes(world)
    for step in (Step(Verb.REPLACE, WEST, PREMIUM, region_attributes()), Step(Verb.DELETE, WEST)):
        error = failed(run(world.provider(), step, version=attributes), WEST)
        assert "does not allow" in error.message
        assert "safety.allowDeletionOfReplicatedLocations: true" in error.remedy
    assert writes(world) == before
    assert world.copies(WEST) == [CONTENT]


def test_the_permission_may_come_with_the_same_change(world: AzureWorld) -> None:
    attributes = publish_with(world, FIRM)
    permitted = {**attributes, "safety": REMOVABLE}
    steps = Step(Verb.UPDATE, VERSION, permitted, attributes), Step(Verb.REPLACE, WEST, PREMIUM, region_attributes())
    results = run(world.provider(), *steps, version=permitted)
    applied(results, VERSION)
    applied(results, WEST)
    assert world.copies(WEST) == [CONTENT]


def test_failed_copies_in_the_home_region_are_made_again_while_another_region_leaves(world: AzureWorld) -> None:
    attributes = publish_with(world, FIRM)
    world.damage(EAST)
    permitted = {**attributes, "safety": REMOVABLE}
    steps = (
        Step(Verb.UPDATE, VERSION, permitted, attributes),
        Step(Verb.REPLACE, EAST, region_attributes(2), region_attributes(), repairs=True),
        Step(Verb.DELETE, WEST, prior=region_attributes()),
    )
    results = run(world.provider(), *steps, version=permitted)
    assert {address: applied(results, address) for address in (VERSION, EAST, WEST)}
    assert (world.copies(EAST), world.copies(WEST)) == ([CONTENT] * 2, [])


@pytest.mark.parametrize("region", [EAST, WEST], ids=["home", "other"])
@pytest.mark.parametrize("safety", [FIRM, REMOVABLE], ids=["firm", "removable"])
def test_copies_that_are_whole_by_now_stay(world: AzureWorld, safety: Mapping[str, bool], region: Address) -> None:
    attributes = publish_with(world, safety)
    before = writes(world)
    repair = Step(Verb.REPLACE, region, region_attributes(), region_attributes(), repairs=True)
    applied(run(world.provider(), repair, version=attributes), region)
    assert (writes(world), world.copies(region)) == (before, [CONTENT])


@pytest.mark.parametrize("safety", [FIRM, REMOVABLE], ids=["firm", "removable"])
def test_the_copies_of_the_home_region_are_not_replaced_alone(world: AzureWorld, safety: Mapping[str, bool]) -> None:
    attributes = publish_with(world, safety)
    before = writes(world)
    error = failed(run(world.provider(), Step(Verb.REPLACE, EAST, PREMIUM, region_attributes())), EAST)
    assert "is the home region" in error.message
    assert f"--allow-replace {VERSION}" in error.remedy
    assert writes(world) == before
    assert world.provider().capabilities().home_region_fixed
    assert attributes["location"] == EAST.region


@pytest.mark.parametrize("region", [EAST, WEST], ids=["home", "other"])
def test_failed_copies_are_repaired_without_a_permission(world: AzureWorld, region: Address) -> None:
    attributes = publish_with(world, FIRM)
    world.damage(region)
    results = run(world.provider(), Step(Verb.REPLACE, region, region_attributes()), version=attributes)
    applied(results, region)
    assert world.copies(region) == [CONTENT]
    shown = world.call("GET", VERSION_ID)["properties"]
    assert shown["provisioningState"] == "Succeeded"
    assert not shown["safetyProfile"]["allowDeletionOfReplicatedLocations"]


@pytest.mark.parametrize("safety", [FIRM, REMOVABLE], ids=["firm", "removable"])
def test_where_a_retry_does_not_help_the_region_is_removed_if_it_may_be(
    world: AzureWorld, safety: Mapping[str, bool]
) -> None:
    attributes = publish_with(world, safety)
    world.damage(WEST)
    world.emulator.service.faults.set([Fault("fail-region", region="westus", times=1)])
    results = run(world.provider(), Step(Verb.REPLACE, WEST, region_attributes()), version=attributes)
    if safety is REMOVABLE:
        applied(results, WEST)
        assert world.copies(WEST) == [CONTENT]
    else:
        assert "if that does not help, set safety.allowDeletionOfReplicatedLocations" in failed(results, WEST).remedy


# Replacements of a version, which need its name: the old one goes first.


def test_a_version_is_not_deleted_for_a_replacement_whose_file_is_gone(world: AzureWorld) -> None:
    attributes = publish_with(world, REMOVABLE)
    world.remove_image(attributes["source"])
    error = failed(make_room(world, attributes, attributes), VERSION)
    assert isinstance(error, SourceError)
    assert world.copies(EAST) == world.copies(WEST) == [CONTENT]


@pytest.mark.parametrize(
    "source",
    [
        {"disk": f"{COMPUTE_ID}/disks/gone"},
        {"snapshot": f"{COMPUTE_ID}/snapshots/gone"},
        {"managedImage": f"{COMPUTE_ID}/images/gone"},
        {"vm": f"{COMPUTE_ID}/virtualMachines/gone"},
        {"version": "corp/ubuntu/1.0.2"},
    ],
    ids=lambda source: next(iter(source)),
)
def test_a_version_is_not_deleted_for_a_replacement_whose_source_is_gone(
    world: AzureWorld, source: Mapping[str, Any]
) -> None:
    attributes = publish_with(world, REMOVABLE)
    data = {**attributes, "dataDisks": {"0": {"source": source}}}
    for planned in ({**attributes, "source": source}, *([data] if source.keys() & {"disk", "snapshot"} else [])):
        error = failed(make_room(world, attributes, planned), VERSION)
        assert isinstance(error, SourceError | Unsupported)
        assert world.copies(EAST) == world.copies(WEST) == [CONTENT]


def test_the_file_of_a_replacement_is_uploaded_before_the_version_is_deleted(world: AzureWorld) -> None:
    attributes = publish_with(world, REMOVABLE)
    other = b"another image".ljust(2048, b"\2")
    planned = {**attributes, "source": world.image("other.raw", other)}
    applied(make_room(world, attributes, planned), VERSION)
    assert world.provider().read(VERSION) is None
    (world.folder / "images" / "other.raw").rename(world.folder / "images" / "away.raw")
    assert [name for name in world.objects() if name.startswith("staging")]
    (world.folder / "images" / "away.raw").rename(world.folder / "images" / "other.raw")
    steps = (Step(Verb.CREATE, VERSION, planned), Step(Verb.CREATE, EAST, region_attributes()))
    applied(run(world.provider(), *steps, version=planned), VERSION)
    assert world.copies(EAST) == [other]
    assert not [name for name in world.objects() if name.startswith("staging")]


def make_room(world: AzureWorld, attributes: Mapping[str, Any], planned: Mapping[str, Any]) -> Results:
    """The results of deleting the version with its regions, to make room for what is planned."""
    regions = [Step(Verb.DELETE, region, prior=region_attributes(), makes_room=True) for region in (EAST, WEST)]
    steps = (*regions, Step(Verb.DELETE, VERSION, prior=attributes, makes_room=True))
    provider = world.provider()
    operation = Operation(VERSION, writer_of(), steps, attributes, replacement=planned)
    answer = provider.begin(operation, lambda *_: None)
    while not isinstance(answer, Done):
        answer = provider.poll(json.loads(json.dumps(answer.handle)), writer_of(), lambda *_: None)
    return answer.results


# Versions that failed.


def seen(world: AzureWorld, fingerprint: str | None, *addresses: Address) -> Mapping[Address, Observed]:
    return world.provider().scan(Scope(dict.fromkeys(addresses, fingerprint))).observed


def set_failed(world: AzureWorld, *regions: str) -> None:
    """The last operation on the version failed, in these regions if any."""
    version = world.version(VERSION)
    assert version is not None
    version.properties["provisioningState"] = "Failed"
    for region in regions:
        version.hidden["regions"][region]["fails"] = "an internal error"
    with world.emulator.service.store.transaction():
        world.emulator.service.store.put(version)


def test_a_failed_version_is_never_as_recorded(world: AzureWorld) -> None:
    attributes = publish_with(world, FIRM)
    before = world.provider().read(VERSION)
    assert before is not None
    set_failed(world)
    (version,) = seen(world, before.fingerprint, VERSION).values()
    assert (version.condition, version.defects) == (Condition.DAMAGED, ("the service failed to change it",))
    step = Step(Verb.UPDATE, VERSION, attributes, attributes)
    applied(run(world.provider(), step, version=attributes), VERSION)
    assert world.call("GET", VERSION_ID)["properties"]["provisioningState"] == "Succeeded"
    set_failed(world, "eastus", "westus")
    (version,) = seen(world, before.fingerprint, VERSION).values()
    assert (version.condition, version.defects) == (Condition.DAMAGED, ("no region has its copies",))
    (version,) = seen(world, None, VERSION).values()
    assert version.condition is Condition.INCOMPLETE


def test_a_version_that_failed_before_its_replication_is_reported_with_its_regions(world: AzureWorld) -> None:
    publish_with(world, FIRM)
    set_failed(world)
    version = world.version(VERSION)
    assert version is not None
    version.hidden["regions"] = {}
    with world.emulator.service.store.transaction():
        world.emulator.service.store.put(version)
    found = seen(world, None, VERSION, WEST)
    assert [each.condition for each in found.values()] == [Condition.INCOMPLETE] * 2
    assert all(each.defects for each in found.values())
