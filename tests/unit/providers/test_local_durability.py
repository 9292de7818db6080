"""Content that cannot be made durable is not published."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from reconciler.manifests.address import Address
from reconciler.providers.errors import Unavailable
from reconciler.providers.local.provider import create_provider
from reconciler.providers.protocol import Done, Operation, Step, Verb
from reconciler.providers.registry import ProviderConfig
from reconciler.testing.operations import writer_of


def test_a_region_that_could_not_be_made_durable_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    (tmp_path / "image.raw").write_bytes(b"x".ljust(512, b"\0"))
    provider = create_provider(ProviderConfig("default", "local", {"root": "regions"}, tmp_path))
    region = Address("corp", "ubuntu", "1.0.3", "eastus")
    version = {"location": "eastus", "source": {"file": "image.raw"}, "replicationMode": "Full"}
    step = Step(Verb.CREATE, region, {"replicas": 1, "excludeFromLatest": False})
    answer = provider.begin(Operation(region.unit, writer_of("lineage-1"), (step,), version), lambda *_: None)
    assert isinstance(answer, Done)
    error = answer.results[region]
    assert isinstance(error, Unavailable)
    assert error.remedy
    assert not any(path.is_file() for path in (tmp_path / "regions").rglob("*"))
