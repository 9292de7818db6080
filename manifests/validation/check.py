"""All rules between documents: those of each kind, and those about several kinds."""

from __future__ import annotations

from reconciler.manifests.kinds.configuration import Configuration
from reconciler.manifests.kinds.registry import ValidationRule, document_kinds
from reconciler.manifests.problems import Problem
from reconciler.manifests.validation import lifecycle, references, regions, security, sharing, sources

RULES: tuple[ValidationRule, ...] = (
    references.containers_exist,
    references.sources_exist,
    regions.no_region_twice,
    regions.home_is_a_target,
    regions.storage_is_chosen_once,
    regions.shallow_stays_home,
    sources.one_style,
    sources.disks_are_distinct,
    security.security_type_fits_generation,
    security.enforcing_types_stay_private,
    security.encryption_is_complete,
    security.encrypted_luns_exist,
    security.encryption_has_a_fitting_source,
    security.encrypted_versions_are_no_sources,
    sharing.groups_stay_home,
    sharing.community_is_one_region,
    sharing.shared_is_not_encrypted,
    sharing.community_has_no_plan,
    lifecycle.paths_are_attributes,
)
"""The rules about several kinds at once; those of a single kind are in its `KindSpec`."""


def check(configuration: Configuration) -> list[Problem]:
    """Every problem that any rule finds."""
    own_rules = [rule for spec in document_kinds().values() for rule in spec.rules]
    return [problem for rule in (*own_rules, *RULES) for problem in rule(configuration)]
