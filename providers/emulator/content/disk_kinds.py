"""What kind of disk a source is, and whether it fits an image definition.

Source: Azure's troubleshooting guide of the Compute Gallery: type, state, generation and plan of source and definition
must be the same. What is not known of a source is not compared.
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
    """The kind of a source; None where it is not known. `plan_known`: whether a plan of None means that it has none."""

    os_type: str | None = None
    os_state: str | None = None
    generation: str | None = None
    plan: Mapping[str, str] | None = None
    plan_known: bool = False


def kind_of_disk(disk: Resource) -> DiskKind:
    """Of a managed disk or a snapshot."""
    properties = disk.properties
    plan = plan_of(properties.get("purchasePlan"))
    return DiskKind(properties.get("osType"), None, properties.get("hyperVGeneration"), plan)


def kind_of_image(image: Resource) -> DiskKind:
    """Of a managed image; its plan is known when it was captured from a virtual machine."""
    disk, properties = image.properties["storageProfile"]["osDisk"], image.properties
    plan, known = plan_of(image.hidden.get("plan")), "plan" in image.hidden
    return DiskKind(disk["osType"], disk["osState"], properties["hyperVGeneration"], plan, known)


def kind_of_vm(vm: Resource) -> DiskKind:
    """Of a virtual machine, which is specialized until it has been generalized."""
    state = "Generalized" if vm.hidden["generalized"] else "Specialized"
    os_type = vm.properties["storageProfile"]["osDisk"]["osType"]
    return DiskKind(os_type, state, vm.hidden["generation"], plan_of(vm.body.get("plan")), plan_known=True)


def kind_of_version(service: Service, version: Resource) -> DiskKind:
    """Of a published version: that of its definition."""
    definition = service.store.get(version.parent)
    if definition is None:
        raise LookupError(f"the version '{version.id}' has no definition. This is a bug.")
    return kind_of_definition(definition)


def kind_of_definition(definition: Resource) -> DiskKind:
    properties = definition.properties
    plan = plan_of(properties.get("purchasePlan"))
    return DiskKind(
        properties["osType"], properties["osState"], properties.get("hyperVGeneration"), plan, plan_known=True
    )


def plan_of(plan: Mapping[str, Any] | None) -> dict[str, str] | None:
    """The three names of a marketplace plan, in lower case; None when there is none."""
    if not plan:
        return None
    return {name: str(plan.get(name) or "").lower() for name in ("name", "publisher", "product")}


def check_disk_kind(source: DiskKind, definition: Resource, name: str, target: str) -> None:
    """Raises: ArmError when a source, which messages call `name`, does not fit a definition."""
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
    if (source.plan or source.plan_known) and source.plan != wanted.plan:
        raise invalid(
            target,
            f"The marketplace plan of the source '{name}', {_plan_text(source.plan)}, is not the purchase plan of the "
            f"gallery image '{definition.name}', {_plan_text(wanted.plan)}.",
        )


def _plan_text(plan: Mapping[str, str] | None) -> str:
    return "/".join(plan[name] for name in ("publisher", "product", "name")) if plan else "none"
