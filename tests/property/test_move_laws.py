"""The law of moves: any edit together with a move ends as the move alone, followed by the edit."""

from __future__ import annotations

import copy
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.estates import Estate, definition, gallery, version

Documents = list[dict[str, Any]]
Edit = Callable[[Documents], None]

FILES = {"a.raw": b"first", "b.raw": b"second", "c.raw": b"third"}
SAFETY = {"allowDeletionOfReplicatedLocations": True}
LIFECYCLE = {"allowReplace": True}
MOVES: list[dict[str, str]] = [
    {"corp/web": "corp/front"},
    {"corp/base": "corp/root"},
    {"corp": "team"},
    {"corp": "team", "corp/web": "team/front"},
    {"corp/web": "corp/front", "corp/base": "corp/root"},
]


def base() -> Documents:
    """corp/base from a file, corp/web from it and from a file, lab/app in another gallery from corp/web"""
    common: dict[str, Any] = {"safety": SAFETY, "lifecycle": LIFECYCLE}
    documents = [
        gallery(lifecycle=LIFECYCLE),
        definition(name="base", lifecycle=LIFECYCLE),
        definition(name="web", lifecycle=LIFECYCLE),
        gallery("lab", lifecycle=LIFECYCLE),
        definition("lab", "app", lifecycle=LIFECYCLE),
        version({"file": "../images/a.raw"}, "corp/base", **common),
        version({"version": "corp/base/1.0.0"}, "corp/web", **common),
        version({"file": "../images/b.raw"}, "corp/web", "1.0.1", **common),
        version({"version": "corp/web/1.0.0"}, "lab/app", **common),
    ]
    return [dict(document) for document in documents]


def renamed(documents: Documents, moves: Mapping[str, str]) -> Documents:
    """The documents with other names for what moves; the identifiers of definitions stay."""

    def new(address: str) -> str:
        parts = address.split("/")
        for depth in range(len(parts), 0, -1):
            old = "/".join(parts[:depth])
            if old in moves:
                return "/".join([moves[old], *parts[depth:]])
        return address

    after = copy.deepcopy(documents)
    for document in after:
        if document["kind"] == "Gallery":
            document["name"] = new(document["name"])
        elif document["kind"] == "ImageDefinition":
            document["gallery"], document["name"] = new(f"{document['gallery']}/{document['name']}").split("/")
        else:
            document["image"] = new(document["image"])
            if "version" in document["source"]:
                document["source"] = {"version": new(document["source"]["version"])}
    return after


def moved(moves: Mapping[str, str]) -> Documents:
    return [{"kind": "Moved", "from": old, "to": target} for old, target in moves.items()]


def of_kind(documents: Documents, kind: str) -> Documents:
    return [document for document in documents if document["kind"] == kind]


def is_base(documents: Documents, document: Mapping[str, Any]) -> bool:
    """Whether something is built from a version, which then has to stay."""
    address = f"{document['image']}/{document['name']}"
    return any(other["source"].get("version") == address for other in of_kind(documents, "ImageVersion"))


def set_value(kind: str, index: int, name: str, value: Any) -> Edit:
    def edit(documents: Documents) -> None:
        chosen = of_kind(documents, kind)
        chosen[index % len(chosen)][name] = value

    return edit


def remove_version(index: int) -> Edit:
    def edit(documents: Documents) -> None:
        free = [each for each in of_kind(documents, "ImageVersion") if not is_base(documents, each)]
        if free:
            documents.remove(free[index % len(free)])

    return edit


def add_version(index: int, *, built: bool) -> Edit:
    def edit(documents: Documents) -> None:
        known = of_kind(documents, "ImageVersion")
        image = of_kind(documents, "ImageDefinition")[index % 3]
        source = (
            {"version": f"{known[0]['image']}/{known[0]['name']}"} if built and known else {"file": "../images/c.raw"}
        )
        address = f"{image['gallery']}/{image['name']}"
        if not any((each["image"], each["name"]) == (address, "2.0.0") for each in known):
            documents.append(dict(version(source, address, "2.0.0", safety=SAFETY, lifecycle=LIFECYCLE)))

    return edit


INDEX = st.integers(0, 8)
EDITS: st.SearchStrategy[Edit] = st.one_of(
    st.builds(lambda i, v: set_value("Gallery", i, "description", v), INDEX, st.sampled_from(["x", "y"])),
    st.builds(lambda i, v: set_value("ImageDefinition", i, "tags", {"a": v}), INDEX, st.sampled_from(["x", "y"])),
    st.builds(lambda i: set_value("ImageDefinition", i, "endOfLifeDate", "2040-01-01"), INDEX),
    st.builds(lambda i: set_value("ImageDefinition", i, "osState", "Specialized"), INDEX),
    st.builds(lambda i: set_value("ImageVersion", i, "endOfLifeDate", "2040-01-01"), INDEX),
    st.builds(
        lambda i, r: set_value("ImageVersion", i, "targetRegions", r),
        INDEX,
        st.sampled_from([["eastus"], ["eastus=2", "westus"], ["eastus", "westus", "northeurope"]]),
    ),
    st.builds(remove_version, INDEX),
    st.builds(lambda i, built: add_version(i, built=built), INDEX, st.booleans()),
)


def damage(kind: str, number: int) -> Callable[[Estate], None]:
    """Something that happens to the objects of the definition called web, wherever it is declared by then."""

    def happen(estate: Estate) -> None:
        paths = sorted(estate.regions.glob(f"*/corp/web/{kind}"))
        if not paths:
            return
        path = paths[number % len(paths)]
        if path.suffix == ".raw":
            path.chmod(0o644)
            os.truncate(path, 100)
        else:
            path.unlink()

    return happen


DAMAGES = st.one_of(
    st.just(lambda estate: None),
    st.builds(damage, st.sampled_from(["1.0.*/*.raw", "definition.json", "1.0.0.json"]), st.integers(0, 3)),
)


@contextmanager
def project() -> Iterator[Estate]:
    with tempfile.TemporaryDirectory() as folder:
        estate = Estate(Path(folder))
        for name, content in FILES.items():
            estate.image(name, content)
        estate.write(base())
        settle(estate)
        yield estate


def settle(estate: Estate) -> None:
    """Applies, and applies again: nothing may be left to do."""
    changed = [change.address for change in estate.plan(allow_deletes=1000).changes]
    addresses = tuple(map(str, changed))
    galleries = tuple({address.gallery for address in changed})
    outcome = estate.apply(allow_deletes=1000, allow_replace=addresses, allow_loss=galleries)
    assert outcome.result is None or outcome.result.complete, outcome
    assert estate.plan().changes == ()


def ending(estate: Estate) -> tuple[Any, Any]:
    """What is recorded, but for what identifies files; and every path in the regions, images with their content."""
    with estate.engine() as engine:
        records = {
            str(address): (
                record.named and str(record.named),
                record.canonical,
                record.digest,
                sorted(map(str, record.dependencies)),
                sorted(disk.get("sha256", "") for disk in record.computed_values.get("disks", {}).values()),
            )
            for address, record in engine.state().records.items()
        }
        assert not engine.state().intents
    tree = {path: digest if path.endswith(".raw") else "" for path, digest in estate.tree().items()}
    return records, tree


@pytest.mark.slow(60)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.sampled_from(MOVES), st.lists(EDITS, min_size=1, max_size=3), DAMAGES)
def test_an_edit_with_a_move_ends_as_the_move_and_then_the_edit(
    moves: Mapping[str, str], edits: list[Edit], happen: Callable[[Estate], None]
) -> None:
    after = renamed(base(), moves)
    edited = copy.deepcopy(after)
    for edit in edits:
        edit(edited)
    with project() as estate:
        happen(estate)
        estate.write([*edited, *moved(moves)])
        settle(estate)
        together = ending(estate)
        estate.write(edited)  # the Moved documents are no longer needed
        settle(estate)
        assert ending(estate) == together
    with project() as estate:
        estate.write([*after, *moved(moves)])
        assert estate.apply().result is not None
        happen(estate)
        estate.write([*edited, *moved(moves)])
        settle(estate)
        assert ending(estate) == together
