"""Thin images cost their data, and volumes that were published before there were tree digests stay valid."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.libvirt.galleries import disks, publish, region, version
from support.libvirt.world import LibvirtWorld

from reconciler.manifests.values import digest
from reconciler.providers.content_digest import GUEST, ContentDigest
from reconciler.providers.image_files.tree_digest import TreeDigest
from reconciler.providers.protocol import Provider, Scope, Step, Verb
from reconciler.testing.operations import CONTENT, EAST, WEST, applied, run

MIB, GIB = 1 << 20, 1 << 30


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of all data that tree digests are made of; holes are not among them."""
    lengths: list[int] = []
    real = TreeDigest.data

    def counted(self: TreeDigest, piece: bytes) -> None:
        lengths.append(len(piece))
        real(self, piece)

    monkeypatch.setattr(TreeDigest, "data", counted)
    return lengths


@pytest.mark.parametrize("kind", ["qcow2", "raw"])
def test_a_thin_image_costs_its_data(world: LibvirtWorld, provider: Provider, hashed: list[int], kind: str) -> None:
    """100 GiB with 2 MiB of data: published in three copies, and read again by a deep scan."""
    path = world.folder / "images" / f"thin.{kind}"
    path.parent.mkdir(exist_ok=True)
    subprocess.run(["qemu-img", "create", "-q", "-f", kind, path, "100G"], check=True)
    writes = ["-c", "write -q -P 1 0 1M", "-c", f"write -q -P 2 {90 * GIB} 1M"]
    subprocess.run(["qemu-io", "-f", kind, *writes, path], check=True)
    results = publish(provider, version({"file": f"images/thin.{kind}"}), {EAST: 2, WEST: 1})
    guest = TreeDigest()
    for part in (b"\1" * MIB, 90 * GIB - MIB, b"\2" * MIB, 10 * GIB - MIB):
        guest.hole(part) if isinstance(part, int) else guest.data(part)
    assert disks(results)["os"]["contentDigest"] == guest.text()
    fingerprints = {address: applied(results, address).fingerprint for address in (EAST, WEST)}
    scan = provider.scan(Scope(fingerprints, deep=True))
    assert [scan.observed[address].defects for address in (EAST, WEST)] == [(), ()]
    assert sum(hashed) < 64 * MIB
    (volume, _) = world.volumes(EAST)
    assert volume.stat().st_blocks * 512 < 16 * MIB


def written_before(world: LibvirtWorld, facts: dict[str, Any]) -> dict[str, Any]:
    """Makes the description of eastus what it was before there were tree digests; the facts as they were recorded."""
    plain = hashlib.sha256(CONTENT).hexdigest()
    known = {name: value for name, value in facts.items() if name not in ("digest", "contentDigest")}
    old = {**known, **ContentDigest(plain=plain).facts(), **ContentDigest(plain=plain).facts(GUEST)}
    (path,) = sidecars(world)
    description = json.loads(path.read_text().splitlines()[0])
    description["computed"]["disks"]["os"] = old
    for copy in description["copies"]:
        del copy["digest"]
        copy["sha256"] = plain
    text = json.dumps(description)
    path.write_text(f"{text}\n{digest(text)}\n")
    return old


def sidecars(world: LibvirtWorld) -> list[Path]:
    return list(world.folders["eastus"].glob(f".reconciler~{'~'.join(part for part in EAST if part)}.0*.json"))


def test_volumes_that_are_known_by_a_plain_digest_stay_valid(world: LibvirtWorld, provider: Provider) -> None:
    attributes = version(world.image("ubuntu.raw", CONTENT))
    known = written_before(world, disks(publish(provider, attributes, {EAST: 1}))["os"])
    assert provider.scan(Scope({EAST: ""}, deep=True)).observed[EAST].defects == ()
    results = run(provider, Step(Verb.CREATE, WEST, region()), version=attributes, computed={"disks": {"os": known}})
    assert applied(results, WEST)
    assert world.copies(WEST) == [CONTENT]
    (volume,) = world.volumes(EAST)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -q -P 7 0 512", volume], check=True)
    (defect,) = provider.scan(Scope({EAST: ""}, deep=True)).observed[EAST].defects
    assert "has other content than was published" in defect


def test_a_region_that_is_filled_again_must_have_the_plain_digest_that_was_recorded(
    world: LibvirtWorld, provider: Provider
) -> None:
    """No copy is left, so the image is converted once more, and both digests of what a guest sees are recorded."""
    attributes = version(world.image("ubuntu.raw", CONTENT))
    known = written_before(world, disks(publish(provider, attributes, {EAST: 1}))["os"])
    (volume,) = world.volumes(EAST)
    volume.unlink()
    step = Step(Verb.CREATE, WEST, region())
    results = run(provider, step, version=attributes, computed={"disks": {"os": known}})
    made = ContentDigest.in_facts(json.loads(applied(results, WEST).computed)["disks"]["os"], GUEST)
    assert made.plain == known["contentSha256"]
    assert made.tree
