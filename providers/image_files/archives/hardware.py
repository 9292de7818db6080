"""The drives of a machine in the order of its hardware section.

Source: DSP0243 (OVF 1.1 and 2.1), VirtualHardwareSection; CIM_ResourceAllocationSettingData for the meaning of numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from reconciler.providers.image_files.archives.xml_reading import Element, attribute, child_text, local_name

_DISKS = ("17", "31")
"""ResourceType of a disk drive and of a logical disk."""

_HOST_RESOURCE = re.compile(r"(?:ovf:)?/*(disk|file)/(.+)")
"""`ovf:/disk/ID`; `/disk/ID`, as VirtualBox writes it; `disk/ID`, of the drafts of the format."""


_ADDRESS = re.compile(r"\d{1,9}(:\d{1,9})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Drive:
    """A drive of a machine. `resource` is what is in it, as (`disk` or `file`, id); the kind is empty where a bare id
    is written, as by oVirt, and the id where the drive has no content. `controller` is the kind of its controller.
    `optional`: the machine may be made without it."""

    resource: tuple[str, str]
    controller: str
    optional: bool


def drives(machine: Element, configuration: str) -> tuple[Drive, ...]:
    """The disk drives of a machine, in this order: kinds of controllers as they come first in the document, controllers
    of one kind by their addresses, drives by their addresses on the controller, and all else by InstanceID.

    `configuration` is the id of the deployment option whose items count beside those without one.
    """
    items = list(_items(machine, configuration))
    by_id = {child_text(item, "InstanceID", "InstanceId"): item for item in items}
    kinds: dict[str, int] = {}
    for item in items:
        kinds.setdefault(_kind(item), len(kinds))
    found = [item for item in items if child_text(item, "ResourceType") in _DISKS]
    found.sort(key=lambda item: _place(item, by_id, kinds))
    return tuple(_drive(item, by_id) for item in found)


def has_section(machine: Element) -> bool:
    """Whether a machine says what its hardware is."""
    return _section(machine) is not None


def _section(machine: Element) -> Element | None:
    """The first hardware section; further ones are alternatives to it."""
    for element in machine:
        if local_name(element.tag) == "VirtualHardwareSection":
            return element
        if local_name(element.tag) == "Section" and "VirtualHardwareSection" in attribute(element, "type"):
            return element  # as in drafts of the format, and as oVirt writes it
    return None


def _items(machine: Element, configuration: str) -> Iterator[Element]:
    """The items in effect: of two with one InstanceID the one for this configuration; bounds are no items."""
    section = _section(machine)
    chosen: dict[str, Element] = {}
    for number, item in enumerate(section if section is not None else ()):
        if local_name(item.tag) not in ("Item", "StorageItem") or attribute(item, "bound"):
            continue
        wanted = attribute(item, "configuration").split()
        if wanted and configuration not in wanted:
            continue
        chosen[child_text(item, "InstanceID", "InstanceId") or f"#{number}"] = item
    return iter(chosen.values())


def _kind(item: Element) -> str:
    """The kind of a controller: its type, and whether it is NVMe, which shares one with SATA."""
    nvme = "nvme" if "nvme" in child_text(item, "ResourceSubType").lower() else ""
    return child_text(item, "ResourceType") + nvme


def _place(item: Element, by_id: Mapping[str, Element], kinds: Mapping[str, int]) -> tuple[object, ...]:
    controller = by_id.get(child_text(item, "Parent"))
    at = (len(kinds), (), ()) if controller is None else _controller_place(controller, kinds)
    return (*at, _numbers(child_text(item, "AddressOnParent")), _numbers(child_text(item, "InstanceID", "InstanceId")))


def _controller_place(controller: Element, kinds: Mapping[str, int]) -> tuple[object, ...]:
    address = _numbers(child_text(controller, "Address"))
    return kinds[_kind(controller)], address, _numbers(child_text(controller, "InstanceID", "InstanceId"))


def _numbers(text: str) -> Sequence[float]:
    """The numbers of an address such as `0` or `0:1`; after all others what has none."""
    return tuple(map(int, text.split(":"))) if _ADDRESS.fullmatch(text) else (math.inf,)


def _drive(item: Element, by_id: Mapping[str, Element]) -> Drive:
    written = child_text(item, "HostResource")
    matched = _HOST_RESOURCE.fullmatch(written)
    controller = by_id.get(child_text(item, "Parent"))
    return Drive(
        (matched[1], matched[2]) if matched else ("", written),
        "" if controller is None else _kind(controller),
        attribute(item, "required") == "false",
    )
