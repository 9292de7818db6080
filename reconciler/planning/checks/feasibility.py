"""Problems that depend on the backend, the sources or today's date."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from reconciler.manifests.address import Address, Kind
from reconciler.manifests.diagnostics import Diagnostic, Severity, error
from reconciler.manifests.resource import Resource
from reconciler.manifests.values import canonical_json, source_style
from reconciler.manifests.words import nearest, suggestion
from reconciler.planning.actions import Action, ResourceChange
from reconciler.planning.checks.problem_places import place_of_disk as _place
from reconciler.planning.checks.problem_places import problem_at as _problem
from reconciler.planning.sources import OS_DISK, SourceCheck, SourceStatus, disk_sources
from reconciler.providers.protocol import Capabilities


def unsupported(change: ResourceChange, capabilities: Capabilities) -> Iterator[Diagnostic]:
    """Planned attributes that the backend does not support."""
    planned = change.planned_attributes
    regions = capabilities.regions
    named = {"location": planned.get("location"), "targetRegions": change.address.region}
    for name, region in named.items():
        if region and regions is not None and region not in regions:
            summary = f"provider '{change.provider}' has no region '{region}'"
            yield _problem(change, (name,), summary, suggestion(region, sorted(regions), label="its regions"))
    if change.kind is Kind.GALLERY:
        permissions = planned.get("sharing", {}).get("permissions", "Private")
        if permissions not in capabilities.sharing:
            what = f"sharing.permissions {permissions}"
            yield _unsupported_value(change, ("sharing", "permissions"), what, capabilities.sharing)
    if "encryption" in planned and not capabilities.encryption:
        yield _problem(
            change,
            ("targetRegions",),
            f"provider '{change.provider}' does not encrypt copies",
            "leave out `encryption`, or store the copies on encrypted disks",
        )
    if change.kind is Kind.IMAGE_VERSION:
        mode = planned.get("replicationMode", "Full")
        if mode not in capabilities.replication_modes:
            what = f"replicationMode {mode}"
            yield _unsupported_value(change, ("replicationMode",), what, capabilities.replication_modes)
        for disk, source in disk_sources(planned):
            style, _ = source_style(source)
            if style not in capabilities.sources:
                what = f"a source '{style}' (disk {disk})"
                yield _unsupported_value(change, _place(disk), what, capabilities.sources)


def _unsupported_value(
    change: ResourceChange, path: tuple[str, ...], what: str, supported: frozenset[str]
) -> Diagnostic:
    summary = f"provider '{change.provider}' does not support {what}"
    return _problem(change, path, summary, f"it supports: {', '.join(sorted(supported))}")


def unusable_sources(change: ResourceChange, checks: Mapping[str, SourceCheck]) -> Iterator[Diagnostic]:
    """Sources that are needed, but missing or not disk images. To replace a version is to make it from its sources."""
    replaced = change.action is Action.REPLACE
    for disk, check in sorted(checks.items()):
        if check.status is SourceStatus.UNUSABLE or (replaced and check.problem and not check.facts):
            summary = f"the source of disk {disk} cannot be used: {check.problem}"
            yield _problem(change, _place(disk), summary, check.remedy)


def unlike_sources(
    change: ResourceChange, capabilities: Capabilities, resources: Mapping[Address, Resource]
) -> Iterator[Diagnostic]:
    """Versions that cannot be the source of an OS disk, because the backend requires both definitions to agree."""
    if change.kind is not Kind.IMAGE_VERSION or change.action not in (Action.CREATE, Action.REPLACE):
        return
    named = str(change.planned_attributes["source"].get("version", ""))
    own = resources.get(change.address._replace(version=""))
    other = resources.get(Address.parse(named)._replace(version="")) if named else None
    if own is None or other is None:
        return
    ours, theirs = own.attributes, other.attributes
    for name in sorted(capabilities.alike):
        if canonical_json(ours.get(name)).lower() != canonical_json(theirs.get(name)).lower():
            yield _problem(
                change,
                _place(OS_DISK),
                f"{named} cannot be the source: {other.address} and {own.address} differ in {name}",
                "name a version of a matching definition, or declare another definition for this version",
            )


_GENERATIONS = {"efi": ("UEFI", "V2"), "bios": ("BIOS", "V1")}


def unlike_firmware(
    change: ResourceChange, checks: Mapping[str, SourceCheck], resources: Mapping[Address, Resource]
) -> Iterator[Diagnostic]:
    """OS disks of machines that boot with other firmware than machines of the definition would."""
    check, definition = checks.get(OS_DISK), resources.get(change.address._replace(version="", region=""))
    if change.kind is not Kind.IMAGE_VERSION or check is None or check.facts is None or definition is None:
        return
    firmware, fitting = _GENERATIONS.get(check.facts.firmware, ("", ""))
    generation = definition.attributes.get("hyperVGeneration")
    if firmware and generation and generation != fitting:
        yield _problem(
            change,
            _place(OS_DISK),
            f"the machine in the source boots with {firmware}, but machines of this image would not: hyperVGeneration "
            f"of {definition.address} is {generation}",
            f"declare hyperVGeneration: {fitting} for a definition of its own",
        )


def source_warnings(change: ResourceChange, checks: Mapping[str, SourceCheck]) -> Iterator[Diagnostic]:
    """What the sources of a version say and the image will not have."""
    for disk, check in sorted(checks.items()):
        for warning in check.facts.warnings if check.facts else ():
            summary = f"the source of disk {disk}: {warning}"
            yield replace(_problem(change, _place(disk), summary, ""), severity=Severity.WARNING)


def unpinned(change: ResourceChange) -> Iterator[Diagnostic]:
    """Sources `DEFINITION/latest` of definitions without a version that can be latest."""
    if change.kind is not Kind.IMAGE_VERSION:
        return
    for disk, source in disk_sources(change.planned_attributes):
        if str(source.get("version", "")).endswith("/latest"):
            yield _problem(
                change,
                _place(disk),
                f"{str(source['version']).rpartition('/')[0]} has no latest version to be the source of disk {disk}",
                "declare a version that is not excluded from latest, or name a version by its number",
            )


def past_end_of_life(change: ResourceChange, now: datetime) -> Iterator[Diagnostic]:
    """End-of-life dates that are set when they have already passed; a date that passes later is fine."""
    end = change.planned_attributes.get("endOfLifeDate")
    if end is None or datetime.fromisoformat(end) > now:
        return
    newly_set = change.action in (Action.CREATE, Action.REPLACE) or any(
        c.path == "endOfLifeDate" for c in change.changes
    )
    if newly_set:
        summary = f"endOfLifeDate {end} has already passed"
        yield _problem(change, ("endOfLifeDate",), summary, "set a date in the future, or leave it out")


def names_nothing(option: str, pattern: str, known: Iterable[Address]) -> Diagnostic:
    """An option whose pattern matches no declared or recorded address."""
    meant = nearest(pattern, map(str, sorted(known)))
    hint = f"did you mean '{meant}'?" if meant else "see: reconciler state list, and the manifests"
    return error(f"{option} {pattern}: no such address is declared or recorded", hint)
