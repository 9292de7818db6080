"""What the project promises about itself: its changelog, its workflows, its locked tools and its lowest versions."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.paths import ROOT
from support.suite.needs import MARKERS

from reconciler.manifests.loading import cache
from reconciler.planning.saved import plan_file
from reconciler.state import migrations

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PAGES = sorted([*(ROOT / ".github").glob("*.md"), *(ROOT / "docs" / "contributing").glob("*.md")])
LOWEST = ROOT / ".ci" / "constraints-lowest.txt"
RELEASE = ROOT / ".ci" / "requirements-release.txt"
LOCKED = ROOT / ".ci" / "requirements-check.txt"
LOCK_SOURCE = ROOT / ".ci" / "requirements-check.in"


def project() -> dict[str, Any]:
    declared: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return declared


def name_of(requirement: str) -> str:
    """The canonical name of a distribution."""
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def pinned(path: Path) -> dict[str, str]:
    """Name -> version, of a file of requirements."""
    return dict(re.findall(r"^([a-z0-9.-]+)==([^\s;\\]+)", path.read_text("utf-8"), re.MULTILINE))


@pytest.mark.parametrize(
    ("format_name", "version"),
    [("state", migrations.SCHEMA_VERSION), ("plan file", plan_file.FORMAT), ("cache", cache.SCHEMA)],
)
def test_the_changelog_names_the_versions_of_formats(format_name: str, version: int) -> None:
    assert f"\n| {format_name} | {version} |" in (ROOT / "docs" / "changelog.md").read_text("utf-8")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", path.read_text("utf-8"))
    assert [link for link in links if "://" not in link and not (path.parent / link).exists()] == []


def test_make_check_leaves_out_what_is_marked() -> None:
    (expression,) = re.findall(r'^SELF_CONTAINED := -m "not \((.+)\)"$', (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert expression.split(" or ") == sorted(MARKERS)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned(path: Path) -> None:
    """By commit, with the tag in a comment; a tag can be moved."""
    lines = [line.strip() for line in path.read_text("utf-8").splitlines() if "uses:" in line]
    assert lines
    assert [line for line in lines if not re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line)] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_may_only_read(path: Path) -> None:
    """But for the job that publishes, which may ask for a token to do so."""
    workflow = yaml.safe_load(path.read_text("utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    allowed = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
    assert allowed in ({}, {"publish": {"id-token": "write"}})


def test_nothing_of_a_fork_runs_as_root() -> None:
    """But for the jobs that need no root: those check changes from forks."""
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))["jobs"]
    own = "github.event_name == 'push' || github.event.pull_request.head.repo.full_name == github.repository"
    with_root = {name for name, job in jobs.items() if re.search("sudo|privileged", str(job))}
    assert with_root == {"ubuntu", "debian-12"}
    assert {jobs[name].get("if") for name in with_root} == {own}


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_install_only_what_is_locked(path: Path) -> None:
    """With hashes: what builds a release is the same for everybody."""
    installed = re.findall(r"pip install (.*?)(?: &&|$)", path.read_text("utf-8"), flags=re.M)
    assert [words for words in installed if not words.startswith("--require-hashes -r .ci/requirements-")] == []


def test_ci_runs_every_python_that_is_promised() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text("utf-8"))
    classifiers = [name.rpartition(" ")[2] for name in project()["classifiers"] if ":: Python :: 3." in name]
    assert workflow["jobs"]["check"]["strategy"]["matrix"]["python"] == classifiers


def test_the_lowest_versions_are_those_of_the_project() -> None:
    extras = project()["optional-dependencies"]
    requirements = project()["dependencies"] + extras["azure"] + extras["emulator"] + extras["postgresql"]
    lowest = {name_of(entry): bound for entry in requirements for bound in re.findall(r">=([\d.]+)", entry)}
    found = {name: version for name, version in pinned(LOWEST).items() if name in lowest}
    assert found.keys() == lowest.keys()
    assert [
        f"{name}>={bound}, and {LOWEST.name} has {found[name]}: run make lock"
        for name, bound in lowest.items()
        if not f"{found[name]}.".startswith(f"{bound}.")
    ] == []


def test_the_locked_tools_are_those_of_the_project() -> None:
    extras = project()["optional-dependencies"]
    wanted = {entry.partition("#")[0].strip() for entry in extras["test"] + extras["lint"]}
    listed = {line for line in LOCK_SOURCE.read_text("utf-8").splitlines() if not line.startswith("#")}
    assert listed == wanted
    assert {name_of(entry) for entry in wanted} <= pinned(LOCKED).keys()


@pytest.mark.parametrize("path", [LOWEST, LOCKED, RELEASE], ids=lambda path: path.name)
def test_locks_name_no_index(path: Path) -> None:
    assert not re.search(r"://|--(index|find)", path.read_text("utf-8"))
