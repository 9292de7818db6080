"""What is released: the wheel and the sdist hold what they should, and work outside of the checkout."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest
from support.paths import ROOT
from support.suite.distributions import Distributions, Installation, build, install, run

import reconciler

pytestmark = pytest.mark.slow

IN_THE_WHEEL = (
    "reconciler/py.typed",
    "reconciler/manifests/examples/quickstart/reconciler.yaml",
    "reconciler/manifests/address.py",
    "reconciler/providers/local/provider.py",
    "reconciler/state/migrations.py",
)
USES_TYPES = """\
from pathlib import Path
from reconciler.engine import Engine
from reconciler.planning.plan import PlanOptions
with Engine(Path("d")) as engine:
    count: int = len(engine.plan(PlanOptions()).changes)
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    own = tmp_path_factory.getbasetemp()
    return build(own.parent if own.name.startswith("popen-") else own)  # what the workers of a run have in common


@pytest.fixture(scope="module")
def installed(built: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return install(built.wheel, tmp_path_factory.mktemp("installed") / "venv")


def test_the_wheel_holds_one_package_and_no_tests(built: Distributions) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        names = wheel.namelist()
    roots = {name.partition("/")[0] for name in names}
    assert roots == {"reconciler", f"gallery_reconciler-{reconciler.__version__}.dist-info"}
    assert set(IN_THE_WHEEL) <= set(names)
    assert not [name for name in names if "tests" in Path(name).parts or Path(name).name.startswith("test_")]
    product = {str(path.relative_to(ROOT)) for path in ROOT.glob("reconciler/**/*.py")}
    linked = {
        f"reconciler/{path.relative_to(ROOT)}"
        for folder in ("manifests", "providers", "state")
        for path in (ROOT / folder).rglob("*.py")
    }
    assert {name for name in names if name.endswith(".py")} == product | linked


def test_a_project_lives_outside_of_the_checkout(installed: Installation, tmp_path: Path) -> None:
    """In a working directory with a folder `manifests` that is a package of the user's own."""
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "__init__.py").write_text("raise SystemExit('a package of the user')")
    where = run(installed.python, "-c", "import reconciler; print(reconciler.__file__)", folder=tmp_path)
    assert where.strip() == str(installed.packages / "reconciler" / "__init__.py")
    as_module = (installed.python, "-m", "reconciler")
    run(installed.command, "init", "d", folder=tmp_path)
    assert "Valid" in run(*as_module, "--project", "d", "validate", folder=tmp_path)
    assert "5 create" in run(installed.command, "--project", "d", "plan", folder=tmp_path)
    assert "5 created" in run(*as_module, "--project", "d", "apply", "--auto-approve", folder=tmp_path)
    for command in ((installed.command,), as_module):
        run(*command, "--project", "d", "plan", "--detailed-exitcode", folder=tmp_path)


def test_its_types_are_seen(installed: Installation, tmp_path: Path) -> None:
    mypy = ["-m", "mypy", "--strict", "--python-executable", installed.python, "--cache-dir", str(tmp_path / "cache")]
    program = tmp_path / "program.py"
    program.write_text(USES_TYPES)
    run(installed.python, *mypy, program, folder=tmp_path)
    program.write_text(USES_TYPES.replace("count: int", "count: str"))
    with pytest.raises(AssertionError, match='expression has type "int", variable has type "str"'):
        run(installed.python, *mypy, program, folder=tmp_path)


def test_the_sdist_runs_its_tests(built: Distributions, tmp_path: Path) -> None:
    run("tar", "-xf", built.sdist, folder=tmp_path)
    (unpacked,) = tmp_path.iterdir()
    assert {"Makefile", "README.md", "LICENSE", "docs", "pyproject.toml", "reconciler", "tests"} <= {
        path.name for path in unpacked.iterdir()
    }
    options = ["-q", "-p", "no:cacheprovider", "tests/unit/manifests", "-m", "not qemu"]
    environment = {"PYTHONPATH": str(unpacked), "HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path / "hypothesis")}
    where = run(sys.executable, "-c", "import reconciler; print(reconciler.__file__)", folder=tmp_path, **environment)
    assert where.startswith(str(unpacked))
    run(sys.executable, "-m", "pytest", *options, folder=unpacked, **environment)
