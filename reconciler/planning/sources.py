"""Where the disks of versions come from, and what a plan records about it. Pure: `source_checks` does the reading."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from reconciler.manifests.address import Address, Kind, version_number
from reconciler.manifests.values import Attributes
from reconciler.planning.actions import AttributeChange
from reconciler.providers.bound_sources import BoundSource
from reconciler.providers.content_digest import NO_DIGEST, SOURCE, ContentDigest
from reconciler.providers.protocol import Observed, SourceFacts
from reconciler.state.records import Record

OS_DISK = "os"


class SourceStatus(StrEnum):
    NEW = "new"  # nothing recorded to compare with
    SAME = "same"  # the content is the recorded one, or can no longer be read and is not needed
    CHANGED = "changed"  # the content is not the recorded one
    UNUSABLE = "unusable"  # needed, and missing or not a disk image
    GONE = "gone"  # published once, and can no longer be read: needed only to make the version again


@dataclass(frozen=True, slots=True)
class SourceCheck:
    """The check of one disk's source: with `facts` when NEW, and a `problem` when UNUSABLE, GONE, or CHANGED to what
    cannot be read, then with `facts` if it can be used. `digest` is that of its content; where that cannot be
    read, `identity` is what it is recognised by. Both are empty where nobody asked for them. `seen` is what a source
    is now that has CHANGED and can be read."""

    status: SourceStatus
    facts: SourceFacts | None = None
    digest: ContentDigest = NO_DIGEST
    identity: str = ""
    problem: str = ""
    remedy: str = ""
    seen: SourceFacts | None = None


SourceChecks = Mapping[Address, Mapping[str, SourceCheck]]
"""Version address -> disk (`os`, `data-LUN`) -> its check. Those that are SAME are left out."""


def disk_sources(attributes: Attributes) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(disk, source) of a version's attributes: the OS disk first, then data disks by LUN."""
    yield OS_DISK, attributes["source"]
    for lun, disk in sorted(attributes.get("dataDisks", {}).items(), key=lambda pair: int(pair[0])):
        if "source" in disk:
            yield f"data-{lun}", disk["source"]


def is_file(source: Mapping[str, Any]) -> bool:
    """Whether a source is a file, here or at an address: then its content counts, and not where it is."""
    return "file" in source or "url" in source


def planned_sources(
    attributes: Attributes,
    record: Record | None,
    checks: Mapping[str, SourceCheck],
    pin: Callable[[Address], Address | None],
) -> Attributes:
    """The attributes with every source as it will be recorded: the recorded spelling where the content is the same, and
    `DEFINITION/latest` pinned to a version by `pin`."""
    recorded = dict(disk_sources(record.attributes)) if record else {}
    known = record.computed_values.get("disks", {}) if record else {}

    def planned(disk: str, source: Mapping[str, Any]) -> Mapping[str, Any]:
        if "version" in source:
            return _pinned(source, recorded.get(disk), pin)
        check = checks.get(disk)
        changed = check is not None and check.status is SourceStatus.CHANGED
        if not changed and disk in known and is_file(recorded.get(disk, {})) and is_file(source):
            return recorded[disk]
        return source

    result = {**attributes, "source": planned(OS_DISK, attributes["source"])}
    if "dataDisks" in attributes:
        result["dataDisks"] = {
            lun: {**disk, "source": planned(f"data-{lun}", disk["source"])} if "source" in disk else disk
            for lun, disk in attributes["dataDisks"].items()
        }
    return result


def changed_sources(checks: Mapping[str, SourceCheck] | None) -> bool:
    """Whether any source has to be looked at: one that is only gone is not needed by a version that exists."""
    return any(check.status is not SourceStatus.GONE for check in (checks or {}).values())


def content_changes(
    record: Record | None, checks: Mapping[str, SourceCheck], observed: Observed | None = None
) -> tuple[AttributeChange, ...]:
    """The disks whose source no longer has the content that was published; none for a new version. An object that was
    replaced, which a run could not record any more, may have the content of the source already."""
    if record is None:
        return ()
    known = record.computed_values.get("disks", {})
    present = json.loads(observed.computed).get("disks", {}) if observed else {}
    return tuple(
        _content_change(disk, recorded_digest(known.get(disk, {})), check)
        for disk, check in sorted(checks.items())
        if check.status is SourceStatus.CHANGED and not check.digest.agrees(recorded_digest(present.get(disk, {})))
    )


def _content_change(disk: str, before: ContentDigest, check: SourceCheck) -> AttributeChange:
    """Both digests are shown in the same kind."""
    prefix = "" if disk == OS_DISK else f"dataDisks.{disk.removeprefix('data-')}."
    note = "" if check.digest.known else f"cannot be compared with what was published: {check.problem}"
    name = "sha256" if before.is_plain or (check.digest.is_plain and not before.known) else "digest"
    return AttributeChange(
        f"{prefix}source.{name}", before.text or None, check.digest.like(before) or None, in_place=False, note=note
    )


def bound_sources(
    attributes: Attributes,
    record: Record | None,
    checks: Mapping[str, SourceCheck],
    records: Mapping[Address, Record],
) -> tuple[BoundSource, ...]:
    """The contents that a version with these attributes is to be published from, as far as they are known: of its
    sources as checked, else as recorded, and of the recorded versions that are its sources."""
    known = record.computed_values.get("disks", {}) if record else {}
    found: list[BoundSource] = []
    for disk, source in disk_sources(attributes):
        check = checks.get(disk)
        if "version" in source:
            found += _published_sources(records.get(Address.parse(str(source["version"]))))
        elif check is not None and (check.digest.known or check.identity or check.status is SourceStatus.CHANGED):
            found.append(BoundSource(disk, check.digest.text, check.identity))
        else:
            found.append(BoundSource(disk, recorded_digest(known.get(disk, {})).text))
    return tuple(source for source in found if source.digest or source.identity)


def _published_sources(base: Record | None) -> Iterator[BoundSource]:
    disks = base.computed_values.get("disks", {}) if base else {}
    for disk, facts in sorted(disks.items()):
        digest = recorded_digest(facts)
        yield BoundSource(disk, digest.plain or digest.tree)  # old copies have the plain one only


def recorded_digest(facts: Mapping[str, Any]) -> ContentDigest:
    """The recorded digest of a disk's source; an unknown one where there is none."""
    source = ContentDigest.in_facts(facts, SOURCE)
    return source if source.known else ContentDigest.in_facts(facts)


def _pinned(
    source: Mapping[str, Any], recorded: Mapping[str, Any] | None, pin: Callable[[Address], Address | None]
) -> Mapping[str, Any]:
    """A version once pinned for `latest` stays pinned: what is published does not change when `latest` does."""
    definition, _, version = str(source["version"]).rpartition("/")
    if version != "latest":
        return source
    if recorded and str(recorded.get("version", "")).startswith(f"{definition}/"):
        return recorded
    latest = pin(Address.parse(definition))
    return {"version": str(latest)} if latest else source


def latest_version(definition: Address, versions: Mapping[Address, Attributes], built: Address) -> Address | None:
    """The greatest version of `definition` that is not excluded from latest, other than `built` and, in its own
    definition, those after it; None when there is none."""
    candidates = [
        address
        for address, attributes in versions.items()
        if address.kind is Kind.IMAGE_VERSION
        and address.parent == definition
        and address != built
        and not attributes.get("excludeFromLatest", False)
        and (built.parent != definition or version_number(address.version) < version_number(built.version))
    ]
    return max(candidates, key=lambda address: version_number(address.version), default=None)


def version_references(attributes: Attributes) -> tuple[Address, ...]:
    """The pinned versions that are sources of a version's disks, sorted."""
    named = {Address.parse(str(source["version"])) for _, source in disk_sources(attributes) if "version" in source}
    return tuple(sorted(address for address in named if address.version != "latest"))
