"""Laws that hold for any manifests, on the local provider with real files."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.estates import Document, Estate, definition, gallery, version

from reconciler.manifests.values import canonical_json
from reconciler.planning.saved.plan_file import plan_json

REGIONS = ["eastus", "westus", "northeurope"]
IMAGES = [b"one", b"two", b"three"]
SAFETY = {"allowDeletionOfReplicatedLocations": True}

tags = st.dictionaries(st.sampled_from(["a", "B", "no", "1.10"]), st.text("xyz0. ", min_size=1, max_size=4), max_size=2)
optional_text = st.one_of(st.none(), st.sampled_from(["golden", "1.10", "no", "ümlaut: {x}"]))


@st.composite
def estates(draw: st.DrawFn) -> list[Document]:
    """Documents of up to two galleries; everything may be replaced or removed, so that any change can be applied."""
    documents: list[Document] = []
    lifecycle = {"allowReplace": True}
    for name in draw(st.sets(st.sampled_from(["corp", "lab"]), max_size=2)):
        documents.append(given_attributes(gallery(name, lifecycle=lifecycle), draw, "description"))
        for image in draw(st.sets(st.sampled_from(["ubuntu", "debian"]), max_size=2)):
            path = f"{name}/{image}"
            state = draw(st.sampled_from(["Generalized", "Specialized"]))
            documents.append(
                given_attributes(definition(name, image, osState=state, lifecycle=lifecycle), draw, "releaseNoteUri")
            )
            numbers = sorted(draw(st.sets(st.sampled_from(["1.0.0", "1.0.9", "1.0.10"]), max_size=3)))
            documents += [draw(versions(path, number, lifecycle)) for number in numbers]
    return documents


def given_attributes(document: Document, draw: st.DrawFn, text: str) -> Document:
    value = draw(optional_text)
    return {**document, "tags": draw(tags), **({text: value} if value else {})}


@st.composite
def versions(draw: st.DrawFn, path: str, number: str, lifecycle: dict[str, Any]) -> Document:
    regions = ["eastus", *draw(st.lists(st.sampled_from(REGIONS[1:]), unique=True, max_size=2))]
    targets = [
        {"name": region, "replicas": draw(st.integers(1, 2)), "excludeFromLatest": draw(st.booleans())}
        for region in draw(st.permutations(regions))
    ]
    return version(
        {"file": f"../images/{draw(st.integers(0, len(IMAGES) - 1))}.raw"},
        path,
        number,
        targetRegions=targets,
        tags=draw(tags),
        safety=SAFETY,
        lifecycle=lifecycle,
    )


@contextmanager
def estate() -> Iterator[Estate]:
    with tempfile.TemporaryDirectory() as folder:
        made = Estate(Path(folder))
        for number, content in enumerate(IMAGES):
            made.image(f"{number}.raw", content)
        yield made


few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


def consent(made: Estate) -> dict[str, Any]:
    """The options that consent to everything, by name."""
    with made.engine() as engine:
        galleries = {address.gallery for address in engine.state().records}
    return {"allow_deletes": 10_000, "allow_loss": tuple(sorted(galleries))}


@few
@given(estates())
def test_the_plan_after_an_apply_is_empty(documents: list[Document]) -> None:
    with estate() as made:
        made.write(documents)
        outcome = made.apply()
        assert outcome.result is None or outcome.result.complete
        assert made.plan().changes == ()
        assert made.plan().unchanged == sum(1 + len(one.get("targetRegions", ())) for one in documents)


@few
@given(estates(), estates())
def test_any_manifests_lead_to_any_others_and_back(first: list[Document], second: list[Document]) -> None:
    with estate() as made:
        trees = []
        for documents in (first, second, first):
            made.write(documents)
            outcome = made.apply(**consent(made))
            assert outcome.result is None or outcome.result.complete, outcome.result
            assert made.plan(**consent(made)).changes == ()
            trees.append({path: content for path, content in made.tree().items() if path.count("/") > 2})
        assert trees[0] == trees[2]


@few
@given(estates(), estates())
def test_planning_writes_nothing(first: list[Document], second: list[Document]) -> None:
    with estate() as made:
        made.write(first)
        made.apply()
        before = (made.tree(), (made.directory / ".reconciler/state.db").read_bytes() if first else b"")
        made.write(second)
        made.plan()
        assert (made.tree(), (made.directory / ".reconciler/state.db").read_bytes() if first else b"") == before


@few
@given(estates(), st.randoms(use_true_random=False))
def test_shuffled_manifests_give_the_same_bytes(documents: list[Document], shuffler: random.Random) -> None:
    with estate() as made:
        made.write(documents)
        one = canonical_json(plan_json(_without_lines(made)))
        shuffled = list(documents)
        shuffler.shuffle(shuffled)
        made.write(shuffled)
        assert canonical_json(plan_json(_without_lines(made))) == one


def _without_lines(made: Estate) -> Any:
    from dataclasses import replace

    plan = made.plan()
    warnings = sorted((replace(problem, position=None, line="") for problem in plan.warnings), key=str)
    changes = tuple(replace(change, origin=None) for change in plan.changes)
    return replace(plan, changes=changes, warnings=tuple(warnings))


@few
@given(estates())
def test_destroy_leaves_nothing_of_ours_and_all_that_is_not(documents: list[Document]) -> None:
    with estate() as made:
        stranger = made.regions / "eastus" / "theirs" / "notes.txt"
        stranger.parent.mkdir(parents=True)
        stranger.write_text("not ours")
        before = made.tree()
        made.write(documents)
        made.apply()
        outcome = made.apply(destroy=True)
        assert outcome.result is None or outcome.result.complete
        assert {path: digest for path, digest in made.tree().items() if not path.endswith("/")} == {
            path: digest for path, digest in before.items() if not path.endswith("/")
        }
        with made.engine() as engine:
            assert not engine.store.read().records
