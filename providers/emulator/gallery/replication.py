"""Replication: the regions that an operation copies to, until when, and the progress that can be seen meanwhile.

A version has a copy for each region in `hidden["regions"]`: when copying started, when it ends (None while stuck), why
it fails, if it does, and whether the region already had a copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.providers.emulator.core.arm import ArmRequest, Body
from reconciler.providers.emulator.core.locations import display_name
from reconciler.providers.emulator.core.service import Service
from reconciler.providers.emulator.core.store import AsyncOperation, Resource
from reconciler.providers.emulator.gallery.publishing_profile import region_of

COMPLETED, FAILED, REPLICATING = "Completed", "Failed", "Replicating"
_SHALLOW_S = 5.0


def plan_copies(
    service: Service, request: ArmRequest, version: Resource, before: Mapping[str, Body], *, shallow: bool
) -> tuple[dict[str, Body], float]:
    """The copies after a write, and the seconds (unscaled) until the last one ends.

    Copying starts in new regions, in regions that get more replicas, and again in regions where it failed; all other
    copies stay as they are. Source: the service's error for failed replication, which advises to retry, and to remove
    and add the region if that does not help. `before` holds the target regions before the write, by canonical name.
    """
    now, durations = service.clock.now(), service.durations
    copies: dict[str, Body] = {}
    home, longest, later = version.hidden["region"], 0.0, 0
    stored: Mapping[str, Body] = version.hidden.get("regions", {})
    for entry in version.properties["publishingProfile"]["targetRegions"]:
        region = region_of(entry)
        kept = stored.get(region)
        more = entry["regionalReplicaCount"] > before.get(region, entry)["regionalReplicaCount"]
        if kept is not None and not more and not kept["fails"]:
            copies[region] = kept
            continue
        if region != home:
            later += 1
        seconds = _SHALLOW_S if shallow else durations.home_copy + later * durations.next_region
        fault = service.faults.take("fail-region", request.method, request.path, region)
        why = "The replication of the image version to this region failed: an internal error." if fault else ""
        filled = kept is not None and (kept.get("filled", False) or state_of(kept, now) == COMPLETED)
        copies[region] = {"started": now, "due": now + durations.scaled(seconds), "fails": why, "filled": filled}
        longest = max(longest, seconds)
    return copies, longest


def hold(copies: Mapping[str, Body], before: Mapping[str, Body]) -> None:
    """Makes the new copies last as long as their operation, which is stuck."""
    for region, copy in copies.items():
        if copy is not before.get(region):
            copy["due"] = None


def release(copies: Mapping[str, Body], operation: AsyncOperation) -> None:
    """Ends the copies that were held, together with their operation."""
    for copy in copies.values():
        if copy["due"] is None:
            copy["due"] = operation.due


def state_of(copy: Body, now: float) -> str:
    """Replicating, Completed or Failed."""
    if copy["due"] is None or copy["due"] > now:
        return REPLICATING
    return FAILED if copy["fails"] else COMPLETED


def usable_regions(version: Resource, now: float) -> set[str]:
    """The regions in which a version can be used: those with a copy, even while more replicas are being made."""
    copies: Mapping[str, Body] = version.hidden["regions"]
    return {region for region, copy in copies.items() if copy.get("filled") or state_of(copy, now) == COMPLETED}


def failed_regions(version: Resource) -> list[str]:
    return sorted(region for region, copy in version.hidden["regions"].items() if copy["fails"])


def replication_status(service: Service, version: Resource) -> Body:
    """What `$expand=ReplicationStatus` shows. Source: the REST specification, whose two enums differ."""
    now = service.clock.now()
    summary = [_region_status(region, copy, now) for region, copy in version.hidden["regions"].items()]
    return {"aggregatedState": _aggregated([entry["state"] for entry in summary]), "summary": summary}


def _region_status(region: str, copy: Body, now: float) -> Body:
    state = state_of(copy, now)
    progress = 100 if state == COMPLETED else 0
    if state == REPLICATING and copy["due"] is not None:
        progress = min(99, int(100 * (now - copy["started"]) / (copy["due"] - copy["started"])))
    details = copy["fails"] if state == FAILED else ""
    return {"region": display_name(region), "state": state, "details": details, "progress": progress}


def _aggregated(states: Sequence[str]) -> str:
    if REPLICATING in states:
        return "InProgress"
    return FAILED if FAILED in states else COMPLETED


def failure(version: Resource) -> Body:
    """The error of an operation in which regions failed."""
    regions = "; ".join(
        f"{display_name(region)}: {version.hidden['regions'][region]['fails']}" for region in failed_regions(version)
    )
    return {
        "code": "ReplicationJobsNotCompleted",
        "message": f"The replication job has not completed at: {regions} If a retry does not help, remove the region "
        "from the target regions of the image version, and add it again.",
    }
