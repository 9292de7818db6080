"""The service's words are the manifests' words."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.manifests.kinds.base import Model, model_of
from reconciler.manifests.kinds.mutability import node_models
from reconciler.manifests.kinds.scalars import FEATURES as DECLARED_FEATURES
from reconciler.manifests.kinds.scalars import Choice
from reconciler.providers.azure.service.spelling import FEATURES, WORDS, feature_name, moment, region, word


def words_in(annotation: Any) -> Iterator[str]:
    """Every word that values of an annotation can be."""
    for argument in typing.get_args(annotation):
        if isinstance(argument, Choice):
            yield from argument.words
        yield from words_in(argument)


def words_of(model: type[Model]) -> Iterator[str]:
    for name, annotation in typing.get_type_hints(model, include_extras=True).items():
        if name in model.model_fields:
            yield from words_in(annotation)
            below = model_of(annotation)
            if below is not None:
                yield from words_of(below)


def test_every_word_of_the_manifests_is_known_and_no_other() -> None:
    declared = {one for model in node_models().values() for one in words_of(model)}
    declared |= {one for choice in DECLARED_FEATURES.values() for one in choice.words}
    assert set(WORDS) == declared - {"delete", "retain"}  # of the lifecycle, which the service does not know
    assert set(FEATURES) == set(DECLARED_FEATURES)


@pytest.mark.parametrize("canonical", WORDS)
def test_words_come_in_any_case(canonical: str) -> None:
    assert word(canonical) == word(canonical.upper()) == word(canonical.lower()) == canonical


def test_other_spellings_of_the_service() -> None:
    assert word("NVMe, SCSI") == word("SCSI,NVMe") == "SCSI, NVMe"
    assert word("SystemAssigned,UserAssigned") == "SystemAssigned, UserAssigned"
    assert word("Something New") == "Something New"
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
