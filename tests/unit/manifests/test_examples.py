"""The examples that newcomers copy: each loads without a warning and plans without a problem, in every environment."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.manifest_files import load_manifest

import reconciler.manifests.examples
from reconciler.engine import Engine
from reconciler.manifests.examples.boot_image import write_boot_image
from reconciler.manifests.manifest import Manifest
from reconciler.planning.actions import Action
from reconciler.planning.plan import PlanOptions

EXAMPLES = Path(reconciler.manifests.examples.__path__[0])
ENVIRONMENTS = [("quickstart", None), ("estate", None), ("estate", "prod")]


@pytest.fixture(params=ENVIRONMENTS, ids=lambda pair: f"{pair[0]}-{pair[1] or 'default'}")
def example(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str | None]:
    """A copy of an example with the images it names, and one of its environments."""
    name, environment = request.param
    project = tmp_path / name
    shutil.copytree(EXAMPLES / name, project)
    for image in image_files(load_manifest(project, environment)):
        path = project / image
        path.parent.mkdir(exist_ok=True)
        write_boot_image(path, f"hello from {image}", format="vhd" if image.endswith(".vhd") else "raw")
    return project, environment


def image_files(manifest: Manifest) -> set[str]:
    """The files that versions are made from, relative to the project."""
    found = set()
    for resource in manifest.resources.values():
        attributes = resource.attributes
        disks = [attributes, *attributes.get("dataDisks", {}).values()]
        found |= {disk["source"]["file"] for disk in disks if "file" in disk.get("source", {})}
    return found


def test_every_example_is_tested() -> None:
    folders = {path.parent.name for path in EXAMPLES.glob("*/reconciler.yaml")}
    assert folders == {name for name, _ in ENVIRONMENTS}


def test_loads_without_a_warning(example: tuple[Path, str | None]) -> None:
    manifest = load_manifest(*example)
    assert manifest.resources
    assert manifest.warnings == ()


def test_plans_everything_as_new(example: tuple[Path, str | None]) -> None:
    directory, environment = example
    with Engine(directory, environment) as engine:
        plan = engine.plan(PlanOptions())
    assert plan.applicable
    assert {change.action for change in plan.changes} == {Action.CREATE}
    assert len(plan.changes) == len(load_manifest(directory, environment).resources)


def test_quickstart_has_the_size_it_promises() -> None:
    manifest = load_manifest(EXAMPLES / "quickstart")
    kinds = [str(resource.kind) for resource in manifest.resources.values()]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "gallery": 1,
        "image definition": 2,
        "image version": 3,
        "target region": 9,
    }
    assert {address.region for address in manifest.resources if address.region} == {"eastus", "westus", "northeurope"}
