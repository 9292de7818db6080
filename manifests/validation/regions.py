"""Target regions, their storage, and shallow replication."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.manifests.kinds.configuration import Configuration
from reconciler.manifests.kinds.inheritance import ResolvedVersion
from reconciler.manifests.kinds.registry import ValidationRule
from reconciler.manifests.problems import Problem
from reconciler.manifests.words import listed


def no_region_twice(configuration: Configuration) -> Iterator[Problem]:
    """No two entries mean the same region, however it is spelled."""
    for version in configuration.versions.values():
        seen = set()
        for region in version.regions:
            if region.name in seen:
                yield Problem(
                    region.origin,
                    region.path,
                    f"the region {region.name} is listed twice",
                    "keep one entry: spaces and case are ignored in region names; a region set may contain it already",
                    version.address,
                )
            seen.add(region.name)


def home_is_a_target(configuration: Configuration) -> Iterator[Problem]:
    """The location of a version is among its target regions."""
    for version in configuration.versions.values():
        names = [region.name for region in version.regions]
        if version.location not in names:
            yield Problem(
                *version.place("target_regions"),
                f"the home region {version.location} is not among the target regions",
                f"add {version.location}, or set location to one of: {listed(names) or 'none yet'}",
                version.address,
            )


def storage_is_chosen_once(configuration: Configuration) -> Iterator[Problem]:
    """storageAccountType and storageAccountStrategy are mutually exclusive."""
    for version in configuration.versions.values():
        settings = version.settings
        if "storage_account_type" in settings and "storage_account_strategy" in settings:
            yield Problem(
                *version.place("storage_account_strategy"),
                "storageAccountType and storageAccountStrategy are mutually exclusive",
                "set the type, or let the strategy choose it",
                version.address,
            )


def shallow_stays_home(configuration: Configuration) -> Iterator[Problem]:
    """A shallow version has no copies: one region, one replica, no encryption keys."""
    for version in configuration.versions.values():
        if version.settings["replication_mode"] != "Shallow":
            continue
        for summary, name in _against_shallow(version):
            yield Problem(
                *version.place(name),
                f"replicationMode Shallow {summary}",
                "it only refers to its source: use one replica in the home region without keys, or use Full",
                version.address,
            )


def _against_shallow(version: ResolvedVersion) -> Iterator[tuple[str, str]]:
    if len(version.regions) > 1:
        yield "allows one target region, the home region", "target_regions"
    if any(region.replicas > 1 for region in version.regions):
        yield "allows one replica", "target_regions"
    if any(region.encryption for region in version.regions):
        yield "allows no encryption keys", "target_regions"
    if any(region.entry.additional_replica_sets for region in version.regions):
        yield "allows no additional replica sets", "target_regions"


RULES: tuple[ValidationRule, ...] = (no_region_twice, home_is_a_target, storage_is_chosen_once, shallow_stays_home)
