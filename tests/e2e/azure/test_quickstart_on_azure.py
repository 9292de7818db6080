"""The quickstart on the emulator, as people run it: processes, TLS, and no difference except the line `provider:`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.azure.azurite import RunningAzurite
from support.console import scratch_project
from support.paths import ROOT

PATIENCE_S = 20
SECRETS = ("RECONCILER_EMULATOR_TENANT_ID", "RECONCILER_EMULATOR_CLIENT_ID", "RECONCILER_EMULATOR_CLIENT_SECRET")
NOWHERE = "https://localhost:1"


@dataclass
class Estate:
    """A copy of the quickstart, and the environment that its commands run in."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def provide(self, provider: Mapping[str, object]) -> None:
        """Switches the line `provider:`, and nothing else."""
        path = self.folder / "reconciler.yaml"
        text, count = re.subn(r"^provider:.*$", f"provider: {json.dumps(provider)}", path.read_text(), flags=re.M)
        assert count == 1
        path.write_text(text)

    def run(self, *words: str, **environment: str) -> tuple[int, str, str]:
        """Exit code and both streams of a command, each as one line."""
        return self.play([sys.executable, "-m", "reconciler", *words], environment)

    def play(self, command: list[str], environment: Mapping[str, str]) -> tuple[int, str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AZURE_")}
        answer = subprocess.run(
            command,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env={**inherited, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **self.environment, **environment},
        )
        return answer.returncode, " ".join(answer.stdout.split()), " ".join(answer.stderr.split())


@pytest.fixture
def estate(tmp_path: Path, azurite: RunningAzurite) -> Estate:
    """On an emulator for the duration of each command; files are uploaded to the run's blob service."""
    estate = Estate(scratch_project(tmp_path))
    estate.provide({"type": "emulator", "storage": {"endpoint": azurite.endpoint}})
    return estate


@contextmanager
def running_emulator(folder: Path) -> Iterator[dict[str, str]]:
    """`reconciler emulator` as a process; its ready file."""
    ready = folder / "ready.json"
    process = subprocess.Popen(
        [sys.executable, "-m", "reconciler", "emulator", "--time-scale", "0", "--ready-file", str(ready)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + PATIENCE_S
        while not ready.exists():
            assert process.poll() is None
            assert time.monotonic() < until, "the emulator did not become ready"
            time.sleep(0.01)
        found: dict[str, str] = json.loads(ready.read_text())
        yield found
    finally:
        process.terminate()
        assert process.wait(PATIENCE_S) == 0


@pytest.fixture
def served(tmp_path: Path, azurite: RunningAzurite) -> Iterator[tuple[Estate, dict[str, str]]]:
    """On an emulator in a process of its own, and that emulator's ready file."""
    estate = Estate(scratch_project(tmp_path))
    with running_emulator(estate.folder) as ready:
        secrets = (ready["tenant"], ready["clientId"], ready["clientSecret"])
        estate.environment |= dict(zip(SECRETS, secrets, strict=True))
        estate.provide(reached(ready, storage={"endpoint": azurite.endpoint}))
        yield estate, ready


def reached(ready: Mapping[str, str], **more: object) -> dict[str, object]:
    """The line `provider:` for an emulator."""
    return {"type": "emulator", "endpoint": ready["endpoint"], "ca": ready["ca"], **more}


def play_quickstart(estate: Estate) -> None:
    """Its whole life cycle: created, observed, changed, removed."""
    code, out, err = estate.run("plan", "--detailed-exitcode")
    assert (code, err) == (2, "")
    assert "15 create · 0 unchanged · 96.0 MiB to copy" in out
    code, out, err = estate.run("apply", "--auto-approve")
    assert code == 0, err
    assert "Done: 15 created" in out
    code, out, _ = estate.run("plan", "--detailed-exitcode")
    assert code == 0, out
    assert out == "No changes. 15 objects match the manifests (environment default)."
    assert estate.run("latest", "corp/web")[:2] == (0, "eastus 1.1.0 northeurope 1.1.0 westus 1.1.0")
    code, out, err = estate.run("drift", "--deep")
    assert code == 0, out + err
    assert out.endswith("15 unchanged")
    code, out, _ = estate.run("show", "corp/web/1.1.0")
    assert code == 0
    assert "/providers/Microsoft.Compute/galleries/corp/images/web/versions/1.1.0" in out
    assert "disks.os.format raw" in out
    change_and_remove(estate)


def change_and_remove(estate: Estate) -> None:
    path = estate.folder / "manifests" / "web.yaml"
    more = "targetRegions: [eastus=2, {name: westus, excludeFromLatest: true}, northeurope, uksouth]"
    path.write_text(f"{path.read_text()}{more}\n")
    code, out, err = estate.run("apply", "--auto-approve")
    assert code == 0, err
    assert "Done: 1 created · 1 updated" in out
    assert estate.run("latest", "corp/web")[1] == "eastus 1.1.0 northeurope 1.1.0 uksouth 1.1.0 westus 1.0.0"
    assert estate.run("plan", "--detailed-exitcode")[0] == 0
    code, out, err = estate.run("destroy", "--auto-approve")
    assert code == 0, out + err
    assert "16 deleted" in out
    assert estate.run("drift", "--unmanaged")[0] == 3  # everything is declared, and nothing recorded


@pytest.mark.azurite
def test_plays_with_an_emulator_for_the_life_of_each_command(tmp_path: Path) -> None:
    """Azurite is also started and stopped by each command that uploads."""
    estate = Estate(scratch_project(tmp_path), {"PATH": f"{ROOT}/.tools/node_modules/.bin:{os.environ['PATH']}"})
    estate.provide({"type": "emulator"})
    play_quickstart(estate)


def test_plays_with_an_emulator_in_a_process_of_its_own(served: tuple[Estate, dict[str, str]]) -> None:
    play_quickstart(served[0])


def test_switching_the_provider_is_all_that_a_project_for_the_cloud_needs(
    served: tuple[Estate, dict[str, str]], azurite: RunningAzurite
) -> None:
    """Type `azure` on an endpoint that is not Azure's, which is trusted, and `emulator` find the same objects."""
    estate, ready = served
    trusted = {"azure": {"endpoints": [{"url": ready["endpoint"], "ca": ready["ca"]}]}}
    settings = estate.folder.parent / "settings.yaml"
    settings.write_text(json.dumps(trusted))
    secrets = {name.replace("RECONCILER_EMULATOR_", "AZURE_"): estate.environment[name] for name in SECRETS}
    estate.provide(
        {
            "type": "azure",
            "endpoint": ready["endpoint"],
            "subscription": ready["subscription"],
            "resourceGroup": "images",
            "storage": {"account": DEVELOPMENT, "container": "images", "endpoint": azurite.endpoint},
        }
    )
    code, out, err = estate.run("apply", "--auto-approve", RECONCILER_SETTINGS=str(settings), **secrets)
    assert code == 0, err
    assert "Done: 15 created" in out
    estate.provide(reached(ready))
    assert estate.run("plan", "--detailed-exitcode")[0] == 0


DEVELOPMENT = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/images/providers/Microsoft.Storage"
    "/storageAccounts/devstoreaccount1"
)

BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1] or name.startswith(sys.argv[1] + "."):
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)

sys.meta_path.insert(0, Blocker())
from reconciler.cli.app import run
sys.exit(run(sys.argv[2:]))
"""


@pytest.mark.parametrize(
    ("kind", "library"),
    [
        ("emulator", "azure"),
        ("emulator", "azure.mgmt.compute"),
        ("emulator", "azure.storage.blob"),
        ("emulator", "uvicorn"),
        ("emulator", "jwt"),
        ("azure", "azure"),
        ("azure", "azure.identity"),
    ],
)
def test_a_missing_library_is_named_with_the_extra_that_has_it(estate: Estate, kind: str, library: str) -> None:
    needed = {"subscription": "00000000-0000-0000-0000-000000000000", "resourceGroup": "images"}
    estate.provide({"type": kind, **needed})
    code, out, err = estate.play([sys.executable, "-c", BLOCKED, library, "plan"], {})
    assert (code, out) == (1, "")
    assert f"the backend '{kind}' needs a package that is missing: No module named '{library}'" in err
    assert f"pip install '.[{kind}]'" in err


@pytest.mark.parametrize(
    ("provider", "said"),
    [
        ({"type": "emulator", "endpont": "auto"}, "unknown key 'endpont' … did you mean 'endpoint'?"),
        ({"type": "emulatr"}, "no backend of type 'emulatr' is installed … did you mean 'emulator'?"),
        ({"type": "azure"}, "provider.subscription: is missing"),
        ({"type": "azure"}, "provider.resourceGroup: is missing"),
        ({"type": "emulator", "clientSecret": "x"}, "secrets come from the environment, never from this file"),
        ({"type": "emulator", "endpoint": "http://localhost"}, "an address like https://HOST[:PORT], with TLS"),
        ({"type": "emulator", "endpoint": NOWHERE}, f"{', '.join(SECRETS)} not set"),
    ],
)
def test_a_setting_that_cannot_be_is_said_in_a_sentence(
    estate: Estate, provider: Mapping[str, object], said: str
) -> None:
    estate.provide(provider)
    code, out, err = estate.run("plan")
    assert (code, out) == (1, "")
    assert all(part in err for part in said.split(" … "))
    assert "bug" not in err


def test_files_need_a_place_to_be_uploaded_to(estate: Estate) -> None:
    """The plan reports it before anything is created."""
    estate.provide({"type": "emulator"})
    code, out, err = estate.run("apply", "--auto-approve", PATH="/usr/bin:/bin")
    assert code == 1
    assert "Azurite, which stands in for an Azure storage account, is not installed" in out
    assert "npm install --global azurite" in out
    assert "nothing was applied" in err
    assert "created" not in out


def test_who_does_not_answer_or_know_us_is_told_apart(served: tuple[Estate, dict[str, str]]) -> None:
    estate, ready = served

    def refused(because: str, provider: Mapping[str, object] | None = None, **environment: str) -> None:
        estate.provide(provider or reached(ready))
        code, out, err = estate.run("plan", **environment)
        assert code == 3, out + err
        assert because in out + err
        assert "get_token failed" not in err  # the client's own warnings

    refused("the emulator does not answer", {**reached(ready), "endpoint": NOWHERE})
    refused("start it (reconciler emulator), and check `endpoint`", {**reached(ready), "endpoint": NOWHERE})
    refused(
        "could not be verified: [SSL: CERTIFICATE_VERIFY_FAILED]", {"type": "emulator", "endpoint": ready["endpoint"]}
    )
    refused("Invalid client secret provided", RECONCILER_EMULATOR_CLIENT_SECRET="wrong")
    refused("Resource group 'other' could not be found", reached(ready, resourceGroup="other"))
    refused("create the resource group first: az group create", reached(ready, resourceGroup="other"))
    estate.provide(reached(ready) | {"ca": "none.pem"})
    code, _, err = estate.run("plan")
    assert code == 1
    assert "the certificate '" in err


def test_without_credentials_the_error_explains_how_to_sign_in(estate: Estate) -> None:
    estate.provide({"type": "azure", "subscription": "00000000-0000-0000-0000-000000000000", "resourceGroup": "images"})
    code, out, err = estate.run("plan", AZURE_TOKEN_CREDENTIALS="EnvironmentCredential")
    assert (code, out) == (3, "")
    assert "no access token could be obtained" in err
    assert "sign in (az login)" in err
