"""What every backend promises; see providers/protocol.py. Worlds come from support/provider_worlds.py."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pytest
from support.operations import (
    CONTENT,
    DEFINITION,
    EAST,
    GALLERY,
    LINEAGE,
    NORTH,
    VERSION,
    WEST,
    Attributes,
    Results,
    applied,
    failed,
    run,
)
from support.provider_worlds import ProviderWorld

from reconciler.manifests.address import Address
from reconciler.manifests.values import canonical_json
from reconciler.providers.errors import ObjectConflict, SourceError, Unsupported
from reconciler.providers.protocol import Applied, Condition, OwnerMark, Provider, Scope, Step, Verb

OTHER = "77777777-aaaa-bbbb-cccc-000000000002"
GALLERY_ATTRIBUTES = {"location": "eastus", "sharing": {"permissions": "Private"}}
DEFINITION_ATTRIBUTES = {
    "location": "eastus",
    "osType": "Linux",
    "osState": "Generalized",
    "hyperVGeneration": "V2",
    "architecture": "x64",
    "identifier": {"publisher": "Contoso", "offer": "Ubuntu", "sku": "24.10"},
}


def version_attributes(source: Attributes, **changes: Any) -> dict[str, Any]:
    given = {"location": "eastus", "source": source, "replicaCount": 1, "excludeFromLatest": False}
    return {**given, "replicationMode": "Full", **changes}


def region_attributes(replicas: int = 1, *, excluded: bool = False) -> dict[str, Any]:
    return {"replicas": replicas, "excludeFromLatest": excluded}


def create_steps(source: Attributes, regions: Mapping[Address, int]) -> tuple[Step, ...]:
    own = Step(Verb.CREATE, VERSION, version_attributes(source))
    return (own, *(Step(Verb.CREATE, region, region_attributes(count)) for region, count in regions.items()))


def publish(provider: Provider, source: Attributes, regions: Mapping[Address, int], **more: Any) -> Results:
    """Makes gallery, definition and version with its regions."""
    for address, attributes in ((GALLERY, GALLERY_ATTRIBUTES), (DEFINITION, DEFINITION_ATTRIBUTES)):
        applied(run(provider, Step(Verb.CREATE, address, attributes)), address)
    return run(provider, *create_steps(source, regions), version=version_attributes(source), **more)


def disks_of(results: Results) -> Attributes:
    """What the engine keeps of a version and passes to later operations."""
    computed: Attributes = json.loads(applied(results, VERSION).computed)
    return computed


@pytest.fixture
def provider(provider_world: ProviderWorld) -> Provider:
    return provider_world.provider()


@pytest.fixture
def source(provider_world: ProviderWorld) -> Attributes:
    return provider_world.image("ubuntu.raw", CONTENT)


def test_what_is_made_is_as_planned_and_another_provider_reads_it(
    provider_world: ProviderWorld, provider: Provider, source: Attributes
) -> None:
    results = publish(provider, source, {EAST: 2, WEST: 1})
    planned = {VERSION: version_attributes(source), EAST: region_attributes(2), WEST: region_attributes(1)}
    other = provider_world.provider()
    for address, attributes in planned.items():
        made, seen = applied(results, address), other.read(address)
        assert made.canonical == canonical_json(attributes)
        assert seen is not None
        assert (seen.canonical, seen.condition) == (made.canonical, Condition.READY)
        assert seen.mark == OwnerMark(LINEAGE, address)
        assert (seen.fingerprint, seen.object_id, seen.computed) == (made.fingerprint, made.object_id, made.computed)
    assert provider_world.copies(EAST) == [CONTENT, CONTENT]
    assert provider_world.copies(WEST) == [CONTENT]


def test_the_disks_are_described_in_what_is_computed(provider: Provider, source: Attributes) -> None:
    results = publish(provider, source, {EAST: 1})
    for address in (VERSION, EAST):
        disk = json.loads(applied(results, address).computed)["disks"]["os"]
        assert disk["sha256"] == hashlib.sha256(CONTENT).hexdigest() == provider.source_digest(source)
        assert (disk["size"], disk["virtualSize"], disk["format"]) == (len(CONTENT), len(CONTENT), "raw")


def test_the_identity_of_a_source_is_the_one_recorded(provider: Provider, source: Attributes) -> None:
    results = publish(provider, source, {EAST: 1})
    identity = provider.source_identity(source)
    assert identity == provider.source_facts(source).identity == disks_of(results)["disks"]["os"]["source"]
    assert provider.source_identity({"file": "images/none.raw"}) == ""
    assert provider.source_facts(source, DEFINITION_ATTRIBUTES) == provider.source_facts(source)


def test_a_changed_source_has_another_identity(
    provider_world: ProviderWorld, provider: Provider, source: Attributes
) -> None:
    before = provider.source_identity(source)
    provider.source_digest(source)
    assert provider.source_identity(source) == before
    provider_world.image("ubuntu.raw", CONTENT[::-1])
    assert provider.source_identity(source) != before


def test_what_was_never_made_is_absent(provider: Provider, source: Attributes) -> None:
    for address in (GALLERY, DEFINITION, VERSION, EAST):
        assert provider.read(address) is None
    scan = provider.scan(Scope(dict.fromkeys((GALLERY, DEFINITION, VERSION, EAST))))
    assert (dict(scan.observed), scan.matching, dict(scan.unreachable)) == ({}, frozenset(), {})


def test_a_lost_answer_is_had_again_by_asking_again(
    provider_world: ProviderWorld, provider: Provider, source: Attributes
) -> None:
    first = publish(provider, source, {EAST: 2})
    again = publish(provider_world.provider(), source, {EAST: 2})
    for address in (VERSION, EAST):
        assert applied(again, address).canonical == applied(first, address).canonical
        assert applied(again, address).object_id == applied(first, address).object_id
    assert disks_of(again) == disks_of(first)
    assert provider_world.copies(EAST) == [CONTENT, CONTENT]


@pytest.mark.parametrize("address", [GALLERY, DEFINITION, VERSION, EAST], ids=str)
def test_an_object_without_our_mark_is_neither_taken_nor_deleted(
    provider_world: ProviderWorld, provider: Provider, source: Attributes, address: Address
) -> None:
    provider_world.make_foreign(address)
    before = provider_world.objects()
    seen = provider.read(address)
    assert seen is not None
    assert seen.mark is None
    attributes: Attributes = {GALLERY: GALLERY_ATTRIBUTES, DEFINITION: DEFINITION_ATTRIBUTES}.get(address) or (
        region_attributes() if address.region else version_attributes(source)
    )
    version = version_attributes(source) if address.version else None
    for step in (Step(Verb.CREATE, address, attributes), Step(Verb.DELETE, address, prior=attributes)):
        assert isinstance(failed(run(provider, step, version=version), address), ObjectConflict)
    assert provider_world.objects() == before


def test_an_object_of_another_state_is_neither_taken_nor_deleted(
    provider_world: ProviderWorld, provider: Provider, source: Attributes
) -> None:
    publish(provider, source, {EAST: 1})
    before = provider_world.objects()
    version = version_attributes(source)
    create = Step(Verb.CREATE, EAST, region_attributes())
    delete = Step(Verb.DELETE, EAST, prior=region_attributes())
    own = Step(Verb.DELETE, VERSION, prior=version)
    for step in (create, delete, own):
        results = run(provider, step, version=version, lineage=OTHER)
        assert isinstance(failed(results, step.address), ObjectConflict)
    assert provider_world.objects() == before
    assert provider_world.copies(EAST) == [CONTENT]


def test_deleting_leaves_nothing_and_deleting_again_is_fine(
    provider_world: ProviderWorld, provider: Provider, source: Attributes
) -> None:
    publish(provider, source, {EAST: 2, WEST: 1})
    version = version_attributes(source)
    regions = [Step(Verb.DELETE, region, prior=region_attributes()) for region in (EAST, WEST)]
    for _ in range(2):
        results = run(provider, *regions, Step(Verb.DELETE, VERSION, prior=version), version=version)
        assert [applied(results, address) for address in (EAST, WEST, VERSION)] == [Applied()] * 3
        for address, attributes in ((DEFINITION, DEFINITION_ATTRIBUTES), (GALLERY, GALLERY_ATTRIBUTES)):
            assert run(provider, Step(Verb.DELETE, address, prior=attributes)) == {address: Applied()}
    assert provider_world.objects() == []


def test_deleting_one_region_leaves_the_others(
    provider_world: ProviderWorld, provider: Provider, source: Attributes
) -> None:
    publish(provider, source, {EAST: 1, WEST: 1})
    run(provider, Step(Verb.DELETE, WEST, prior=region_attributes()), version=version_attributes(source))
    assert provider.read(WEST) is None
    assert provider_world.copies(EAST) == [CONTENT]
    assert provider.read(VERSION) is not None


def test_what_is_not_ours_in_our_object_stops_its_deletion(
    provider_world: ProviderWorld, provider: Provider, source: Attributes
) -> None:
    publish(provider, source, {EAST: 1})
    stray = provider_world.add_stray(EAST)
    version = version_attributes(source)
    steps = (Step(Verb.DELETE, EAST, prior=region_attributes()), Step(Verb.DELETE, VERSION, prior=version))
    results = run(provider, *steps, version=version)
    assert isinstance(failed(results, EAST), ObjectConflict)
    assert stray.name in failed(results, EAST).message
    assert stray.name in failed(results, VERSION).message
    assert stray.is_there()
    assert provider_world.copies(EAST) == [CONTENT]


def test_an_unreachable_world_is_not_an_empty_one(
    provider_world: ProviderWorld, provider: Provider, source: Attributes
) -> None:
    results = publish(provider, source, {EAST: 1})
    wanted = {address: applied(results, address).fingerprint for address in (VERSION, EAST)}
    with provider_world.unreachable():
        scan = provider_world.provider().scan(Scope(wanted))
        assert scan.unreachable.keys() == wanted.keys()
        assert not scan.observed
        assert not scan.matching
    assert provider.scan(Scope(wanted)).matching == wanted.keys()


def test_attributes_change_in_place(provider_world: ProviderWorld, provider: Provider, source: Attributes) -> None:
    results = publish(provider, source, {EAST: 1})
    prior = {GALLERY: GALLERY_ATTRIBUTES, VERSION: version_attributes(source), EAST: region_attributes()}
    changed: dict[Address, Attributes] = {
        GALLERY: {**GALLERY_ATTRIBUTES, "description": "golden"},
        VERSION: version_attributes(source, tags={"owner": "ada"}),
        EAST: region_attributes(excluded=True),
    }
    for address, planned in changed.items():
        step = Step(Verb.UPDATE, address, planned, prior[address])
        after = run(provider, step, version=changed[VERSION], computed=disks_of(results))
        seen = provider_world.provider().read(address)
        assert seen is not None
        assert seen.canonical == applied(after, address).canonical == canonical_json(planned)
        assert seen.fingerprint == applied(after, address).fingerprint
    assert provider_world.copies(EAST) == [CONTENT]
    version = provider.read(VERSION)
    assert version is not None
    assert json.loads(version.computed) == disks_of(results)


def test_a_region_is_added_later_with_the_same_content(
    provider_world: ProviderWorld, provider: Provider, source: Attributes
) -> None:
    computed = disks_of(publish(provider, source, {EAST: 1}))
    step = Step(Verb.CREATE, NORTH, region_attributes(2))
    applied(run(provider, step, version=version_attributes(source), computed=computed), NORTH)
    assert provider_world.copies(NORTH) == [CONTENT, CONTENT]


@pytest.mark.parametrize("change", ["changed", "gone"])
def test_a_region_added_after_the_source_changed_is_copied_from_a_region(
    provider_world: ProviderWorld, provider: Provider, source: Attributes, change: str
) -> None:
    computed = disks_of(publish(provider, source, {EAST: 1}))
    if change == "gone":
        provider_world.remove_image(source)
    else:
        provider_world.image("ubuntu.raw", CONTENT[::-1] * 3)
    step = Step(Verb.CREATE, WEST, region_attributes())
    applied(run(provider, step, version=version_attributes(source), computed=computed), WEST)
    assert provider_world.copies(WEST) == [CONTENT]


def test_what_is_recorded_of_disks_stays_when_their_sources_are_gone(
    provider_world: ProviderWorld, provider: Provider, source: Attributes
) -> None:
    data = provider_world.image("data.raw", CONTENT[::-1])
    before = version_attributes(source, dataDisks={"0": {"source": data}})
    for address, attributes in ((GALLERY, GALLERY_ATTRIBUTES), (DEFINITION, DEFINITION_ATTRIBUTES)):
        applied(run(provider, Step(Verb.CREATE, address, attributes)), address)
    east, west = (Step(Verb.CREATE, region, region_attributes()) for region in (EAST, WEST))
    computed = disks_of(run(provider, Step(Verb.CREATE, VERSION, before), east, version=before))
    for one in (source, data):
        provider_world.remove_image(one)
    after = {**before, "excludeFromLatest": True}
    results = run(provider, Step(Verb.UPDATE, VERSION, after, before), west, version=after, computed=computed)
    assert provider_world.copies(WEST) == [CONTENT]
    assert disks_of(results) == computed


@pytest.mark.parametrize("change", ["changed", "gone"])
def test_without_the_recorded_content_anywhere_nothing_is_published(
    provider_world: ProviderWorld, provider: Provider, source: Attributes, change: str
) -> None:
    computed = disks_of(publish(provider, source, {EAST: 1}))
    provider_world.damage(EAST)
    if change == "gone":
        provider_world.remove_image(source)
    else:
        provider_world.image("ubuntu.raw", CONTENT[::-1])
    before = provider_world.objects()
    step = Step(Verb.CREATE, WEST, region_attributes())
    error = failed(run(provider, step, version=version_attributes(source), computed=computed), WEST)
    assert isinstance(error, SourceError)
    assert error.remedy
    assert provider_world.objects() == before


def test_the_number_of_replicas_goes_up_and_down(
    provider_world: ProviderWorld, provider: Provider, source: Attributes
) -> None:
    computed = disks_of(publish(provider, source, {EAST: 1}))
    before = 1
    for count in (3, 2, 1):
        step = Step(Verb.UPDATE, EAST, region_attributes(count), region_attributes(before))
        result = applied(run(provider, step, version=version_attributes(source), computed=computed), EAST)
        assert provider_world.copies(EAST) == [CONTENT] * count
        assert provider.scan(Scope({EAST: result.fingerprint})).matching == {EAST}
        before = count


@pytest.mark.parametrize("harm", ["damage", "truncate", "lose"])
def test_a_damaged_copy_is_found_and_repaired(
    provider_world: ProviderWorld, provider: Provider, source: Attributes, harm: str
) -> None:
    results = publish(provider, source, {EAST: 1, WEST: 1})
    getattr(provider_world, harm)(EAST)
    wanted = {address: applied(results, address).fingerprint for address in (VERSION, EAST, WEST)}
    scan = provider_world.provider().scan(Scope(wanted))
    assert scan.matching == {VERSION, WEST}
    assert scan.observed[EAST].condition is Condition.DAMAGED
    assert scan.observed[EAST].mark == OwnerMark(LINEAGE, EAST)
    assert scan.observed[EAST].defects
    step = Step(Verb.REPLACE, EAST, region_attributes(), region_attributes())
    repaired = run(provider, step, version=version_attributes(source), computed=disks_of(results))
    assert provider_world.copies(EAST) == [CONTENT]
    fingerprint = applied(repaired, EAST).fingerprint
    assert provider.scan(Scope({EAST: fingerprint})).matching == {EAST}


def test_a_deep_scan_reads_every_byte(provider_world: ProviderWorld, provider: Provider, source: Attributes) -> None:
    results = publish(provider, source, {EAST: 1, WEST: 1})
    wanted = {region: applied(results, region).fingerprint for region in (EAST, WEST)}
    heard: list[tuple[Address, int, int]] = []
    scan = provider.scan(Scope(wanted, deep=True), lambda *told: heard.append(told))
    assert not scan.matching
    assert {one.condition for one in scan.observed.values()} == {Condition.READY}
    assert {address for address, _, _ in heard} == {EAST, WEST}
    assert all(done <= total for _, done, total in heard)
    provider_world.damage(WEST)
    scan = provider.scan(Scope(wanted, deep=True))
    assert [scan.observed[region].condition for region in (EAST, WEST)] == [Condition.READY, Condition.DAMAGED]


def test_a_failing_region_leaves_the_others_done(
    provider_world: ProviderWorld, provider: Provider, source: Attributes
) -> None:
    with provider_world.failing("westus"):
        results = publish(provider, source, {EAST: 1, WEST: 1, NORTH: 1})
        assert failed(results, WEST).remedy
        seen = provider.read(WEST)
        assert seen is None or seen.condition is Condition.INCOMPLETE
    assert provider_world.copies(EAST) == provider_world.copies(NORTH) == [CONTENT]
    again = Step(Verb.CREATE, WEST, region_attributes())
    applied(run(provider, again, version=version_attributes(source), computed=disks_of(results)), WEST)
    assert provider_world.copies(WEST) == [CONTENT]


def test_a_missing_source_makes_nothing(provider_world: ProviderWorld, provider: Provider) -> None:
    source = {"file": "images/none.raw"}
    results = publish(provider, source, {EAST: 1, WEST: 1})
    assert isinstance(failed(results, EAST), SourceError)
    assert "images/none.raw" in failed(results, WEST).message
    assert provider.read(EAST) is None
    with pytest.raises(SourceError, match=r"none\.raw"):
        provider.source_facts(source)


def test_what_a_killed_run_left_is_made_again(
    provider_world: ProviderWorld, provider: Provider, source: Attributes
) -> None:
    provider_world.leave_unfinished(EAST, LINEAGE)
    assert provider.read(EAST) is None
    publish(provider, source, {EAST: 1})
    assert provider_world.copies(EAST) == [CONTENT]
    assert not [name for name in provider_world.objects() if "staging" in name]


def test_what_a_killed_run_left_goes_with_a_deletion(
    provider_world: ProviderWorld, provider: Provider, source: Attributes
) -> None:
    provider_world.leave_unfinished(EAST, LINEAGE)
    assert applied(run(provider, Step(Verb.DELETE, EAST, prior=region_attributes())), EAST) == Applied()
    assert provider_world.objects() == []


def test_progress_only_goes_forward_and_ends_at_the_total(provider_world: ProviderWorld, provider: Provider) -> None:
    source = provider_world.image("large.raw", bytes(range(256)) * (20 << 12))
    heard: dict[Address, list[tuple[int, int]]] = {}
    publish(
        provider,
        source,
        {EAST: 2, WEST: 1},
        progress=lambda address, done, total: heard.setdefault(address, []).append((done, total)),
    )
    assert heard.keys() == {EAST, WEST}
    for told in heard.values():
        assert told == sorted(told)
        assert len(told) > 1
        assert told[-1][0] == told[-1][1]
        assert len(told) < 100


def test_an_unchanged_world_only_matches(provider_world: ProviderWorld, provider: Provider, source: Attributes) -> None:
    results = publish(provider, source, {EAST: 1, WEST: 2})
    wanted = {address: applied(results, address).fingerprint for address in (VERSION, EAST, WEST)}
    scan = provider_world.provider().scan(Scope({**wanted, NORTH: None}))
    assert scan.matching == wanted.keys()
    assert not scan.observed
    assert not scan.unreachable
    assert not scan.unmanaged


def test_what_nobody_asked_about_is_listed_on_request(
    provider_world: ProviderWorld, provider: Provider, source: Attributes
) -> None:
    results = publish(provider, source, {EAST: 1, WEST: 1})
    provider_world.make_foreign(Address("theirs"))
    stray = provider_world.add_stray(EAST)
    wanted = dict.fromkeys((GALLERY, DEFINITION, VERSION, EAST))
    scan = provider.scan(Scope(wanted, unmanaged=True))
    marks = {one.address: one.mark for one in scan.unmanaged}
    assert marks[Address("theirs")] is None
    assert marks[WEST] == OwnerMark(LINEAGE, WEST)
    assert any(stray.name in one.object_id for one in scan.unmanaged)
    assert len(scan.unmanaged) == 3
    assert not provider.scan(Scope(wanted)).unmanaged
    assert applied(results, WEST)


def test_a_version_is_made_from_another_version(
    provider_world: ProviderWorld, provider: Provider, source: Attributes
) -> None:
    publish(provider, source, {EAST: 1, WEST: 1})
    provider_world.remove_image(source)
    newer = VERSION._replace(version="1.0.4")
    attributes = version_attributes({"version": str(VERSION)})
    region = newer._replace(region="westus")
    home = newer._replace(region="eastus")
    steps = (Step(Verb.CREATE, address, region_attributes()) for address in (home, region))
    results = run(provider, Step(Verb.CREATE, newer, attributes), *steps, version=attributes)
    for address in (home, region):
        applied(results, address)
        assert provider_world.copies(address) == [CONTENT]


def test_a_shallow_version_has_no_copies(provider_world: ProviderWorld, provider: Provider, source: Attributes) -> None:
    for address, given in ((GALLERY, GALLERY_ATTRIBUTES), (DEFINITION, DEFINITION_ATTRIBUTES)):
        applied(run(provider, Step(Verb.CREATE, address, given)), address)
    attributes = version_attributes(source, replicationMode="Shallow")
    steps = (Step(Verb.CREATE, VERSION, attributes), Step(Verb.CREATE, EAST, region_attributes()))
    results = run(provider, *steps, version=attributes)
    if "Shallow" not in provider.capabilities().replication_modes:
        assert isinstance(failed(results, EAST), Unsupported)
        return
    assert provider_world.copies(EAST) == []
    wanted = {EAST: applied(results, EAST).fingerprint}
    seen = provider.read(EAST)
    assert seen is not None
    assert seen.condition is Condition.READY
    assert provider.scan(Scope(wanted)).matching == {EAST}
    steps = (Step(Verb.DELETE, EAST, prior=region_attributes()), Step(Verb.DELETE, VERSION, prior=attributes))
    run(provider, *steps, version=attributes)
    run(provider, Step(Verb.DELETE, DEFINITION, prior=DEFINITION_ATTRIBUTES))
    run(provider, Step(Verb.DELETE, GALLERY, prior=GALLERY_ATTRIBUTES))
    assert provider_world.objects() == []


def test_a_source_style_that_is_not_offered_is_refused(provider: Provider) -> None:
    assert "tape" not in provider.capabilities().sources
    with pytest.raises(Unsupported, match="tape"):
        provider.source_facts({"tape": "/dev/st0"})
