"""The sdist and the wheel of this checkout, and an environment that has the product from the wheel alone."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import sysconfig
import tempfile
import venv
from dataclasses import dataclass
from pathlib import Path

from support.paths import ROOT


@dataclass(frozen=True)
class Distributions:
    """Built files."""

    sdist: Path
    wheel: Path


def build(shared: Path) -> Distributions:
    """The wheel, made from the sdist as a release does it. `shared`: a folder of this test run, so that one of its
    processes builds for all."""
    folder = shared / "distributions"
    with (shared / "distributions.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            with tempfile.TemporaryDirectory(dir=shared) as unfinished:
                run(sys.executable, "-m", "build", "--no-isolation", "--outdir", unfinished, ROOT, folder=shared)
                Path(unfinished).rename(folder)
                Path(unfinished).mkdir()
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return Distributions(sdist, wheel)


@dataclass(frozen=True)
class Installation:
    """An environment with the wheel in it. Libraries are those of this one; the product and its commands are not."""

    folder: Path

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    @property
    def command(self) -> str:
        return str(self.folder / "bin" / "reconciler")

    @property
    def packages(self) -> Path:
        (packages,) = self.folder.glob("lib/python*/site-packages")
        return packages


def install(wheel: Path, folder: Path) -> Installation:
    venv.create(folder, symlinks=True)
    installed = Installation(folder)
    options = ["--no-deps", "--no-index", "--no-compile", "--quiet"]
    run(sys.executable, "-m", "pip", "--python", installed.python, "install", *options, wheel, folder=folder)
    # A folder that is named in a .pth file is searched, but its own .pth files, an editable install's, are not read.
    (installed.packages / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return installed


def run(*command: str | Path, folder: Path, **environment: str) -> str:
    """What a command printed that ran in a folder and ended well, with nothing of the checkout on its path."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST_"))}
    done = subprocess.run(
        command, cwd=folder, env={**inherited, **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout
