"""Which services a project file may name: clouds of Azure, this computer for an emulator, and what is trusted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.provider_settings import accepted, refused, said

from reconciler.manifests.trust import Trust
from reconciler.providers.azure.configuration import configuration_of
from reconciler.providers.errors import ProviderError

SUBSCRIPTION = "12345678-1234-1234-1234-123456789abc"
PLACE = {"subscription": SUBSCRIPTION, "resourceGroup": "rg"}
ACCOUNTS = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts"
FOREIGN = [
    "https://login.example",
    "https://management.azure.com.evil.example",
    "https://management.azure.com@evil.example",
    "https://management.azure.com:444",
    "https://management.azure.com\\@evil.example",
    "https://evil.example#management.azure.com",
    "https://127.0.0.1@evil.example",
    "https://127.evil.example",
    "https://localhost.evil.example",
    "https://127.0.0.1.evil.example:8443",
    "https://@evil.example",
    "https://[::1]@evil.example",
    "https://[::1].evil.example",
    "https://[::ffff:10.0.0.1]",
    "https://0x7f.1.evil.example",
    "https://169.254.169.254",
    "https://10.0.0.1:8443",
    "https://localhost%2eevil.example",
    "http://localhost:8443",
    "https://evil.example/localhost",
    "file:///etc/passwd",
    "https://loc\u00e4lhost",
]


def settings(kind: str, **more: Any) -> dict[str, Any]:
    return {**(PLACE if kind == "azure" else {}), **more}


@pytest.mark.parametrize("kind", ["azure", "emulator"])
@pytest.mark.parametrize("endpoint", FOREIGN)
def test_a_foreign_endpoint_is_refused(tmp_path: Path, kind: str, endpoint: str) -> None:
    problems = refused(tmp_path, kind, settings(kind, endpoint=endpoint))
    assert any("main.endpoint" in problem.summary for problem in problems)
    config = accepted(tmp_path, kind, settings(kind))
    planted = replace(config, settings={**config.settings, "endpoint": endpoint})
    with pytest.raises(ProviderError, match="is not trusted"):
        configuration_of(planted)


def test_the_refusal_names_what_is_allowed(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, "azure", settings("azure", endpoint="https://localhost:8443"))
    assert "'https://localhost:8443' is not a cloud of Azure" in said(problem)
    for way in ("https://management.azure.com", "azure.endpoints", "--settings FILE"):
        assert way in problem.detail
    (problem,) = refused(tmp_path, "emulator", {"endpoint": "https://h:1"})
    assert "'https://h:1' is not an address of this computer" in said(problem)


@pytest.mark.parametrize(
    ("kind", "endpoint"),
    [
        ("azure", "https://Management.Azure.com/"),
        ("azure", "https://management.usgovcloudapi.net:443"),
        ("emulator", "auto"),
        ("emulator", "https://localhost:8443"),
        ("emulator", "https://127.1.2.3:8443"),
        ("emulator", "https://[::1]:8443"),
    ],
)
def test_known_endpoints_need_no_trust(tmp_path: Path, kind: str, endpoint: str) -> None:
    used = configuration_of(accepted(tmp_path, kind, settings(kind, endpoint=endpoint))).endpoint
    assert used == endpoint.lower().rstrip("/").removesuffix(":443")


@pytest.mark.parametrize("kind", ["azure", "emulator"])
def test_a_trusted_endpoint_is_checked_with_its_own_certificate(tmp_path: Path, kind: str) -> None:
    authority = tmp_path / "elsewhere.pem"
    trust = Trust(endpoints={"https://Stack.example:8443/": authority})
    config = accepted(tmp_path, kind, settings(kind, endpoint="https://stack.example:8443"), trust)
    assert configuration_of(config).ca == authority
    assert refused(tmp_path, kind, settings(kind, endpoint="https://stack.example"), trust)


def test_a_certificate_of_the_project_is_for_an_emulator_alone(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, "azure", settings("azure", ca="ca.pem"))
    assert "unknown key 'ca'" in problem.summary
    assert "azure.endpoints" in problem.detail


def test_a_certificate_is_in_the_project_or_in_a_trusted_folder(tmp_path: Path) -> None:
    project, outside = tmp_path / "project", tmp_path / "outside"
    project.mkdir()
    outside.mkdir()
    (outside / "ca.pem").write_text("secret")
    (project / "link.pem").symlink_to(outside / "ca.pem")
    endpoint = {"endpoint": "https://localhost:8443"}
    for ca in ("../outside/ca.pem", str(outside / "ca.pem"), "link.pem", "../outside/none.pem", "/etc/passwd"):
        (problem,) = refused(project, "emulator", {**endpoint, "ca": ca})
        assert "is outside of the project" in problem.summary
        assert "secret" not in said(problem)
    trust = Trust(directories=(outside,))
    config = accepted(project, "emulator", {**endpoint, "ca": "link.pem"}, trust)
    assert configuration_of(config).ca == outside / "ca.pem"
    with pytest.raises(ProviderError, match="outside of the project"):
        configuration_of(replace(config, trust=Trust()))


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://corpimages.blob.core.windows.net.evil.example",
        "https://other.blob.core.windows.net",
        "https://evil.example/corpimages",
        "https://corpimages.blob.core.windows.net@evil.example",
        "http://127.0.0.1:10000/corpimages",
        "http://169.254.169.254/corpimages",
        "http://localhost.evil.example/devstoreaccount1",
    ],
)
def test_images_are_uploaded_to_the_account_they_name(tmp_path: Path, endpoint: str) -> None:
    storage = {"account": f"{ACCOUNTS}/corpimages", "container": "images", "endpoint": endpoint}
    for kind in ("azure", "emulator"):
        problems = refused(tmp_path, kind, settings(kind, storage=storage))
        assert any("storage.endpoint" in problem.summary for problem in problems)


def test_the_blob_service_is_that_of_the_cloud(tmp_path: Path) -> None:
    storage = {"account": f"{ACCOUNTS}/corpimages", "container": "images"}
    government = settings("azure", endpoint="https://management.usgovcloudapi.net", storage=storage)
    used = configuration_of(accepted(tmp_path, "azure", government)).storage
    assert used is not None
    assert used.endpoint == "https://corpimages.blob.core.usgovcloudapi.net"
    own = settings("azure", storage={**storage, "endpoint": "https://CorpImages.blob.core.windows.net/"})
    assert configuration_of(accepted(tmp_path, "azure", own)).storage is not None
