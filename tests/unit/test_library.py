"""What `import reconciler` offers: each name when it is used, and to type checkers all of them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import reconciler


@pytest.mark.parametrize("name", reconciler.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(reconciler, name).__name__ == name
    assert name in dir(reconciler)


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(reconciler.__file__).read_text())
    (checked,) = (node for node in tree.body if isinstance(node, ast.If))
    imported = {
        (node.module, alias.name) for node in checked.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert {name for _, name in imported} == set(reconciler.__all__)
    assert all(getattr(reconciler, name).__module__ == module for module, name in imported)


def test_the_import_alone_loads_nothing() -> None:
    program = "import sys, reconciler; print([name for name in sys.modules if name.startswith('reconciler.')])"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout == "[]\n"


def test_other_names_do_not_exist() -> None:
    with pytest.raises(AttributeError, match="no attribute 'engines'"):
        reconciler.engines  # noqa: B018 - looked up, not used
