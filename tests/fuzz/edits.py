"""Edits of the manifests, as people make them. Each takes numbers that choose among what can be edited, so that a life
stays a life when steps are taken out of it, and returns whether it changed anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from fuzz.estate import HOME, MOST_OBJECTS, REGIONS, Definition, Gallery, Model, Move, Version

Thing = TypeVar("Thing")


def _pick(things: Sequence[Thing], number: int) -> Thing | None:
    return things[number % len(things)] if things else None


def add_gallery(model: Model, a: int, b: int) -> bool:
    if model.size + 5 > MOST_OBJECTS or len(model.galleries) > 2:
        return False
    model.galleries.append(Gallery(model.new_name("g")))
    add_definition(model, len(model.galleries) - 1, b)
    return True


def add_definition(model: Model, a: int, b: int) -> bool:
    gallery = _pick(model.galleries, a)
    if gallery is None or model.size + 4 > MOST_OBJECTS:
        return False
    name = model.new_name("d")
    model.definitions.append(Definition(int(name[1:]), gallery, name))
    add_version(model, len(model.definitions) - 1, b)
    return True


def add_version(model: Model, a: int, b: int) -> bool:
    definition = _pick(model.definitions, a)
    if definition is None or model.size + 4 > MOST_OBJECTS:
        return False
    regions = {HOME: 1 + b % 2} | ({REGIONS[1 + b % 2]: 1} if b % 3 else {})
    name = f"1.0.{definition.versions}"
    definition.versions += 1
    model.versions.append(Version(definition, name, model.new_image(), regions, retain=b % 7 == 0))
    return True


def build_version(model: Model, a: int, b: int) -> bool:
    """Builds one from another, in the same region."""
    base = _pick([version for version in model.versions if version.base is None], a)
    definition = _pick(model.definitions, b)
    if base is None or definition is None or model.size + 2 > MOST_OBJECTS:
        return False
    name = f"1.0.{definition.versions}"
    definition.versions += 1
    model.versions.append(Version(definition, name, base.image, {HOME: 1}, base))
    return True


def describe(model: Model, a: int, b: int) -> bool:
    gallery = _pick(model.galleries, a)
    if gallery:
        gallery.description = f"edition {b}"
    return gallery is not None


def tag_definition(model: Model, a: int, b: int) -> bool:
    definition = _pick(model.definitions, a)
    if definition:
        definition.tags = {"owner": str(b)}
    return definition is not None


def tag_version(model: Model, a: int, b: int) -> bool:
    version = _pick(model.versions, a)
    if version:
        version.tags = {"owner": str(b)}
    return version is not None


def add_region(model: Model, a: int, b: int) -> bool:
    version = _pick([version for version in model.versions if len(version.regions) < len(REGIONS)], a)
    if version is None or model.size >= MOST_OBJECTS:
        return False
    region = _pick([region for region in REGIONS if region not in version.regions], b)
    version.regions[str(region)] = 1
    return True


def remove_region(model: Model, a: int, b: int) -> bool:
    free = [one for one in model.versions if not (one.protect or one.retain or one in model.guarded)]
    version = _pick([one for one in free if len(one.regions) > 1], a)
    if version is None:
        return False
    version.shrinks = True
    del version.regions[str(_pick([region for region in version.regions if region != HOME], b))]
    return True


def change_replicas(model: Model, a: int, b: int) -> bool:
    version = _pick(model.versions, a)
    if version is None:
        return False
    version.regions[str(_pick(sorted(version.regions), b))] = 1 + b % 3
    return True


def _removable(model: Model, version: Version) -> bool:
    return not (version.protect or version in model.guarded or model.built_on(version))


def remove_version(model: Model, a: int, b: int) -> bool:
    version = _pick([version for version in model.versions if _removable(model, version)], a)
    if version is None:
        return False
    model.versions.remove(version)
    model.leaving.append(version)
    return True


def remove_definition(model: Model, a: int, b: int) -> bool:
    definition = _pick([one for one in model.definitions if _all_removable(model, one)], a)
    if definition is None:
        return False
    for version in model.inside(definition):
        model.versions.remove(version)
        model.leaving.append(version)
    model.definitions.remove(definition)
    model.moves = [move for move in model.moves if move.moved is not definition]
    return True


def _all_removable(model: Model, definition: Definition) -> bool:
    """Nothing in it is protected, kept at its removal, or what something elsewhere is built from."""
    versions = [*model.inside(definition), *(one for one in model.leaving if one.definition is definition)]
    kept = any(version.definition is definition for version in model.kept)
    return not kept and all(_removable(model, version) and not version.retain for version in versions)


def protect(model: Model, a: int, b: int) -> bool:
    version = _pick([one for one in model.versions if not one.shrinks], a)
    if version is None:
        return False
    version.protect = not version.protect
    if version.protect:
        model.guarded.add(version)
    return True


def rename_definition(model: Model, a: int, b: int) -> bool:
    candidates = [one for one in model.definitions if not _moving(model, one) and not _moving(model, one.gallery)]
    definition = _pick(candidates, a)
    if definition is None:
        return False
    before = definition.address
    definition.name = model.new_name("r")
    model.moves.append(Move(before, definition.address, definition))
    return True


def rename_gallery(model: Model, a: int, b: int) -> bool:
    candidates = [
        gallery
        for gallery in model.galleries
        if not _moving(model, gallery)
        and not any(_moving(model, one) for one in model.definitions if one.gallery is gallery)
    ]
    gallery = _pick(candidates, a)
    if gallery is None:
        return False
    before = gallery.name
    gallery.name = model.new_name("h")
    model.moves.append(Move(before, gallery.name, gallery))
    return True


def drop_moves(model: Model, a: int, b: int) -> bool:
    """Removes the documents of moves that were applied."""
    before = len(model.moves)
    model.moves = [move for move in model.moves if not move.applied]
    return len(model.moves) < before


def _moving(model: Model, thing: Gallery | Definition) -> bool:
    return any(move.moved is thing for move in model.moves)


EDITS: dict[str, Callable[[Model, int, int], bool]] = {
    edit.__name__: edit
    for edit in (
        add_gallery,
        add_definition,
        add_version,
        build_version,
        describe,
        tag_definition,
        tag_version,
        add_region,
        remove_region,
        change_replicas,
        remove_version,
        remove_definition,
        protect,
        rename_definition,
        rename_gallery,
        drop_moves,
    )
}
