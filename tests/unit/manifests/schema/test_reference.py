"""What is generated from the models: the reference page and the schemas for editors."""

from __future__ import annotations

import json
import re

import pytest
from support.paths import ROOT
from support.provider_settings import install

from reconciler.manifests.backends import own_settings_models
from reconciler.manifests.kinds.registry import document_kinds
from reconciler.manifests.schema.json_schema import json_schema, project_schema
from reconciler.manifests.schema.reference import reference


def test_the_committed_reference_is_current():
    assert (ROOT / "docs" / "manifest.md").read_text() == reference(), (
        "run: python -m reconciler.manifests.schema.reference > docs/manifest.md"
    )


def test_every_property_is_described():
    rows = [line for line in reference().splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    assert [row for row in rows if row.endswith(("| None |", "|  |"))] == []


def test_the_schema_offers_every_kind():
    schema = json_schema()
    assert [entry["$ref"] for entry in schema["anyOf"]] == [f"#/$defs/{kind}" for kind in document_kinds()]
    for kind in document_kinds():
        assert schema["$defs"][kind]["properties"]["kind"]["const"] == kind
        assert schema["$defs"][kind]["additionalProperties"] is False


@pytest.mark.parametrize("schema", [json_schema(), project_schema()])
def test_references_in_schemas_lead_somewhere(schema):
    for name in re.findall(r'"#/\$defs/(\w+)"', json.dumps(schema)):
        assert name in schema["$defs"]


def test_texts_accept_what_yaml_makes_of_them():
    definitions = json_schema()["$defs"]
    assert definitions["Identifier"]["properties"]["sku"]["type"] == ["string", "number", "boolean"]
    tags = definitions["Gallery"]["properties"]["tags"]["anyOf"][0]
    assert tags["additionalProperties"]["type"] == ["string", "number", "boolean"]


def test_typed_scalars_accept_their_type_values_and_nothing():
    replicas = json_schema()["$defs"]["TargetRegion"]["properties"]["replicas"]
    assert {"type": "integer", "minimum": 1, "maximum": 100} in replicas["anyOf"]
    assert {"type": "null"} in replicas["anyOf"]
    assert any("values" in choice.get("pattern", "") for choice in replicas["anyOf"])


def test_words_are_offered_and_accepted_in_any_case():
    choices = json_schema()["$defs"]["ImageDefinition"]["properties"]["osType"]["anyOf"]
    assert choices[0] == {"enum": ["Linux", "Windows"]}
    assert re.search(choices[1]["pattern"], "LINUX")
    assert not re.search(choices[1]["pattern"], "LINUXX")


def test_target_regions_have_a_short_form():
    definitions = json_schema()["$defs"]
    regions = definitions["ImageVersion"]["properties"]["targetRegions"]["anyOf"][0]["items"]["anyOf"]
    assert [choice["$ref"] for choice in regions] == ["#/$defs/TargetRegion", "#/$defs/TargetRegionShorthand"]
    pattern = definitions["TargetRegionShorthand"]["pattern"]
    for text in ("East US", "eastus=2", "eastus=Premium_LRS", "eastus=2=Premium_LRS", "@europe"):
        assert re.search(pattern, text)
    assert not re.search(pattern, "eastus=a=2")


def test_the_schema_tells_of_changes_and_defaults():
    properties = json_schema()["$defs"]["ImageVersion"]["properties"]
    assert properties["replicaCount"]["default"] == 1
    assert properties["tags"]["description"].endswith("Change: in place.")
    assert properties["source"]["description"].endswith("Change: immutable.")


def providers_of(schema):
    """The schema of each type of provider."""
    choices = schema["$defs"]["ProviderEntry"]["oneOf"][:-1]
    definitions = [schema["$defs"][choice["$ref"].removeprefix("#/$defs/")] for choice in choices]
    return {definition["properties"]["type"]["const"]: definition for definition in definitions}


def test_the_project_file_has_the_settings_of_every_type():
    providers = providers_of(project_schema())
    assert {"azure", "emulator", "libvirt", "local"} <= providers.keys()
    assert all(providers[name]["additionalProperties"] is False for name in own_settings_models())
    assert "root" in providers["local"]["properties"]
    assert providers["azure"]["required"] == ["type", "subscription", "resourceGroup"]
    assert providers["emulator"]["required"] == ["type"]


def test_settings_of_other_packages_are_in_the_schema_and_not_in_the_reference(tmp_path, monkeypatch):
    model = """
from typing import Annotated
from pydantic import Field
from reconciler.manifests.kinds.base import Model

class Settings(Model):
    zone: Annotated[str, Field(description="Where it is.")]
"""
    install(monkeypatch, tmp_path, "", settings=model)
    acme = providers_of(project_schema())["acme"]
    assert acme["properties"]["zone"]["description"] == "Where it is."
    assert acme["additionalProperties"] is False
    assert (ROOT / "docs" / "manifest.md").read_text() == reference()


@pytest.mark.parametrize("settings", ["", "import boto_nonexistent"])
def test_a_provider_without_a_usable_model_may_have_any_settings(tmp_path, monkeypatch, settings):
    install(monkeypatch, tmp_path, "", settings=settings)
    acme = providers_of(project_schema())["acme"]
    assert acme["required"] == ["type"]
    assert "additionalProperties" not in acme
