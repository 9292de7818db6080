"""Manifests are in the project: no pattern, link or glob leads out of it, and no error shows what is no manifest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.manifests.errors import ManifestError
from reconciler.manifests.loading.cache import load
from reconciler.manifests.manifest import Manifest
from reconciler.manifests.parsing import files, finding
from reconciler.manifests.trust import Trust

GALLERY = "kind: Gallery\nname: {}\nlocation: eastus\n"
SECRETS = {
    "netrc": "machine internal.example login deploy password CANARYnetrc77\n",
    "token": "CANARY" * 300,
    "credentials": "[default]\naws_secret_access_key = CANARY/aws\n",
    "config": "[http]\n\textraheader = AUTHORIZATION: basic CANARYbasic\n",
    "kubeconfig": "kind: Config\nusers:\n- {user: {token: CANARYkube}, user: {token: CANARYtwice}}\n",
    "env": "API_KEY: &CANARYanchor !CANARYtag 'CANARY${CANARYvalue}'\nCANARYkey: *CANARYalias\n? [CANARY]\n: x\n",
    "id_ed25519": "-----BEGIN OPENSSH PRIVATE KEY-----\nCANARYb3BlbnNzaC1r\n-----END OPENSSH PRIVATE KEY-----\n",
    "environ": "SECRET_ENV=CANARYenv\0SHELL=/bin/bash\0",
    "latin": "password: CANARY\xfc",
}
OUTSIDE = "is outside of the project"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project, and beside it a folder with secrets, a manifest, and folders to walk through."""
    outside = tmp_path / "outside"
    (outside / "deep" / "er").mkdir(parents=True)
    for name, content in SECRETS.items():
        (outside / name).write_text(content, "latin-1")
    (outside / "corp.yaml").write_text(GALLERY.format("outside"))
    (outside / "deep" / "er" / "canary.yaml").write_text(GALLERY.format("canary"))
    project = tmp_path / "project"
    (project / "manifests").mkdir(parents=True)
    (project / "manifests" / "corp.yaml").write_text(GALLERY.format("corp"))
    declare(project, "manifests")
    return project


def declare(project: Path, *patterns: str) -> None:
    quoted = ", ".join(f'"{pattern}"' for pattern in patterns)
    (project / "reconciler.yaml").write_text(
        f"project: test\nprovider: {{type: local, root: regions}}\nmanifests: [{quoted}]\n"
    )


def refusal(project: Path, trust: Trust | None = None) -> str:
    with pytest.raises(ManifestError) as caught:
        load(project, None, trust)
    return str(caught.value)


def load_or_refuse(project: Path) -> str:
    """What loading ends in: the message of an error, or nothing."""
    try:
        load(project)
    except ManifestError as error:
        return str(error)
    return ""


def names(manifest: Manifest) -> list[str]:
    return [str(address) for address in manifest.resources]


@pytest.mark.parametrize(
    "pattern",
    [
        "../outside/netrc", "../outside/nothing", "../outside", "../outside/*", "../outside/**/*.yaml", "../*/c.yaml",
        "../**", "/etc/passwd", "/etc/*", "/**/*.yaml", "/proc/self/environ", "/proc", "/proc/*/environ", "/", "..",
        "/*", "manifests/../../outside/corp.yaml", "./../outside/corp.yaml", "../project-2/x.yaml",
    ],
)  # fmt: skip
def test_no_pattern_leads_out(project: Path, pattern: str) -> None:
    declare(project, "manifests", pattern)
    message = refusal(project)
    assert OUTSIDE in message
    assert "directories" in message
    assert "CANARY" not in message
    assert "canary" not in message


def test_what_is_outside_is_not_told(project: Path) -> None:
    """A path with something, and one with nothing there: the same is said of both."""
    said = []
    for name in ("netrc", "nothing", "deep", "deep/er/canary.yaml", "*.yaml", "*.none"):
        declare(project, f"../outside/{name}")
        said.append(refusal(project).replace(name, "NAME"))
    assert len(set(said)) == 1, said


@pytest.mark.parametrize(
    "pattern", ["manifests", "manifests/**", "**/*.yaml", "m*/l*/*", "manifests/link", "manifests/link/*"]
)
@pytest.mark.parametrize("target", ["../../outside", "../../outside/deep", "/proc", "/", "../..", "../../nothing"])
def test_no_link_to_a_folder_leads_out(project: Path, pattern: str, target: str) -> None:
    (project / "manifests" / "link").symlink_to(target)
    declare(project, pattern)
    message = refusal(project)
    assert OUTSIDE in message
    assert "canary" not in message


@pytest.mark.parametrize("pattern", ["manifests/*", "manifests/*.yaml", "manifests/c*"])
def test_a_link_that_no_pattern_follows_is_none_of_our_business(project: Path, pattern: str) -> None:
    (project / "manifests" / "link").symlink_to("/proc")
    declare(project, pattern)
    assert names(load(project)[1]) == ["corp"]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("place", ["manifests/a.yaml", "manifests", "reconciler.yaml"])
def test_no_link_to_a_file_leads_out(project: Path, secret: str, place: str) -> None:
    path = project / place
    if path.is_dir():
        (path / "corp.yaml").unlink()
        path.rmdir()
    path.unlink(missing_ok=True)
    path.symlink_to(project.parent / "outside" / secret)
    message = refusal(project)
    assert OUTSIDE in message
    assert "CANARY" not in message


def test_a_link_behind_links_leads_nowhere_else(project: Path) -> None:
    (project / "one").symlink_to("two")
    (project / "two").symlink_to("manifests/three")
    (project / "manifests" / "three").symlink_to("../../outside/deep")
    declare(project, "one")
    assert OUTSIDE in refusal(project)


def test_links_inside_are_followed(project: Path) -> None:
    (project / "more").mkdir()
    (project / "more" / "b.yaml").write_text(GALLERY.format("more"))
    (project / "manifests" / "more").symlink_to("../more")
    (project / "manifests" / "loop").symlink_to(".")
    (project / "linked").symlink_to("manifests")
    for pattern in ("manifests", "manifests/**/*.yaml", "linked", "l*/**/*.yaml", "**/*.yaml", "**/**/**/*.yaml"):
        declare(project, pattern)
        assert names(load(project)[1]) == ["corp", "more"], pattern


def test_trusted_directories_are_read(project: Path) -> None:
    outside = project.parent / "outside"
    for name in SECRETS:
        (outside / name).unlink()
    (project / "manifests" / "link").symlink_to(outside / "deep")
    declare(project, "manifests", "../outside/*.yaml", str(outside / "corp.yaml"))
    assert names(load(project, None, Trust(directories=(outside,)))[1]) == ["canary", "corp", "outside"]
    assert OUTSIDE in refusal(project)
    assert OUTSIDE in refusal(project, Trust(directories=(outside / "deep",)))


def test_errors_in_trusted_directories_have_their_line(project: Path) -> None:
    (project.parent / "outside" / "deep" / "er" / "canary.yaml").write_text("kind: Gallery\nname: x\nlocaton: eastus\n")
    declare(project, "../outside/deep")
    assert "locaton: eastus" in refusal(project, Trust(directories=(project.parent / "outside",)))


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("name", ["manifests/secret.yaml", "secret"])
def test_a_file_that_is_no_manifest_is_not_shown(project: Path, secret: str, name: str) -> None:
    (project / name).write_text(SECRETS[secret], "latin-1")
    declare(project, "manifests", name)
    message = refusal(project)
    assert name in message
    assert "CANARY" not in message


@pytest.mark.parametrize("secret", SECRETS)
def test_a_project_file_that_is_none_is_not_shown(project: Path, secret: str) -> None:
    (project / "reconciler.yaml").write_text(SECRETS[secret], "latin-1")
    message = refusal(project)
    assert "reconciler.yaml" in message
    assert "CANARY" not in message


def test_a_misspelled_kind_is_shown(project: Path) -> None:
    (project / "manifests" / "a.yaml").write_text("kind: galery\nname: x\n")
    message = refusal(project)
    assert "unknown kind 'galery'" in message
    assert "did you mean 'Gallery'?" in message


def test_a_pipe_is_not_waited_for(project: Path) -> None:
    os.mkfifo(project / "manifests" / "a.yaml")
    assert "is not a regular file" in refusal(project)
    (project / "reconciler.yaml").unlink()
    os.mkfifo(project / "reconciler.yaml")
    assert "is not a regular file" in refusal(project)


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ("MOST_FOLDERS", "through more than 3 folders"),
        ("MOST_ENTRIES", "past more than 3 files"),
        ("MOST_FILES", "more than 3 files"),
        ("MOST_LINKS", "through more than 3 links"),
        ("MOST_PATTERNS", "more than 3 patterns"),
    ],
)
def test_looking_for_files_has_limits(project: Path, limit: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        (project / "manifests" / f"in{number}").mkdir()
        (project / "manifests" / f"in{number}" / "a.yaml").write_text(GALLERY.format(f"g{number}"))
        (project / "manifests" / f"to{number}").symlink_to(f"in{number}")
    declare(project, *["manifests"] * 5)
    assert len(names(load(project)[1])) == 6
    monkeypatch.setattr(finding, limit, 3)
    message = refusal(project)
    assert says in message
    assert message.count("more than 3") == 1


def test_all_manifests_together_have_a_limit(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "manifests" / "z.yaml").write_text(GALLERY.format("z"))
    monkeypatch.setattr(files, "LARGEST_PROJECT", 50)
    assert "larger than 0 MiB together" in refusal(project)


def test_each_folder_is_listed_once_for_a_deep_glob(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        (project / "manifests" / f"a{number}" / "b" / "c").mkdir(parents=True)
    monkeypatch.setattr(finding, "MOST_FOLDERS", 500)
    for pattern in ("/".join(["**"] * 30) + "/*.yaml", "**/*/**/*/**/*/**/corp.yaml", "**/[a-z]*/**/*.yaml"):
        declare(project, pattern)
        assert "500 folders" not in load_or_refuse(project)


@pytest.mark.parametrize("pattern", ["*/../x.yaml", "a/" * 50 + "x.yaml", "*/../../outside/*.yaml"])
def test_odd_patterns_are_refused(project: Path, pattern: str) -> None:
    declare(project, pattern)
    assert "'..' after a wildcard" in (message := refusal(project)) or "more than 40 parts" in message


def test_a_chain_of_links_ends(project: Path) -> None:
    for number in range(3_000):
        (project / f"l{number}").symlink_to(f"l{number + 1}")
    declare(project, "l0")
    assert "outside of the project" in refusal(project)
