"""The guard against an oracle that knows nothing of plans: it compares what users have before and after.

Random worlds of one definition: versions that are recorded or not, whole, damaged, unfinished or gone, and manifests
that keep, change or drop them. Without consent, a plan that can be applied takes nothing from anybody; and a plan that
takes nothing is not blocked for what it takes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from support.worlds import inputs_of

from reconciler.planning.plan import Plan, PlanOptions
from reconciler.planning.planner import make_plan

REGIONS = ("eastus", "westus", "northeurope")
NUMBERS = ("1.0.0", "1.9.0", "1.10.0")
CONDITIONS = ("ready", "ready", "ready", "damaged", "incomplete", "absent")
World = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Copy:
    """A version in a region as it is, and as the manifests say; `desired` is None where they do not name it."""

    region: str
    condition: str
    attributes: dict[str, Any]
    desired: dict[str, Any] | None

    @property
    def exists(self) -> bool:
        return self.condition in ("ready", "damaged")


@dataclass(frozen=True)
class Version:
    number: str
    recorded: bool
    retained: bool
    attributes: dict[str, Any]
    desired: dict[str, Any] | None
    copies: tuple[Copy, ...]

    @property
    def name(self) -> str:
        return f"corp/web/{self.number}"

    @property
    def kept(self) -> bool:
        """Whether the version object itself stays as it is, apart from what may change in place."""
        if self.desired is None:
            return self.retained
        return bool(self.desired["hostCaching"] == self.attributes["hostCaching"])

    @property
    def removable(self) -> bool:
        safety = (self.desired or {}).get("safety", {})
        return bool(safety.get("allowDeletionOfReplicatedLocations"))


@st.composite
def copies(draw: st.DrawFn, region: str, *, declared: bool, recorded: bool) -> Copy:
    def attributes() -> dict[str, Any]:
        found: dict[str, Any] = {"replicas": draw(st.integers(1, 2)), "excludeFromLatest": draw(st.booleans())}
        if not draw(st.integers(0, 3)):
            found["storageAccountType"] = "Premium_LRS"
        return found

    now = attributes()
    desired = draw(st.sampled_from([None, now, now, now, attributes()])) if declared else None
    known = recorded or desired is not None  # what is neither is not in a plan: it is unmanaged, and stays
    return Copy(region, draw(st.sampled_from(CONDITIONS)) if known else "absent", now, desired)


@st.composite
def versions(draw: st.DrawFn, number: str) -> Version:
    declared, recorded = draw(st.booleans()), draw(st.sampled_from([True, True, False]))
    flag = {"allowDeletionOfReplicatedLocations": draw(st.booleans()), "blockDeletionBeforeEndOfLife": False}
    now = {"safety": flag, "hostCaching": "None", "source": {"file": "images/a.raw"}}
    changed = {"hostCaching": draw(st.sampled_from(["None", "None", "ReadOnly"]))}
    found = draw(st.sets(st.sampled_from(REGIONS), min_size=1))
    return Version(
        number,
        recorded,
        retained=recorded and not declared and draw(st.booleans()),
        attributes=now,
        desired={**now, **changed} if declared else None,
        copies=tuple(draw(copies(region, declared=declared, recorded=recorded)) for region in sorted(found)),
    )


@st.composite
def estates(draw: st.DrawFn) -> tuple[bool, list[Version]]:
    """Whether the definition keeps its immutable attributes, and its versions."""
    kept = draw(st.sampled_from([True, True, True, False]))
    found = [draw(versions(number)) for number in sorted(draw(st.sets(st.sampled_from(NUMBERS), min_size=1)))]
    # a container with something in it that is retained is never replaced, with consent or without
    return kept, found if kept else [replace(version, retained=False) for version in found]


def plan_of(definition_kept: bool, found: list[Version], **options: Any) -> Plan:
    desired: World = {"corp": {}, "corp/web": {} if definition_kept else {"osState": "Specialized"}}
    recorded: World = {"corp": {}, "corp/web": {}}
    observed: World = {"corp": {}, "corp/web": {}}
    for version in found:
        here = any(copy.condition != "absent" for copy in version.copies)
        extra = {"$retain": version.retained, "$disks": {"os": {"size": 1, "sha256": version.number}}}
        if version.desired is not None:
            desired[version.name] = version.desired
        if version.recorded:
            recorded[version.name] = {**version.attributes, **extra}
        if here:
            observed[version.name] = version.attributes
        for copy in version.copies:
            name = f"{version.name}@{copy.region}"
            if copy.desired is not None:
                desired[name] = copy.desired
            if version.recorded:
                recorded[name] = {**copy.attributes, **extra}
            if copy.condition != "absent":
                observed[name] = {**copy.attributes, "$condition": copy.condition}
    return make_plan(inputs_of(desired, recorded, observed, options=PlanOptions(allow_deletes=99, **options)))


def stays(copy: Copy, version: Version, definition_kept: bool) -> bool:
    """Whether users have this copy before, meanwhile and after."""
    if copy.desired is None:
        return version.retained
    same = copy.desired.get("storageAccountType") == copy.attributes.get("storageAccountType")
    return definition_kept and version.kept and same


def latest(found: list[tuple[str, bool]]) -> tuple[int, ...] | None:
    return max((tuple(map(int, number.split("."))) for number, excluded in found if not excluded), default=None)


def taken(definition_kept: bool, found: list[Version]) -> set[str]:
    """What users lose that no manifest consents to."""
    lost: set[str] = set()
    by_name: set[tuple[str, str]] = set()
    for version in found:
        whole = [copy for copy in version.copies if copy.condition == "ready"]
        if whole and all(copy.desired is None and not version.retained for copy in whole):
            lost.add(f"the last copy of {version.number}")
        alone = definition_kept and version.kept and version.desired is not None
        for copy in version.copies:
            if copy.exists and not stays(copy, version, definition_kept):
                if alone and version.removable:
                    by_name.add((version.number, copy.region))
                else:
                    lost.add(f"{version.number}@{copy.region}")
    before = [copy for version in found for copy in version.copies if copy.exists]
    after = [copy for version in found for copy in version.copies if copy.desired or (copy.exists and version.retained)]
    if before and not after:
        lost.add("the last version")
    return lost | {f"latest of {region}" for region in REGIONS if lowered(region, found, by_name)}


def lowered(region: str, found: list[Version], by_name: set[tuple[str, str]]) -> bool:
    """Whether latest goes down or ends there, and no manifest says so by the name of the version that was latest."""
    here = [(version, copy) for version in found for copy in version.copies if copy.region == region]
    before = [(v.number, c.attributes["excludeFromLatest"]) for v, c in here if c.condition == "ready"]
    after = [(v.number, c.attributes["excludeFromLatest"]) for v, c in here if c.condition == "ready" and v.retained]
    after += [(v.number, c.desired["excludeFromLatest"]) for v, c in here if c.desired is not None]
    old, new = latest(before), latest(after)
    if old is None or (new is not None and new >= old):
        return False
    number = ".".join(map(str, old))
    excluded = number in {one for one, _ in after}
    return (number, region) not in by_name and not (excluded and new is not None)


@settings(max_examples=400, deadline=None)
@given(estates())
def test_no_plan_takes_anything_away_without_consent_and_none_is_blocked_for_nothing(
    estate: tuple[bool, list[Version]],
) -> None:
    plan, lost = plan_of(*estate), taken(*estate)
    refused = [effect for change in plan.changes for effect in change.effects if not effect.consent]
    assert not (lost and plan.applicable), lost
    assert bool(refused) is bool(lost) or plan.errors, (lost, refused)


@settings(max_examples=100, deadline=None)
@given(estates())
def test_consent_by_name_is_enough(estate: tuple[bool, list[Version]]) -> None:
    plan = plan_of(*estate, allow_loss=("corp",), allow_replace=("corp",))
    assert plan.applicable or plan.errors, plan.blocked
