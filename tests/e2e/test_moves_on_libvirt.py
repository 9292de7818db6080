"""Renames on virtualization hosts: volumes and their descriptions keep their names."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.estates import Document, Estate, definition, gallery, version
from support.libvirt.daemons import LibvirtHost

from reconciler.planning.actions import Action

WEB = {"publisher": "Contoso", "offer": "corp", "sku": "web"}
MOVED = {"kind": "Moved", "from": "corp/web", "to": "corp/frontend"}
FIRST = version({"file": "../images/a.raw"}, "corp/web")


@pytest.fixture
def pools(libvirt_hosts: tuple[LibvirtHost, ...]) -> Iterator[dict[str, tuple[LibvirtHost, str, Path]]]:
    """Region -> its host, pool and the pool's directory."""
    made = {}
    for region, host in zip(("eastus", "westus"), libvirt_hosts, strict=False):
        name = f"moves-{uuid.uuid4().hex[:8]}"
        made[region] = (host, name, host.define_pool(name))
    yield made
    for host, name, folder in made.values():
        host.virsh("pool-destroy", name)
        host.virsh("pool-undefine", name)
        shutil.rmtree(folder)


@pytest.fixture
def estate(tmp_path: Path, pools: dict[str, tuple[LibvirtHost, str, Path]]) -> Estate:
    made = Estate(tmp_path)
    regions = {region: {"uri": host.uri, "pool": pool} for region, (host, pool, _) in pools.items()}
    project = {"project": "test", "manifests": ["manifests"], "provider": {"type": "libvirt", "regions": regions}}
    (tmp_path / "reconciler.yaml").write_text(yaml.safe_dump(project))
    made.image("a.raw", b"first".ljust(4096, b"\0"))
    made.write([gallery(), definition(name="web"), FIRST])
    settle(made)
    return made


def settle(estate: Estate) -> set[Action]:
    """Applies until nothing is left to do; the actions that took."""
    outcome = estate.apply(allow_deletes=100)
    assert outcome.result is None or outcome.result.complete, outcome.result
    assert estate.plan().changes == ()
    return {change.action for change in outcome.plan.changes}


def frontend(*versions: Document, **more: Any) -> list[Document]:
    return [gallery(), definition(name="frontend", identifier=WEB, **more), *versions]


def files(pools: dict[str, tuple[LibvirtHost, str, Path]]) -> set[str]:
    return {f"{region}/{path.name}" for region, (_, _, folder) in pools.items() for path in folder.iterdir()}


def test_renames_keep_volumes_and_later_versions_join_them(
    estate: Estate, pools: dict[str, tuple[LibvirtHost, str, Path]]
) -> None:
    before = files(pools)
    first = {**FIRST, "image": "corp/frontend"}
    estate.write([*frontend(first), MOVED])
    assert settle(estate) == {Action.RECORD}
    assert files(pools) == before
    built = version({"version": "corp/frontend/1.0.0"}, "corp/frontend", "1.0.1")
    estate.write(frontend(first, built, endOfLifeDate="2040-01-01"))
    assert settle(estate) == {Action.UPDATE, Action.CREATE}
    assert not any("frontend" in name for name in files(pools))
    with estate.engine() as engine:
        assert not engine.drift(deep=True).drifts


def test_a_rename_with_other_edits_leaves_nothing_behind(estate: Estate) -> None:
    first = {**FIRST, "image": "corp/frontend"}
    built = version({"version": "corp/frontend/1.0.0"}, "corp/frontend", "1.0.1")
    estate.write([*frontend(first, built, tags={"a": "b"}), MOVED])
    settle(estate)
    with estate.engine() as engine:
        assert {str(address.unit) for address in engine.state().records} == {
            *("corp", "corp/frontend", "corp/frontend/1.0.0", "corp/frontend/1.0.1")
        }
    estate.apply(destroy=True)
    with estate.engine() as engine:
        assert not engine.state().records
