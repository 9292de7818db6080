"""Two runs at once, as after a lost lease or with a copied state, and runs that are killed between two effects."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.local_galleries import REGION, provider_at, provider_with_image, publish, run, version

from reconciler.manifests.address import Address
from reconciler.providers.errors import ProviderError
from reconciler.providers.owner import Writer
from reconciler.providers.protocol import Applied, Done, Operation, Provider, Step, Verb
from reconciler.testing.operations import (
    CONTENT,
    EAST,
    LINEAGE,
    VERSION,
    WEST,
    applied,
    failed,
    owner_of,
    writer_of,
)

ROOT = Path(__file__).parents[3] / "providers/local"
SHORT = LINEAGE.replace("-", "")[:8]


@pytest.fixture
def provider(tmp_path: Path) -> Provider:
    return provider_with_image(tmp_path)


def names(project: Path) -> list[str]:
    return sorted(str(path.relative_to(project / "regions")) for path in (project / "regions").rglob("*"))


def begin(provider: Provider, step: Step, writer: Writer, meanwhile: Callable[..., None], computed: Any = None) -> Any:
    """The result of a step; `meanwhile` is called while it copies."""
    answer = provider.begin(Operation(VERSION, writer, (step,), version(), computed or {}), meanwhile)
    assert isinstance(answer, Done)
    return answer.results[step.address]


def test_every_change_of_names_is_in_one_module_which_requires_the_lease() -> None:
    changes = (
        "os.rename(",
        "os.replace(",
        "os.unlink(",
        "os.rmdir(",
        "os.mkdir(",
        "os.makedirs(",
        "os.link(",
        "rmtree(",
    )
    found = {path.name for path in ROOT.rglob("*.py") if any(change in path.read_text() for change in changes)}
    assert found == {"effects.py"}


def test_a_staging_folder_of_another_run_with_the_same_state_is_never_published(
    tmp_path: Path, provider: Provider
) -> None:
    """A copied state: both runs have the same lineage and the same fence, so the same names."""
    staging = tmp_path / f"regions/eastus/corp/ubuntu/.1.0.3.staging-{SHORT}-0"

    def rival(*_: object) -> None:
        if staging.exists() and any(staging.iterdir()):
            shutil.rmtree(staging)
            staging.mkdir()

    error = begin(provider, Step(Verb.CREATE, EAST, REGION), writer_of(), rival)
    assert isinstance(error, ProviderError)
    assert "another run" in error.message
    assert error.remedy
    assert provider.read(EAST) is None
    assert staging.exists()  # it is the other run's


def test_a_staging_folder_that_another_run_removed_is_an_error(tmp_path: Path, provider: Provider) -> None:
    results = publish(provider, EAST)
    staging = tmp_path / f"regions/eastus/corp/ubuntu/.1.0.3.staging-{SHORT}-0"
    computed = json.loads(applied(results, VERSION).computed)

    def rival(*_: object) -> None:
        shutil.rmtree(staging, ignore_errors=True)

    error = begin(provider, Step(Verb.REPLACE, EAST, REGION, REGION), writer_of(), rival, computed)
    assert isinstance(error, ProviderError)
    assert "another run" in error.message
    seen = provider.read(EAST)
    assert seen is not None
    assert not seen.defects


def test_an_earlier_run_does_not_remove_what_a_later_one_is_filling(tmp_path: Path, provider: Provider) -> None:
    """The later run is at work while the earlier one, which lost its lease, continues with the same region."""
    earlier: list[Any] = []

    def other(*_: object) -> None:
        if not earlier:
            earlier.append(None)
            earlier[0] = begin(
                provider_at(tmp_path), Step(Verb.CREATE, EAST, REGION), writer_of(fence=1), lambda *_: None
            )

    later = begin(provider, Step(Verb.CREATE, EAST, REGION), writer_of(fence=2), other)
    assert isinstance(earlier[0], Applied)
    assert isinstance(later, Applied)
    assert "later run" in failed(run(provider, Step(Verb.DELETE, EAST, prior=REGION)), EAST).message
    seen = provider.read(EAST)
    assert seen is not None
    assert seen.fence == 2


@pytest.mark.parametrize("ending", ["staging-{short}", "removed-{short}", "staging-{short}-0", "removed-{short}-3"])
def test_what_earlier_runs_and_releases_left_is_tidied(tmp_path: Path, provider: Provider, ending: str) -> None:
    """Earlier releases wrote no fence into the names."""
    results = publish(provider, EAST, WEST)
    before = names(tmp_path)
    folder = tmp_path / "regions/westus/corp/ubuntu"
    left = folder / f".1.0.3.{ending.format(short=SHORT)}"
    left.mkdir()
    (left / "replica-1.os.raw").write_bytes(b"half")
    (folder / f".1.0.3.json.new-{SHORT}").write_text("{")
    (folder / f"1.0.3/.region.json.new-{SHORT}-2").write_text("{")
    theirs = folder / ".1.0.3.staging-77777777-1"
    theirs.mkdir()
    provider.tidy((VERSION, WEST), writer_of(fence=3))
    assert sorted({*names(tmp_path)} - {*before}) == ["westus/corp/ubuntu/.1.0.3.staging-77777777-1"]
    assert applied(results, WEST)


def is_killed_at(effect: int, provider: Provider, steps: Sequence[Step], computed: Any = None) -> bool:
    """Whether an operation comes as far as this effect, and ends there without cleaning up."""
    attributes = steps[0].planned if steps[0].address == VERSION else version()
    count = [0]

    class Killed(BaseException):
        pass

    def lease() -> None:
        count[0] += 1
        if count[0] >= effect:  # also in what would clean up
            raise Killed

    writer = Writer(owner_of(), 1, lease)
    try:
        provider.begin(Operation(VERSION, writer, tuple(steps), attributes, computed or {}), lambda *_: None)
    except Killed:
        return True
    return False


def content(project: Path, region: Address) -> list[bytes]:
    return [
        path.read_bytes() for path in sorted(project.joinpath("regions", region.region, *region[:3]).glob("replica-*"))
    ]


def test_a_replacement_that_is_killed_anywhere_leaves_the_old_or_the_new_content_everywhere(
    tmp_path: Path, provider: Provider
) -> None:
    """The description of the version decides: before it is written, tidying gives every region back what it had."""
    seen = set()
    for at in range(1, 200):
        shutil.rmtree(tmp_path / "regions", ignore_errors=True)
        (tmp_path / "image.raw").write_bytes(CONTENT)
        publish(provider, EAST, WEST)
        (tmp_path / "newer.raw").write_bytes(CONTENT[::-1])
        newer = version(source={"file": "newer.raw"})
        steps = [Step(Verb.REPLACE, VERSION, newer, version())]
        steps += [Step(Verb.REPLACE, region, REGION, REGION) for region in (EAST, WEST)]
        killed = is_killed_at(at, provider, steps)
        provider.tidy((VERSION, EAST, WEST), writer_of(fence=2))
        own = provider.read(VERSION)
        assert own is not None
        expected = CONTENT[::-1] if own.attributes["source"] == {"file": "newer.raw"} else CONTENT
        assert content(tmp_path, EAST) == content(tmp_path, WEST) == [expected], at
        assert not [name for name in names(tmp_path) if "/." in name], at
        for address in (EAST, WEST):
            region = provider.read(address)
            assert region is not None
            assert not region.defects
        seen.add(expected)
        if not killed:
            break
    assert seen == {CONTENT, CONTENT[::-1]}


def test_a_repair_that_is_killed_anywhere_loses_no_whole_copy(tmp_path: Path, provider: Provider) -> None:
    """The only whole copy is in the region that is repaired, and its source is gone."""
    two = {**REGION, "replicas": 2}
    for at in range(1, 200):
        shutil.rmtree(tmp_path / "regions", ignore_errors=True)
        (tmp_path / "image.raw").write_bytes(CONTENT)
        results = run(provider, Step(Verb.CREATE, VERSION, version()), Step(Verb.CREATE, EAST, two))
        computed = json.loads(applied(results, VERSION).computed)
        (tmp_path / "image.raw").unlink()
        (tmp_path / "regions/eastus/corp/ubuntu/1.0.3/replica-1.os.raw").unlink()
        step = Step(Verb.REPLACE, EAST, two, two)
        killed = is_killed_at(at, provider, [step], computed)
        provider.tidy((EAST,), writer_of(fence=2))
        if CONTENT not in content(tmp_path, EAST):
            pytest.fail(f"lost at effect {at}: {names(tmp_path)}")
        applied(run(provider, step, computed=computed, fence=2), EAST)
        if not killed:
            break
    assert content(tmp_path, EAST) == [CONTENT, CONTENT]
