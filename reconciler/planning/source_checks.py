"""Checks the sources of versions: by identity, and by content where the identity is not the recorded one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.manifest import Manifest
from reconciler.manifests.resource import Resource
from reconciler.planning.sources import OS_DISK, SourceCheck, SourceChecks, SourceStatus, disk_sources
from reconciler.providers.errors import ProviderError, Unavailable
from reconciler.providers.protocol import Reader
from reconciler.state.records import Record


def check_sources(
    manifest: Manifest,
    records: Mapping[Address, Record],
    readers: Mapping[str, Reader],
    progress: Callable[[Address, int, int], None] | None = None,
) -> SourceChecks:
    """Checks the source of every declared version that is not itself a version: new sources in full, recorded ones by
    identity, and by content where that differs."""
    checks: dict[Address, Mapping[str, SourceCheck]] = {}
    for address, resource in manifest.resources.items():
        if not address.version or address.region or resource.provider not in readers:
            continue
        definition = manifest.resources.get(address._replace(version=""))
        version_checks = dict(
            _check_version(resource, definition, records.get(address), readers[resource.provider], progress)
        )
        if version_checks:
            checks[address] = version_checks
    return checks


def _check_version(
    resource: Resource,
    definition: Resource | None,
    record: Record | None,
    reader: Reader,
    progress: Callable[[Address, int, int], None] | None,
) -> Iterator[tuple[str, SourceCheck]]:
    known = record.computed_values.get("disks", {}) if record else {}
    for disk, source in disk_sources(resource.attributes):
        if "version" in source:
            continue
        if record is None or disk not in known:
            yield disk, _look(reader, source, definition if disk == OS_DISK else None)
        else:
            check = _compare(reader, source, known[disk], resource.address, progress)
            if check.status is not SourceStatus.SAME:
                yield disk, check


def _look(reader: Reader, source: Mapping[str, Any], definition: Resource | None) -> SourceCheck:
    """`definition` is the one of the version, for its OS disk only."""
    try:
        facts = reader.source_facts(source, definition.attributes if definition else None)
        return SourceCheck(SourceStatus.NEW, facts)
    except ProviderError as error:
        return SourceCheck(SourceStatus.UNUSABLE, problem=error.message, remedy=error.remedy)


def _compare(
    reader: Reader,
    source: Mapping[str, Any],
    known: Mapping[str, Any],
    address: Address,
    progress: Callable[[Address, int, int], None] | None,
) -> SourceCheck:
    """A source that is gone or unreachable is no change: what was published from it stays published."""
    identity = identity_of(reader, source)
    if not identity:
        return _gone(source)
    if identity == known.get("source"):
        return SourceCheck(SourceStatus.SAME)
    report = (lambda done, total: progress(address, done, total)) if progress else None
    try:
        digest = reader.source_digest(source, report)
    except Unavailable:
        return _gone(source)
    except ProviderError as error:
        facts = _look(reader, source, None).facts
        return SourceCheck(SourceStatus.CHANGED, facts, problem=error.message, remedy=error.remedy)
    if digest == known.get("sourceSha256", known.get("sha256")):
        return SourceCheck(SourceStatus.SAME)
    return SourceCheck(SourceStatus.CHANGED, sha256=digest)


def _gone(source: Mapping[str, Any]) -> SourceCheck:
    style, place = next(iter(source.items()))
    shown = f"{style} '{place}'" if isinstance(place, str) else style
    problem, remedy = f"{shown} is missing or cannot be read", "restore it, or leave the version as it is"
    return SourceCheck(SourceStatus.GONE, problem=problem, remedy=remedy)


def identity_of(reader: Reader, source: Mapping[str, Any]) -> str:
    """What identifies the content of a source; empty when it is missing or unreachable."""
    try:
        return reader.source_identity(source)
    except Unavailable:
        return ""
