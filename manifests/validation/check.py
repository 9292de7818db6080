"""All rules, in the order in which a person would mend things."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from reconciler.manifests.problems import Problem
from reconciler.manifests.validation import lifecycle, naming, references, regions, renames, security, sharing, sources
from reconciler.manifests.validation.desired import Desired

Rule = Callable[[Desired], Iterator[Problem]]

RULES: tuple[Rule, ...] = (
    naming.providers_exist,
    naming.triplets_are_unique,
    references.parents_exist,
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
    renames.moves_make_sense,
    renames.removals_make_sense,
)


def check(desired: Desired) -> list[Problem]:
    """Every problem that any rule finds."""
    return [problem for rule in RULES for problem in rule(desired)]
