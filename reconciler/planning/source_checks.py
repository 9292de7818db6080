"""Checks the sources of versions: by identity, and by content where that is not known to be the recorded one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.manifest import Manifest
from reconciler.manifests.resource import Resource
from reconciler.manifests.values import source_style
from reconciler.planning.source_digests import SourceDigests
from reconciler.planning.sources import OS_DISK, SourceCheck, SourceChecks, SourceStatus, disk_sources, recorded_digest
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.errors import ProviderError, Unavailable, Unsupported
from reconciler.providers.protocol import Reader, SourceFacts
from reconciler.state.records import Record

Progress = Callable[[Address, int, int], None]


def check_sources(
    manifest: Manifest,
    records: Mapping[Address, Record],
    readers: Mapping[str, Reader],
    progress: Progress | None = None,
    digests: SourceDigests | None = None,
) -> SourceChecks:
    """Checks the source of every declared version that is not itself a version: new sources in full, recorded ones by
    identity, and by content where that differs.

    `digests` reads the content of new sources; without it they have no digest except for one that the manifest pins.
    """
    checks: dict[Address, Mapping[str, SourceCheck]] = {}
    for address, resource in manifest.resources.items():
        if not address.version or address.region or resource.provider not in readers:
            continue
        definition = manifest.resources.get(address._replace(version=""))
        checking = _Checking(resource, readers[resource.provider], progress, digests)
        if version_checks := dict(_check_version(checking, definition, records.get(address))):
            checks[address] = version_checks
    if digests is not None:
        digests.save()
    return checks


@dataclass(frozen=True, slots=True)
class _Checking:
    """How the sources of one version are read."""

    resource: Resource
    reader: Reader
    progress: Progress | None
    digests: SourceDigests | None

    def digest(self, source: Mapping[str, Any], size: int, *, plain: bool) -> ContentDigest:
        """The digest of a source, if `plain` with the sha256 of all its bytes. Raises: as `Reader.source_digest`."""
        address, progress = self.resource.address, self.progress
        report = (lambda done, total: progress(address, done, total)) if progress else None
        if self.digests is None:
            return self.reader.source_digest(source, report, plain=plain)
        return self.digests.of(self.resource.provider, self.reader, source, size, report, plain=plain)


def _check_version(
    checking: _Checking, definition: Resource | None, record: Record | None
) -> Iterator[tuple[str, SourceCheck]]:
    known = record.computed_values.get("disks", {}) if record else {}
    for disk, source in disk_sources(checking.resource.attributes):
        if "version" in source:
            continue
        if record is None or disk not in known:
            yield disk, _look(checking, source, definition if disk == OS_DISK else None)
        else:
            check = _compare(checking, source, known[disk])
            if check.status is not SourceStatus.SAME:
                yield disk, check


def _look(checking: _Checking, source: Mapping[str, Any], definition: Resource | None) -> SourceCheck:
    """`definition` is the one of the version, for its OS disk only."""
    try:
        facts = checking.reader.source_facts(source, definition.attributes if definition else None)
        return _new(checking, source, facts)
    except ProviderError as error:
        return SourceCheck(SourceStatus.UNUSABLE, problem=error.message, remedy=error.remedy)


def _new(checking: _Checking, source: Mapping[str, Any], facts: SourceFacts) -> SourceCheck:
    """The check of a source that can be used, with its digest or its identity. Raises: ProviderError."""
    pin, found = _pin(source), SourceCheck(SourceStatus.NEW, facts)
    if checking.digests is None:
        return replace(found, digest=pin)
    try:
        found = replace(found, digest=checking.digest(source, facts.size, plain=pin.is_plain))
    except Unsupported:
        return replace(found, identity=facts.revision or facts.identity)
    if pin.known and not found.digest.agrees(pin):
        return SourceCheck(SourceStatus.UNUSABLE, problem=_not_pinned(found.digest, pin), remedy=_PIN_REMEDY)
    return found


def _compare(checking: _Checking, source: Mapping[str, Any], known: Mapping[str, Any]) -> SourceCheck:
    """A source that is gone or unreachable is no change: what was published from it stays published."""
    recorded, pin = recorded_digest(known), _pin(source)
    identity = identity_of(checking.reader, source)
    as_pinned = recorded.agrees(pin)
    if recorded.comparable(pin) and not as_pinned:
        return _other_pin(checking, source, known)
    if not identity:
        return _gone(source)
    if as_pinned or (identity == known.get("source") and not (pin.known and recorded.known)):
        return SourceCheck(SourceStatus.SAME)
    try:
        plain = pin.is_plain or recorded.is_plain
        digest = checking.digest(source, int(known.get("size", 0)), plain=plain)
    except Unavailable:
        return _gone(source)
    except ProviderError as error:
        seen = _look(checking, source, None)
        return replace(seen, status=SourceStatus.CHANGED, problem=error.message, remedy=error.remedy)
    if pin.known and not digest.agrees(pin):
        return SourceCheck(SourceStatus.CHANGED, problem=_not_pinned(digest, pin), remedy=_PIN_REMEDY)
    if digest.agrees(recorded):
        return SourceCheck(SourceStatus.SAME)
    return SourceCheck(SourceStatus.CHANGED, digest=digest, seen=_seen(checking, source))


def _seen(checking: _Checking, source: Mapping[str, Any]) -> SourceFacts | None:
    """What a source whose content has changed is now; None if that cannot be found out."""
    try:
        return checking.reader.source_facts(source)
    except ProviderError:
        return None


def _gone(source: Mapping[str, Any]) -> SourceCheck:
    style, place = source_style(source)
    shown = f"{style} '{place}'" if isinstance(place, str) else style
    problem, remedy = f"{shown} is missing or cannot be read", "restore it, or leave the version as it is"
    return SourceCheck(SourceStatus.GONE, problem=problem, remedy=remedy)


def _other_pin(checking: _Checking, source: Mapping[str, Any], known: Mapping[str, Any]) -> SourceCheck:
    """The check of a source whose manifest asks for another content than was published."""
    pin = _pin(source)
    try:
        digest = checking.digest(
            source, int(known.get("size", 0)), plain=pin.is_plain or recorded_digest(known).is_plain
        )
    except ProviderError as error:
        return SourceCheck(SourceStatus.CHANGED, problem=error.message, remedy=error.remedy)
    if not digest.agrees(pin):
        return SourceCheck(SourceStatus.CHANGED, problem=_not_pinned(digest, pin), remedy=_PIN_REMEDY)
    return SourceCheck(SourceStatus.CHANGED, digest=digest, seen=_seen(checking, source))


_PIN_REMEDY = "correct `sha256` in the manifest, or put the image there that it belongs to"


def _not_pinned(digest: ContentDigest, pin: ContentDigest) -> str:
    kind = "sha256" if pin.is_plain else "digest"
    return f"its {kind} is {digest.like(pin)}, and the manifest says {pin.text}"


def _pin(source: Mapping[str, Any]) -> ContentDigest:
    """The digest that the manifest demands; an unknown one where it demands none."""
    return ContentDigest.parse(str(source.get("sha256") or ""))


def identity_of(reader: Reader, source: Mapping[str, Any]) -> str:
    """What identifies the content of a source; empty when it is missing or unreachable."""
    try:
        return reader.source_identity(source)
    except Unavailable:
        return ""
