"""Holds the tree to its map: which way imports point, one door for each library, what is pure, what is declared."""

from __future__ import annotations

import ast
import os
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import pytest
from support.architecture import DOORS, LAYERS, PAGE, page
from support.paths import ROOT

PRODUCT = "reconciler"
LINKED = ("manifests", "providers", "state")
"""Top-level folders that are packages of the product, by links."""

MOST_IN_A_FOLDER = 15

EFFECTFUL = ("change_positions", "refresh", "saved", "source_checks", "source_digests")
"""The rooms of `reconciler.planning` that read or write; all others there decide, and are pure."""

PURE_BESIDES = ("reconciler.drift", "reconciler.graph", "reconciler.latest", "reconciler.naming.object_names")

EFFECTS = {
    *("getpass", "glob", "io", "logging", "os", "pathlib", "random", "secrets", "shutil", "socket", "sqlite3"),
    *("subprocess", "tempfile", "threading", "time", "uuid"),
}

DISTRIBUTIONS = {
    "azure.core": "azure-core",
    "azure.identity": "azure-identity",
    "azure.mgmt.compute": "azure-mgmt-compute",
    "azure.storage.blob": "azure-storage-blob",
    "jwt": "pyjwt",
    "libvirt": "libvirt-python",
    "markdown_it": "markdown-it-py",
    "pydantic_core": "pydantic",
    "yaml": "pyyaml",
}
"""Import name, of a package or in a namespace, -> the distribution that brings it, where they differ."""

FOR_DEVELOPERS = {"test", "lint"}
"""Extras that the packages do not use."""


class When(Enum):
    """When an import happens."""

    LOADED = "as the module is loaded"
    CALLED = "as a function is called"
    TYPING = "only for the type checker"


@dataclass(frozen=True)
class Import:
    """One import: who imports what, where and when."""

    importer: str
    imported: str
    line: int
    when: When

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


@cache
def sources(package: str) -> dict[str, ast.Module]:
    """Every module in `package` (or below the folder of that name) by its dotted name."""
    return {
        module_name(Path(folder, name)): ast.parse(Path(folder, name).read_text("utf-8"))
        for folder, folders, names in os.walk(ROOT / package.replace(".", "/"), followlinks=True)
        for name in sorted(names)
        if name.endswith(".py") and folders.sort() is None
    }


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def imports(package: str) -> tuple[Import, ...]:
    return tuple(found for name, tree in sources(package).items() for found in imports_of(name, tree.body, When.LOADED))


def edges(package: str) -> Iterator[Import]:
    """The imports within `package` that happen when it runs, each with the module that it loads."""
    modules = sources(package)
    for found in imports(package):
        target = found.imported if found.imported in modules else found.imported.rpartition(".")[0]
        if target in modules and target != found.importer and found.when is not When.TYPING:
            yield replace(found, imported=target)


def imports_of(name: str, nodes: Iterable[ast.AST], when: When) -> Iterator[Import]:
    for node in nodes:
        match node:
            case ast.Import():
                yield from (Import(name, alias.name, node.lineno, when) for alias in node.names)
            case ast.ImportFrom(level=0, module=str(module)):
                yield from (Import(name, f"{module}.{alias.name}", node.lineno, when) for alias in node.names)
            case ast.ImportFrom():
                raise AssertionError(f"{name}:{node.lineno}: write the import in full, not relative")
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield from imports_of(name, node.body, When.TYPING)
                yield from imports_of(name, node.orelse, when)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from imports_of(name, node.body, When.CALLED)
            case _:
                yield from imports_of(name, ast.iter_child_nodes(node), when)


def top(module: str) -> str:
    return module.partition(".")[0]


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def room(module: str, package: str) -> str:
    """The file or folder of `package` that a module is part of; empty for the package itself and for others."""
    return module.removeprefix(f"{package}.").partition(".")[0] if module.startswith(f"{package}.") else ""


def test_the_checkout_has_one_import_root() -> None:
    links = {path.name: path.readlink() for path in (ROOT / PRODUCT).iterdir() if path.is_symlink()}
    assert links in ({name: Path("..", name) for name in LINKED}, {})  # an archive holds files instead of links
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")} - set(LINKED)
    assert packages == {PRODUCT}


@pytest.mark.parametrize("folder", [PRODUCT, "tests"])
def test_everything_is_imported_from_that_root(folder: str) -> None:
    wrong = [str(found) for found in imports(folder) if top(found.imported) in LINKED]
    assert not wrong


def test_the_product_does_not_import_its_tests() -> None:
    test_folders = {path.name for path in (ROOT / "tests").iterdir()} | {"tests"}
    assert not [str(found) for found in imports(PRODUCT) if top(found.imported) in test_folders]


@pytest.mark.parametrize("library", DOORS)
def test_libraries_have_one_door(library: str) -> None:
    users = {found.importer for found in imports(PRODUCT) if top(found.imported) == library}
    assert {user for user in users if not any(is_within(user, door) for door in DOORS[library])} == set()
    assert users, f"nobody imports {library}: remove its door"


@pytest.mark.parametrize("package", LAYERS)
def test_every_room_has_its_layer(package: str) -> None:
    rooms = {room(module, package) for module in sources(package)} - {""}
    assert sorted(rooms) == sorted(name for layer in LAYERS[package] for name in layer)


@pytest.mark.parametrize("package", LAYERS)
def test_rooms_import_from_lower_layers(package: str) -> None:
    layer = {name: number for number, rooms in enumerate(LAYERS[package]) for name in rooms}
    wrong = [
        str(found)
        for found in edges(package)
        if (below := room(found.imported, package)) and (above := room(found.importer, package)) and above != below
        if layer[below] >= layer[above]
    ]
    assert not wrong


def test_wings_are_in_the_layers() -> None:
    """A folder that holds folders of its own says which way its arrows point."""
    folders = {name.rpartition(".")[0] for name in sources(PRODUCT) if name.count(".") > 1}
    parents = {name.rpartition(".")[0] for name in folders if name.count(".")}
    assert parents <= LAYERS.keys()


def test_there_is_no_circle_of_imports() -> None:
    """Imports inside functions count: a circle that is only loaded late is a circle."""
    graph: dict[str, set[str]] = {name: set() for name in sources(PRODUCT)}
    for found in edges(PRODUCT):
        graph[found.importer].add(found.imported)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as cause:
        pytest.fail(" -> ".join(cause.args[1]))


def is_pure(module: str) -> bool:
    if module in PURE_BESIDES:
        return True
    return is_within(module, "reconciler.planning") and room(module, "reconciler.planning") not in EFFECTFUL


def test_decisions_are_pure() -> None:
    wrong = [
        str(found)
        for found in imports(PRODUCT)
        if is_pure(found.importer) and found.when is not When.TYPING and top(found.imported) in EFFECTS
    ]
    assert not wrong


@pytest.mark.parametrize("folder", [PRODUCT, "tests"])
def test_a_folder_can_be_taken_in(folder: str) -> None:
    """At most fifteen modules in a folder, or sixteen with its `__init__`; what grows past that gets rooms."""
    crowded = {
        str(Path(path).relative_to(ROOT)): len(names)
        for path, _, files in os.walk(ROOT / folder, followlinks=True)
        if len(names := [name for name in files if name.endswith(".py") and name != "__init__.py"]) > MOST_IN_A_FOLDER
    }
    assert crowded == {}


def test_only_commands_and_views_speak_to_people() -> None:
    wrong = [
        f"{name}:{node.lineno}"
        for name, tree in sources(PRODUCT).items()
        if not is_within(name, "reconciler.cli") and not is_within(name, "reconciler.views")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"print", "input"}
    ]
    assert not wrong


def third_party(folder: str) -> set[str]:
    """The distributions that modules below `folder` import."""
    ours = {PRODUCT, *(path.stem for path in (ROOT / "tests").iterdir())}
    foreign = {found.imported for found in imports(folder) if top(found.imported) not in ours | sys.stdlib_module_names}
    return {brought_by(name) for name in foreign}


def brought_by(imported: str) -> str:
    """The distribution that an import comes from."""
    return next((brings for name, brings in DISTRIBUTIONS.items() if is_within(imported, name)), top(imported))


def distribution(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9-]", requirement, maxsplit=1)[0].lower()


def project() -> dict[str, Any]:
    declared: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return declared


def optional() -> set[str]:
    """The distributions of the extras that the packages themselves use."""
    extras = project()["optional-dependencies"]
    found = {distribution(entry) for name in extras.keys() - FOR_DEVELOPERS for entry in extras[name]}
    return found - {project()["name"]}  # an extra may be made of others


def test_what_is_imported_is_declared_and_the_reverse() -> None:
    required = {distribution(entry) for entry in project()["dependencies"]}
    assert third_party(PRODUCT) == required | optional()


def test_what_tests_import_is_declared() -> None:
    extra = {distribution(entry) for entry in project()["optional-dependencies"]["test"]}
    required = {distribution(entry) for entry in project()["dependencies"]}
    assert third_party("tests") <= extra | required | optional()


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page(), "run: make docs"


def test_the_nearest_word_is_found_in_one_place() -> None:
    users = {found.importer for found in imports(PRODUCT) if top(found.imported) == "difflib"}
    assert users == {"reconciler.manifests.words"}
