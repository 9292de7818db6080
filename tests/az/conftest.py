"""The `az` command, and a resource group for each test."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from support.azure.az_command import Az, logged_in_az


@pytest.fixture(scope="session")
def az(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Az]:
    with logged_in_az(tmp_path_factory.mktemp("az")) as az:
        yield az


@pytest.fixture
def group(az: Az) -> str:
    name = f"group-{uuid.uuid4().hex[:8]}"
    az("group", "create", "-n", name, "-l", "eastus")
    return name


@pytest.fixture
def gallery() -> str:
    """A name for a gallery; they are unique in a subscription."""
    return f"corp.{uuid.uuid4().hex[:8]}"
