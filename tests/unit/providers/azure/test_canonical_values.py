"""The canonical values of the service are those of the manifests."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.manifests.kinds.base import Model, model_of
from reconciler.manifests.kinds.mutability import node_models
from reconciler.manifests.kinds.scalars import FEATURES as DECLARED_FEATURES
from reconciler.manifests.kinds.scalars import Choice
from reconciler.providers.azure.service.canonical_values import (
    ENUM_VALUES,
    FEATURES,
    enum_value,
    feature_name,
    moment,
    region,
)


def values_in(annotation: Any) -> Iterator[str]:
    """Every enum value of an annotation."""
    for argument in typing.get_args(annotation):
        if isinstance(argument, Choice):
            yield from argument.words
        yield from values_in(argument)


def values_of(model: type[Model]) -> Iterator[str]:
    for name, annotation in typing.get_type_hints(model, include_extras=True).items():
        if name in model.model_fields:
            yield from values_in(annotation)
            below = model_of(annotation)
            if below is not None:
                yield from values_of(below)


def test_every_value_of_the_manifests_is_known_and_no_other() -> None:
    declared = {one for model in node_models().values() for one in values_of(model)}
    declared |= {one for choice in DECLARED_FEATURES.values() for one in choice.words}
    assert set(ENUM_VALUES) == declared - {"delete", "retain"}  # of the lifecycle, which the service does not know
    assert set(FEATURES) == set(DECLARED_FEATURES)


@pytest.mark.parametrize("canonical", ENUM_VALUES)
def test_values_come_in_any_case(canonical: str) -> None:
    assert enum_value(canonical) == enum_value(canonical.upper()) == enum_value(canonical.lower()) == canonical


def test_other_spellings_of_the_service() -> None:
    assert enum_value("NVMe, SCSI") == enum_value("SCSI,NVMe") == "SCSI, NVMe"
    assert enum_value("SystemAssigned,UserAssigned") == "SystemAssigned, UserAssigned"
    assert enum_value("Something New") == "Something New"
    assert feature_name("DiskControllerType") == "DiskControllerTypes"
    assert feature_name("securitytype") == "SecurityType"
    assert feature_name("Other") == "Other"
    assert region("East US 2") == "eastus2"
    assert region("../x") == region(7) == region(None) == ""


@pytest.mark.parametrize(
    ("answered", "canonical"),
    [
        ("2030-01-31T00:00:00+00:00", "2030-01-31T00:00:00Z"),
        ("2030-01-31T12:59:59.0000000Z", "2030-01-31T12:59:59Z"),
        ("2030-01-31T01:00:00+02:00", "2030-01-30T23:00:00Z"),
        ("2030-01-31", "2030-01-31T00:00:00Z"),
        ("0001-01-01T00:00:00+10:00", "0001-01-01T00:00:00+10:00"),
        ("soon", "soon"),
        ("", ""),
    ],
)
def test_moments_are_in_utc_and_whole_seconds(answered: str, canonical: str) -> None:
    assert moment(answered) == canonical
