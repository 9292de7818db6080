"""Holds the tree to its map: which way imports point, one door for each library, what is pure, what is declared."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]

MAY_IMPORT = {
    "manifests": set(),
    "state": {"manifests"},
    "providers": {"manifests"},
    "reconciler": {"manifests", "state", "providers"},
}

DOORS = {
    "azure": ("providers.azure", "providers.emulator"),
    "deepdiff": ("reconciler.diff",),
    "jwt": ("providers.emulator.tokens",),
    "libvirt": ("providers.libvirt",),
    "networkx": ("reconciler.graph",),
    "psycopg": ("state.sql_store",),
    "pycdlib": ("providers.libvirt.seed",),
    "pydantic": ("manifests",),
    "pydantic_core": ("manifests",),
    "rich": ("reconciler.views", "reconciler.cli"),
    "sqlite3": ("state.sql_store", "providers.emulator.store"),
    "starlette": ("providers.emulator.app", "providers.emulator.listening"),
    "trustme": ("providers.emulator.tls",),
    "typer": ("reconciler.cli",),
    "uvicorn": ("providers.emulator.listening",),
    "yaml": ("manifests.loading",),
}
"""Library -> the modules, or packages, that may import it."""

LAYERS = (
    ("errors", "actions", "reporting"),
    ("diff", "graph", "latest", "names", "sources"),
    ("costs", "decisions", "refresh", "safety", "selection", "support"),
    ("plan",),
    ("planner",),
    ("drift", "operations", "outcomes", "plan_file", "positions", "settled"),
    ("execution",),
    ("apply",),
    ("views",),
    ("engine",),
    ("machines",),
    ("cli",),
    ("__main__",),
)
"""The rooms of `reconciler` from the ground up: one imports its own floor and those below."""

PURE = (
    "actions",
    "costs",
    "decisions",
    "diff",
    "drift",
    "graph",
    "latest",
    "names",
    "plan",
    "planner",
    "safety",
    "selection",
    "support",
)
EFFECTS = {
    "getpass",
    "glob",
    "io",
    "logging",
    "os",
    "pathlib",
    "random",
    "secrets",
    "shutil",
    "socket",
    "sqlite3",
    "subprocess",
} | {
    "tempfile",
    "threading",
    "time",
    "uuid",
}

DISTRIBUTIONS = {
    "azure.core": "azure-core",
    "azure.identity": "azure-identity",
    "azure.mgmt.compute": "azure-mgmt-compute",
    "azure.storage.blob": "azure-storage-blob",
    "jwt": "pyjwt",
    "libvirt": "libvirt-python",
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
def sources(folder: str) -> dict[str, ast.Module]:
    """Every module below `folder` by its dotted name."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): ast.parse(
            path.read_text("utf-8")
        )
        for path in sorted((ROOT / folder).rglob("*.py"))
    }


@cache
def imports(folder: str) -> tuple[Import, ...]:
    return tuple(found for name, tree in sources(folder).items() for found in imports_of(name, tree.body, When.LOADED))


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


def room(module: str) -> str:
    """The file or folder of `reconciler` that a module is part of; empty for the package itself."""
    return module.split(".")[1] if module.count(".") else ""


def floor(room_name: str) -> int:
    return next(number for number, rooms in enumerate(LAYERS) if room_name in rooms)


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_packages_import_one_way(package: str) -> None:
    allowed = MAY_IMPORT[package] | {package}
    wrong = [str(found) for found in imports(package) if top(found.imported) in MAY_IMPORT.keys() - allowed]
    assert not wrong


def test_the_product_does_not_import_its_tests() -> None:
    test_folders = {path.name for path in (ROOT / "tests").iterdir()} | {"tests"}
    wrong = [str(found) for package in MAY_IMPORT for found in imports(package) if top(found.imported) in test_folders]
    assert not wrong


@pytest.mark.parametrize("library", DOORS)
def test_libraries_have_one_door(library: str) -> None:
    users = {found.importer for package in MAY_IMPORT for found in imports(package) if top(found.imported) == library}
    assert {user for user in users if not any(is_within(user, door) for door in DOORS[library])} == set()
    assert users, f"nobody imports {library}: remove its door"


def test_every_room_of_the_reconciler_stands_on_one_floor() -> None:
    rooms = {room(module) for module in sources("reconciler")} - {""}
    assert rooms == {name for layer in LAYERS for name in layer}


def test_rooms_of_the_reconciler_import_downwards() -> None:
    rooms = {name for layer in LAYERS for name in layer}
    wrong = [
        str(found)
        for found in imports("reconciler")
        if top(found.imported) == "reconciler" and found.when is not When.TYPING
        if {room(found.importer), room(found.imported)} <= rooms
        if floor(room(found.imported)) > floor(room(found.importer))
    ]
    assert not wrong


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_modules_do_not_load_in_circles(package: str) -> None:
    modules = sources(package)
    edges: dict[str, set[str]] = {name: set() for name in modules}
    for found in imports(package):
        target = found.imported if found.imported in modules else found.imported.rpartition(".")[0]
        if target in modules and target != found.importer and found.when is When.LOADED:
            edges[found.importer].add(target)
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as cause:
        pytest.fail(" -> ".join(cause.args[1]))


def test_decisions_are_pure() -> None:
    wrong = [
        str(found)
        for found in imports("reconciler")
        if room(found.importer) in PURE and found.when is not When.TYPING and top(found.imported) in EFFECTS
    ]
    assert not wrong


def test_only_commands_and_views_speak_to_people() -> None:
    wrong = [
        f"{name}:{node.lineno}"
        for package in MAY_IMPORT
        for name, tree in sources(package).items()
        if not is_within(name, "reconciler.cli") and not is_within(name, "reconciler.views")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"print", "input"}
    ]
    assert not wrong


def third_party(folder: str) -> set[str]:
    """The distributions that modules below `folder` import."""
    ours = {*MAY_IMPORT, *(path.stem for path in (ROOT / "tests").iterdir())}
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
    imported = set().union(*(third_party(package) for package in MAY_IMPORT))
    assert imported == required | optional()


def test_what_tests_import_is_declared() -> None:
    extra = {distribution(entry) for entry in project()["optional-dependencies"]["test"]}
    required = {distribution(entry) for entry in project()["dependencies"]}
    assert third_party("tests") <= extra | required | optional()


def test_packages_are_listed_by_name() -> None:
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert folders == set(MAY_IMPORT)
