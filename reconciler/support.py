"""Faults that only show when a plan meets a backend, its sources and today's date."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from manifests.address import Address, Kind
from manifests.diagnostics import Diagnostic, Position, error
from providers.protocol import Capabilities
from reconciler.actions import Action, ResourceChange
from reconciler.sources import SourceCheck, SourceStatus, disk_sources


def _fault(change: ResourceChange, summary: str, detail: str) -> Diagnostic:
    position = Position(change.origin.file, change.origin.line) if change.origin else None
    return error(summary, detail, address=change.address, position=position)


def unsupported(change: ResourceChange, capabilities: Capabilities) -> Iterator[Diagnostic]:
    """What the backend cannot do of what is planned."""
    planned = change.planned_attributes
    regions = capabilities.regions
    for region in filter(None, (planned.get("location"), change.address.region)):
        if regions is not None and region not in regions:
            nearest = difflib.get_close_matches(region, regions, n=1)
            hint = f"did you mean '{nearest[0]}'? " if nearest else ""
            offered = ", ".join(sorted(regions))
            yield _fault(
                change, f"provider '{change.provider}' has no region '{region}'", f"{hint}it offers: {offered}"
            )
    if change.kind is Kind.GALLERY:
        permissions = planned.get("sharing", {}).get("permissions", "Private")
        if permissions not in capabilities.sharing:
            yield _unsupported_value(change, "sharing.permissions", permissions, capabilities.sharing)
    if "encryption" in planned and not capabilities.encryption:
        yield _fault(
            change,
            f"provider '{change.provider}' does not encrypt copies",
            "leave out `encryption`, or keep the copies on disks that are encrypted as a whole",
        )
    if change.kind is Kind.IMAGE_VERSION:
        mode = planned.get("replicationMode", "Full")
        if mode not in capabilities.replication_modes:
            yield _unsupported_value(change, "replicationMode", mode, capabilities.replication_modes)
        for disk, source in disk_sources(planned):
            style = next(iter(source))
            if style not in capabilities.sources:
                yield _unsupported_value(change, f"a source '{style}' (disk {disk})", "", capabilities.sources)


def _unsupported_value(change: ResourceChange, what: str, value: str, supported: frozenset[str]) -> Diagnostic:
    named = f"{what} {value}".strip()
    return _fault(
        change, f"provider '{change.provider}' does not support {named}", f"it supports: {', '.join(sorted(supported))}"
    )


def unusable_sources(change: ResourceChange, checks: Mapping[str, SourceCheck]) -> Iterator[Diagnostic]:
    """Sources that are needed and missing, or not disk images."""
    for disk, check in sorted(checks.items()):
        if check.status is SourceStatus.UNUSABLE:
            yield _fault(change, f"the source of disk {disk} cannot be used: {check.problem}", check.remedy)


def past_end_of_life(change: ResourceChange, now: datetime) -> Iterator[Diagnostic]:
    """An end-of-life date must lie in the future when it is set; one that passed since is fine."""
    end = change.planned_attributes.get("endOfLifeDate")
    if end is None or datetime.fromisoformat(end) > now:
        return
    newly_set = change.action in (Action.CREATE, Action.REPLACE) or any(
        c.path == "endOfLifeDate" for c in change.changes
    )
    if newly_set:
        yield _fault(change, f"endOfLifeDate {end} has passed already", "set a date in the future, or leave it out")


def names_nothing(option: str, pattern: str, known: Iterable[Address]) -> Diagnostic:
    """An option that no declared or recorded address answers to."""
    nearest = difflib.get_close_matches(pattern, [str(address) for address in known], n=1)
    hint = f"did you mean '{nearest[0]}'?" if nearest else "see: reconciler state list, and the manifests"
    return error(f"{option} {pattern}: nothing of that address is declared or recorded", hint)
