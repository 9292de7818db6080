"""A state file is in the project, unless whoever runs a command says where it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.stores import PROJECT

from reconciler.manifests.trust import Trust
from reconciler.state.errors import StateError
from reconciler.state.opening import check_url, open_store

OUTSIDE = "is outside of the project"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project beside a folder with a state of the same project."""
    (tmp_path / "project" / ".reconciler").mkdir(parents=True)
    (tmp_path / "outside").mkdir()
    open_store("sqlite:///state.db", PROJECT, tmp_path / "outside").signing_key()
    return tmp_path / "project"


@pytest.mark.parametrize(
    "path",
    [
        "../outside/state.db",
        "../outside/new.db",
        "/etc/passwd",
        "//etc/passwd",
        "/dev/zero",
        "/proc/self/environ",
        "..",
    ],
)
def test_nothing_outside_is_opened_or_made(project: Path, path: str) -> None:
    with pytest.raises(StateError, match=OUTSIDE) as caught:
        open_store(f"sqlite:///{path}", PROJECT, project).signing_key()
    assert "RECONCILER_STATE" in caught.value.remedy
    assert "directories" in caught.value.remedy
    assert sorted(each.name for each in (project.parent / "outside").glob("*.db")) == ["state.db"]
    with pytest.raises(StateError, match=OUTSIDE):
        check_url(f"sqlite:///{path}", project)


@pytest.mark.parametrize("place", [".reconciler", ".reconciler/state.db", "below"])
def test_no_link_leads_out(project: Path, place: str) -> None:
    path = project / place
    if path.is_dir():
        path.rmdir()
    path.symlink_to(project.parent / "outside" / ("state.db" if place.endswith(".db") else ""))
    url = "sqlite:///below/state.db" if place == "below" else "sqlite:///.reconciler/state.db"
    with pytest.raises(StateError, match=OUTSIDE):
        open_store(url, PROJECT, project)


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
def test_what_sqlite_opens_beside_it_is_no_link_out(project: Path, suffix: str) -> None:
    open_store("sqlite:///.reconciler/state.db", PROJECT, project).signing_key()
    victim = project.parent / "outside" / "victim"
    victim.write_text("precious")
    (project / ".reconciler" / f"state.db{suffix}").unlink(missing_ok=True)
    (project / ".reconciler" / f"state.db{suffix}").symlink_to(victim)
    with pytest.raises(StateError, match=OUTSIDE):
        open_store("sqlite:///.reconciler/state.db", PROJECT, project)
    assert victim.read_text() == "precious"


@pytest.mark.parametrize("how", ["directories", "state"])
def test_it_is_opened_where_that_is_trusted(project: Path, how: str) -> None:
    outside = project.parent / "outside"
    url = f"sqlite:///{outside}/state.db"
    trust = Trust(directories=(outside,)) if how == "directories" else Trust(state=url)
    store = open_store(url, PROJECT, project, trust=trust)
    assert store.read().lineage
    store.close()
    check_url(url, project, trust)


def test_links_inside_are_followed(project: Path) -> None:
    (project / "state").symlink_to(".reconciler")
    store = open_store("sqlite:///state/state.db", PROJECT, project)
    store.signing_key()
    store.close()
    assert (project / ".reconciler" / "state.db").is_file()
