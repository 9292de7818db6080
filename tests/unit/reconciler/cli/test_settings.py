"""What whoever runs a command trusts: a settings file and the environment, and nothing that is in the project."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reconciler.cli.app import run
from reconciler.cli.trusting import trust_of_runner
from reconciler.manifests.errors import ManifestError
from reconciler.manifests.loading.trusted_settings import read_trust
from reconciler.manifests.trust import Trust

GALLERY = "kind: Gallery\nname: corp\nlocation: eastus\n"
FULL = """\
state: sqlite:///states/corp.db
directories: [../images, ~/more, /srv/images]
azure:
  endpoints:
  - {url: "https://management.stack.example/", ca: ca.pem}
  - {url: "https://arm.example:8443"}
libvirt: {uris: ["qemu+ssh://build@kvm1/system?keyfile=/etc/keys/one"]}
postgresql: {hosts: [db.example, "db.example:6432", "[::1]:5432"]}
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without settings of their own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CONFIG_HOME", "RECONCILER_SETTINGS", "RECONCILER_STATE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose manifests are beside it."""
    (tmp_path / "project").mkdir()
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "corp.yaml").write_text(GALLERY)
    (tmp_path / "project" / "reconciler.yaml").write_text(
        "project: test\nprovider: {type: local, root: regions}\nmanifests: [../shared]\n"
    )
    return tmp_path / "project"


def settings(path: Path, text: str = "directories: [../shared]\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_a_full_file(tmp_path: Path, home: Path) -> None:
    folder = tmp_path / "settings"
    assert read_trust(settings(folder / "ci.yaml", FULL)) == Trust(
        state=f"sqlite:///{folder}/states/corp.db",
        directories=(tmp_path / "images", home / "more", Path("/srv/images")),
        endpoints={"https://management.stack.example": folder / "ca.pem", "https://arm.example:8443": None},
        libvirt_uris=("qemu+ssh://build@kvm1/system?keyfile=/etc/keys/one",),
        databases=("db.example", "db.example:6432", "[::1]:5432"),
    )


def test_an_empty_file_trusts_nothing(tmp_path: Path) -> None:
    assert read_trust(settings(tmp_path / "s.yaml", "# nothing yet\n")) == Trust()


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("directories: [a]\nsate: x\n", 2, "did you mean 'state'?"),
        ("azure:\n  endpoints: [{url: 'http://x'}]\n", 2, "write https://HOST"),
        ("azure:\n  endpoints: [{url: 'https://u:p@x'}]\n", 2, "write https://HOST"),
        ("azure:\n  endpoints: [{ca: x}]\n", 2, "azure.endpoints[0].url: is missing"),
        ("postgresql: {hosts: [a/b]}\n", 1, "write HOST or HOST:PORT"),
        ("- state\n", 1, "settings must be a mapping, not a list"),
        ("state: a\n---\nstate: b\n", 3, "a second document"),
        ("state: [\n", 2, "is not valid YAML"),
        ("untrusted: false\n", 1, "unknown key 'untrusted'"),
        ("directories: here\n", 1, "must be a list"),
    ],
)
def test_problems_have_their_place(tmp_path: Path, text: str, line: int, says: str) -> None:
    path = settings(tmp_path / "s.yaml", text)
    with pytest.raises(ManifestError) as caught:
        read_trust(path)
    assert says in str(caught.value)
    assert f"{path}:{line}" in str(caught.value)


def test_a_password_in_settings_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        read_trust(settings(tmp_path / "s.yaml", "state: {url: 'postgresql://ada:CANARY@db/x'}\n"))
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_a_file_that_is_named_must_be_readable(tmp_path: Path, kind: str) -> None:
    if kind == "folder":
        (tmp_path / "s.yaml").mkdir()
    with pytest.raises(ManifestError, match=r"s\.yaml"):
        trust_of_runner(str(tmp_path / "s.yaml"))


def test_a_link_to_settings_is_followed(tmp_path: Path) -> None:
    """As those that Kubernetes makes of a ConfigMap."""
    settings(tmp_path / "data" / "s.yaml")
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted" / "s.yaml").symlink_to("../data/s.yaml")
    assert trust_of_runner(str(tmp_path / "mounted" / "s.yaml")).directories == (tmp_path / "shared",)


def test_nothing_is_trusted_without_settings(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["validate", "--project", str(project)]) == 1
    assert "'../shared' is outside of the project" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["option", "after", "equals", "variable", "home", "xdg", "in the project"])
def test_where_settings_are_found(project: Path, home: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["validate", "--project", str(project)]
    match place:
        case "option":
            command = ["--settings", str(settings(project.parent / "ci" / "s.yaml")), *command]
        case "after":
            command += ["--settings", str(settings(project.parent / "ci" / "s.yaml"))]
        case "equals":
            command += [f"--settings={settings(project.parent / 'ci' / 's.yaml')}"]
        case "variable":
            monkeypatch.setenv("RECONCILER_SETTINGS", str(settings(project.parent / "ci" / "s.yaml")))
        case "home":
            settings(home / ".config" / "reconciler" / "settings.yaml", f"directories: [{project.parent / 'shared'}]\n")
        case "xdg":
            monkeypatch.setenv("XDG_CONFIG_HOME", str(project.parent / "config"))
            settings(project.parent / "config" / "reconciler" / "settings.yaml", "directories: [../../shared]\n")
        case _:
            command += ["--settings", str(settings(project / "s.yaml"))]
    assert run(command) == 0


@pytest.mark.parametrize("name", ["settings.yaml", ".config/reconciler/settings.yaml", "reconciler/settings.yaml"])
def test_settings_of_the_project_count_for_nothing(
    project: Path, name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings(project / name, "directories: [/]\n")
    monkeypatch.chdir(project)
    monkeypatch.setenv("XDG_CONFIG_HOME", ".")  # relative: not to be followed
    assert run(["validate"]) == 1
    assert "is outside of the project" in capsys.readouterr().err


def test_what_was_loaded_with_other_settings_does_not_count(project: Path) -> None:
    trusted = ["validate", "--project", str(project), "--settings", str(settings(project.parent / "ci" / "s.yaml"))]
    assert run(trusted) == 0
    assert run(["validate", "--project", str(project)]) == 1
    assert run(trusted) == 0


def test_the_environment_names_the_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(settings(tmp_path / "s.yaml", "state: sqlite:///mine.db\n"))
    assert trust_of_runner(path).state == f"sqlite:///{tmp_path}/mine.db"
    monkeypatch.setenv("RECONCILER_STATE", "postgresql://db.example/x")
    assert trust_of_runner(path).state == "postgresql://db.example/x"
    assert trust_of_runner(path, untrusted=True) == Trust(untrusted=True)


def test_hosts_and_sizes_of_downloads(tmp_path: Path) -> None:
    hosts = "hosts: [{host: Images.example:443}, {host: '127.0.0.1:8443', ca: own.pem}]"
    text = f"downloads: {{{hosts}, largestGiB: 2, largestUnpackedGiB: 3, cacheGiB: 4}}\n"
    downloads = trust_of_runner(str(settings(tmp_path / "s.yaml", text))).downloads
    assert downloads.hosts == {"images.example": None, "127.0.0.1:8443": tmp_path / "own.pem"}
    assert (downloads.image, downloads.unpacked, downloads.cache) == (2 << 30, 3 << 30, 4 << 30)


def test_the_schema_has_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "--settings-file"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert list(schema["properties"]) == ["state", "directories", "azure", "libvirt", "postgresql", "downloads"]
    assert schema["additionalProperties"] is False
    assert run(["schema", "--settings-file", "--project-file"]) == 1


@pytest.mark.parametrize(
    "url", ["sqlite:////srv/x.db", "postgresql://db.example/x", "postgresql:///x?options=y", "x://y"]
)
@pytest.mark.parametrize("environment", ["", "prod"])
def test_validate_says_what_plan_says_of_a_state(
    project: Path, url: str, environment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings(project / "manifests" / "corp.yaml", GALLERY)
    (project / "reconciler.yaml").write_text(
        f"project: test\nprovider: {{type: local, root: regions}}\n"
        f"{'environments: {prod: {' if environment else ''}state: '{url}'{'}}' if environment else ''}\n"
    )
    shared = ["--project", str(project), *(["--environment", environment] if environment else [])]
    assert run([*shared, "validate"]) == 1
    validated = " ".join(capsys.readouterr().err.split())
    assert "reconciler.yaml:3" in validated
    assert run([*shared, "plan"]) == 1
    planned = " ".join(capsys.readouterr().err.split())
    assert planned.removeprefix("error: ").split(" Name it")[0].split(" Allowed")[0].split(" Write")[0] in validated
