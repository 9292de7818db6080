"""Backends of other packages: found through entry points, and blamed by name for what they lack."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.provider_settings import accepted, install, refused, said

from reconciler.providers.base import BaseProvider
from reconciler.providers.errors import ContractViolation, ProviderError, Unsupported
from reconciler.providers.registry import MEMBERS, ProviderConfig, create_provider
from reconciler.testing.operations import writer_of

WORKING = """
from reconciler.providers.base import BaseProvider

class Acme(BaseProvider):
    def __init__(self, config):
        self.config = config

    def capabilities(self): ...
    def scan(self, scope, progress=None): ...
    def read(self, address): ...
    def source_identity(self, source): ...
    def source_facts(self, source, definition=None): ...
    def source_digest(self, source, progress=None): ...
    def begin(self, operation, progress): ...

create_provider = Acme
"""
SETTINGS = """
from typing import Annotated
from pydantic import Field
from reconciler.manifests.kinds.base import Model

class Settings(Model):
    \"\"\"A service of Acme.\"\"\"

    max_size: Annotated[int, Field(description="The most it takes.")] = 7
    fast: Annotated[bool, Field(description="Whether it hurries.")]
"""


def test_a_backend_of_another_package_is_like_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, tmp_path, WORKING, settings=SETTINGS)
    config = accepted(tmp_path, "acme", {"fast": True})
    assert config.settings == {"maxSize": 7, "fast": True}
    provider = create_provider(config)
    assert provider.config == config  # type: ignore[attr-defined]
    provider.close()


def test_its_settings_are_checked_like_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, tmp_path, WORKING, settings=SETTINGS)
    problems = [said(problem) for problem in refused(tmp_path, "acme", {"maxSise": 3, "maxSize": "much"})]
    assert len(problems) == 3
    assert any("main.fast: is missing" in problem for problem in problems)
    assert any("unknown key 'maxSise' | did you mean 'maxSize'?" in problem for problem in problems)
    assert any(problem.startswith('"maxSize": "much"') for problem in problems)


def test_without_a_model_any_settings_are_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, tmp_path, WORKING)
    settings = {"anything": {"goes": ["1", "2"]}}
    assert accepted(tmp_path, "acme", settings).settings == settings


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ("import boto_nonexistent\n", "cannot be loaded: No module named 'boto_nonexistent'"),
        ("Other = 7\n", "cannot be loaded: module 'acme_reconciler_settings' has no attribute 'Settings'"),
        ("Settings = dict\n", "is no subclass of"),
    ],
)
def test_a_broken_model_is_reported_where_the_type_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str, why: str
) -> None:
    install(monkeypatch, tmp_path, WORKING, settings=settings)
    (problem,) = refused(tmp_path, "acme", {})
    assert "acme_reconciler_settings:Settings of acme-reconciler 0.3" in problem.summary
    assert why in problem.summary
    assert problem.line.strip().startswith('"type"')


def test_a_missing_module_is_named_with_the_package_that_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, tmp_path, "def create_provider(config):\n    import boto_nonexistent\n")
    with pytest.raises(ProviderError) as caught:
        create_provider(ProviderConfig("main", "acme", {}, tmp_path))
    assert caught.value.message == (
        "provider 'main': the backend 'acme' of acme-reconciler 0.3 needs the module boto_nonexistent, "
        "which is not installed"
    )
    assert "acme-reconciler 0.3" in caught.value.remedy
    assert "pip install" not in caught.value.remedy


def test_what_cannot_be_loaded_is_blamed_on_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, tmp_path, "")
    with pytest.raises(ProviderError, match=r"'acme' of acme-reconciler 0\.3 cannot be loaded.*create_provider"):
        create_provider(ProviderConfig("main", "acme", {}, tmp_path))


def test_what_a_provider_lacks_is_named_when_it_is_created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = WORKING.replace("def scan(", "def scam(").replace("def read(", "def reed(")
    install(monkeypatch, tmp_path, lacking)
    with pytest.raises(ContractViolation) as caught:
        create_provider(ProviderConfig("default", "acme", {}, tmp_path))
    assert caught.value.message == (
        "provider 'default': the backend 'acme' of acme-reconciler 0.3 lacks scan, read. This is a bug of "
        "acme-reconciler 0.3."
    )


def test_the_members_are_those_of_the_protocol() -> None:
    assert set(MEMBERS) == {
        *("capabilities", "scan", "read", "source_identity", "source_facts", "source_digest"),
        *("begin", "claim", "poll", "tidy", "close"),
    }


def test_nobody_takes_the_place_of_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, tmp_path, WORKING)
    for point in tmp_path.glob("*.dist-info/entry_points.txt"):
        point.write_text(point.read_text().replace("acme =", "local ="))
    provider = create_provider(ProviderConfig("main", "local", {"root": "regions"}, tmp_path))
    assert type(provider).__name__ == "LocalProvider"


def test_a_type_that_nobody_offers(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="no backend of type 'libvrt' is installed") as caught:
        create_provider(ProviderConfig("main", "libvrt", {}, tmp_path))
    assert caught.value.remedy == "did you mean 'libvirt'? installed: azure, emulator, libvirt, local"


def test_a_base_for_providers_that_do_everything_at_once() -> None:
    base = BaseProvider()
    base.tidy([], writer_of("lineage"))
    assert base.claim(["eastus"], writer_of("lineage")) == {}
    base.close()
    with pytest.raises(ProviderError, match=r"BaseProvider leaves no operation in progress.*'a': 1.*This is a bug"):
        base.poll({"a": 1}, writer_of("lineage"), lambda *_: None)
