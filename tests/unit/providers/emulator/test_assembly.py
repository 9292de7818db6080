"""The service is collected from its modules: a type of resource is one file, and no route has two owners."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.azure.emulated_http import SUB, EmulatorClient, emulator_client

from reconciler.providers.emulator import compute
from reconciler.providers.emulator.assembly import all_handlers, joined
from reconciler.providers.emulator.core.arm import ArmAnswer, ArmRequest
from reconciler.providers.emulator.core.resources import finish_container
from reconciler.providers.emulator.core.service import Handlers, Route, Service

AVAILABILITY_SETS = """
import re

from reconciler.providers.emulator.core.resources import ResourceType
from reconciler.providers.emulator.core.simple_resources import SimpleResourceType


def _make(service, request, resource, fields):
    domains = fields.object("properties").whole("platformFaultDomainCount", 1, 3)
    resource.properties["platformFaultDomainCount"] = domains


def _change(service, resource, fields, replaced):
    pass


AVAILABILITY_SETS = SimpleResourceType(
    ResourceType("microsoft.compute/availabilitysets", "availabilitySet", re.compile(r"[a-z]+"), "lower-case letters."),
    "availabilitySets",
    {"type": "object"},
    _make,
    _change,
    seconds=1.0,
)
HANDLERS = AVAILABILITY_SETS.handlers()
"""
SETS = f"{SUB}/resourceGroups/rg/providers/Microsoft.Compute/availabilitySets"


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmulatorClient]:
    """An emulator whose wing `compute` has one more file."""
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "availability_sets.py").write_text(AVAILABILITY_SETS)
    monkeypatch.setattr(compute, "__path__", [*compute.__path__, str(tmp_path / "more")])
    try:
        with emulator_client(tmp_path) as added:
            yield added
    finally:
        sys.modules.pop(f"{compute.__name__}.availability_sets", None)


def test_a_type_of_resource_is_one_file(client: EmulatorClient) -> None:
    client.group()
    body = {"location": "eastus", "properties": {"platformFaultDomainCount": 2}}
    made = client.ask("PUT", f"{SETS}/web", body)
    assert (made.status, made.body["properties"]["provisioningState"]) == (201, "Creating")
    shown = client.ask("GET", f"{SETS}/web").body
    assert shown["properties"] == {"platformFaultDomainCount": 2, "provisioningState": "Succeeded"}
    assert [entry["name"] for entry in client.ask("GET", SETS).body["value"]] == ["web"]
    assert client.ask("PUT", f"{SETS}/Web", body).code == "InvalidResourceName"
    assert client.ask("DELETE", f"{SETS}/web").status == 202
    assert client.ask("GET", f"{SETS}/web").code == "ResourceNotFound"


def test_it_is_among_the_types_and_in_the_description(client: EmulatorClient) -> None:
    provider = client.ask("GET", f"{SUB}/providers/Microsoft.Compute").body
    assert "availabilitySets" in [entry["resourceType"] for entry in provider["resourceTypes"]]
    described = client.ask("GET", "/emulator/openapi.json").body
    assert {"get", "put", "patch", "delete"} == described["paths"][f"{_template(SETS)}/{{name}}"].keys()


def _template(path: str) -> str:
    return path.replace(SUB, "/subscriptions/{sub}").replace("/rg/", "/{rg}/")


def test_the_usual_types_are_collected_in_the_order_of_their_modules() -> None:
    types = list(all_handlers().finishers)
    assert types == [
        "microsoft.compute/disks",
        "microsoft.compute/snapshots",
        "microsoft.compute/images",
        "microsoft.compute/virtualmachines",
        "microsoft.compute/galleries/images",
        "microsoft.compute/galleries",
        "microsoft.compute/galleries/images/versions",
        "microsoft.compute/galleries/softdeletedartifacttypes/artifacts/versions",
        "microsoft.resources/resourcegroups",
    ]


def answer(_service: Service, _request: ArmRequest) -> ArmAnswer:
    return ArmAnswer(200)


def serving(path: str, method: str = "GET") -> Handlers:
    return Handlers((Route(method, path, answer, f"read {path}"),))


@pytest.mark.parametrize(
    "other",
    ["/disks/{name}", "/Disks/{disk}", "/disks/special", "/{kind}/{name}"],
    ids=["same", "other names and case", "one of its values", "more general"],
)
def test_two_modules_cannot_serve_one_request(other: str) -> None:
    with pytest.raises(ValueError, match=r"disks and special both serve GET /disks/\{name\}"):
        joined({"disks": serving("/disks/{name}"), "special": serving(other)})


@pytest.mark.parametrize("other", ["/disks", "/disks/{name}/start", "/images/{name}"])
def test_paths_that_no_request_has_in_common_do_not_conflict(other: str) -> None:
    assert len(joined({"disks": serving("/disks/{name}"), "others": serving(other)}).routes) == 2


def test_one_path_may_have_a_module_for_each_method() -> None:
    assert len(joined({"reads": serving("/disks/{name}"), "writes": serving("/disks/{name}", "PUT")}).routes) == 2


def test_two_modules_cannot_end_the_operations_on_one_type() -> None:
    ends = Handlers(finishers={"microsoft.compute/disks": finish_container})
    with pytest.raises(ValueError, match="disks and others both end the operations"):
        joined({"disks": ends, "others": ends})
