"""A volume as libvirt describes it, and the XML from which libvirt creates pools and volumes."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

_UNITS = {"bytes": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


@dataclass(frozen=True, slots=True)
class Volume:
    """One volume of a pool. `path` is its path on the host. In bytes: `capacity` of the disk that a guest sees, `size`
    of the file, `allocation` of the file on its file system. `format` is the format that libvirt detected.
    `backing_path`: the backing file of an overlay, else empty. `mtime_ns`: 0 if the connection does not report it."""

    name: str
    path: str
    capacity: int
    allocation: int
    size: int
    format: str
    mtime_ns: int
    backing_path: str = ""


def volume_of(text: str) -> Volume:
    """The volume that libvirt's XML describes."""
    root = ElementTree.fromstring(text)  # noqa: S314 - written by the host's libvirt, not by the owner of an image
    disk_format = root.find("./target/format")
    return Volume(
        name=root.findtext("name", ""),
        path=root.findtext("./target/path", ""),
        capacity=_bytes(root, "capacity"),
        allocation=_bytes(root, "allocation"),
        size=_bytes(root, "physical") or _bytes(root, "allocation"),
        format=disk_format.get("type", "raw") if disk_format is not None else "raw",
        mtime_ns=_nanoseconds(root.findtext("./target/timestamps/mtime", "0")),
        backing_path=root.findtext("./backingStore/path", ""),
    )


def volume_xml(
    name: str, capacity: int, disk_format: str, backing_path: str | None = None, backing_format: str = "qcow2"
) -> str:
    """The XML of a volume to be created, with nothing allocated.

    A qcow2 has compat 1.1: libvirt's own default is that of QEMU 0.10, which has no zero clusters.
    """
    target = _element("target", "", _element("format", "", type=disk_format))
    if disk_format == "qcow2":
        target.append(_element("compat", "1.1"))
    root = _element(
        "volume",
        "",
        _element("name", name),
        _element("capacity", str(capacity), unit="bytes"),
        _element("allocation", "0", unit="bytes"),
        target,
    )
    if backing_path is not None:
        backing = (_element("path", backing_path), _element("format", "", type=backing_format))
        root.append(_element("backingStore", "", *backing))
    return ElementTree.tostring(root, encoding="unicode")


def pool_xml(name: str, path: str) -> str:
    """The XML of a pool that is a directory."""
    root = _element("pool", "", _element("name", name), _element("target", "", _element("path", path)), type="dir")
    return ElementTree.tostring(root, encoding="unicode")


def _element(tag: str, text: str = "", *children: Element, **attributes: str) -> Element:
    element = Element(tag, attributes)
    element.text = text or None
    element.extend(children)
    return element


def _bytes(root: Element, tag: str) -> int:
    element = root.find(tag)
    return int(element.text or 0) * _UNITS[element.get("unit", "bytes")] if element is not None else 0


def _nanoseconds(text: str) -> int:
    """Nanoseconds since the epoch, of seconds with a decimal fraction; a float would round them."""
    seconds, _, fraction = text.partition(".")
    return int(seconds) * 10**9 + int(fraction.ljust(9, "0")[:9])
