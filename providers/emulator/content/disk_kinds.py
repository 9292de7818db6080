"""What kind of disk a source is, and whether an image definition takes it.

Source: Azure's troubleshooting guide of the Compute Gallery: type, state, generation and plan of source and definition
have to be the same. What a source does not say is not compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.providers.emulator.core.arm import invalid
from reconciler.providers.emulator.core.service import Service
from reconciler.providers.emulator.core.store import Resource


@dataclass(frozen=True, slots=True)
class DiskKind:
    """What a source says of itself; None where it says nothing. `tells_plan`: no plan means it has none."""

    os_type: str | None = None
    os_state: str | None = None
    generation: str | None = None
    plan: Mapping[str, str] | None = None
    tells_plan: bool = False


def kind_of_disk(disk: Resource) -> DiskKind:
    """A managed disk or a snapshot."""
    properties = disk.properties
    plan = plan_of(properties.get("purchasePlan"))
    return DiskKind(properties.get("osType"), None, properties.get("hyperVGeneration"), plan)


def kind_of_image(image: Resource) -> DiskKind:
    """A managed image; it has a plan when it was taken from a machine."""
    disk, properties = image.properties["storageProfile"]["osDisk"], image.properties
    plan, tells = plan_of(image.hidden.get("plan")), "plan" in image.hidden
    return DiskKind(disk["osType"], disk["osState"], properties["hyperVGeneration"], plan, tells)


def kind_of_vm(vm: Resource) -> DiskKind:
    """A virtual machine: specialized, until it was generalized."""
    state = "Generalized" if vm.hidden["generalized"] else "Specialized"
    os_type = vm.properties["storageProfile"]["osDisk"]["osType"]
    return DiskKind(os_type, state, vm.hidden["generation"], plan_of(vm.body.get("plan")), tells_plan=True)


def kind_of_version(service: Service, version: Resource) -> DiskKind:
    """A published version is what its definition says."""
    definition = service.store.get(version.parent)
    if definition is None:
        raise LookupError(f"the version '{version.id}' has no definition. This is a bug.")
    return kind_of_definition(definition)


def kind_of_definition(definition: Resource) -> DiskKind:
    properties = definition.properties
    plan = plan_of(properties.get("purchasePlan"))
    return DiskKind(
        properties["osType"], properties["osState"], properties.get("hyperVGeneration"), plan, tells_plan=True
    )


def plan_of(plan: Mapping[str, Any] | None) -> dict[str, str] | None:
    """The three names of a marketplace plan, in lower case; None when there is none."""
    if not plan:
        return None
    return {name: str(plan.get(name) or "").lower() for name in ("name", "publisher", "product")}


def check_disk_kind(source: DiskKind, definition: Resource, name: str, target: str) -> None:
    """Raises: ArmError when a definition does not take the source that messages call `name`."""
    wanted = kind_of_definition(definition)
    pairs = (
        ("OS type", source.os_type, wanted.os_type),
        ("OS state", source.os_state, wanted.os_state),
        ("Hyper-V generation", source.generation, wanted.generation),
    )
    for what, has, wants in pairs:
        if has is not None and wants is not None and has.lower() != wants.lower():
            raise invalid(
                target,
                f"The {what} '{has}' of the source '{name}' is not the {what} '{wants}' of the gallery image "
                f"'{definition.name}'.",
            )
    if (source.plan or source.tells_plan) and source.plan != wanted.plan:
        raise invalid(
            target,
            f"The marketplace plan of the source '{name}', {_told(source.plan)}, is not the purchase plan of the "
            f"gallery image '{definition.name}', {_told(wanted.plan)}.",
        )


def _told(plan: Mapping[str, str] | None) -> str:
    return "/".join(plan[name] for name in ("publisher", "product", "name")) if plan else "none"
