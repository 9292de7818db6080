"""Blobs as disks: the account that they are in, when two are the same, and which of them Azure accepts as disks."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from reconciler.providers.emulator.core.arm import ArmError, invalid
from reconciler.providers.emulator.core.service import BlobFacts, Service
from reconciler.providers.image_files.formats.disk_format import SECTOR
from reconciler.providers.image_files.formats.vhd import vhd_checksum

_MIB = 1 << 20
_GIB = 1 << 30
_FIXED, _DYNAMIC = 2, 3


def blob_key(uri: str) -> str:
    """The identity of a blob: its address without a signature; the same for all addresses of one blob."""
    parts = urlsplit(uri)
    return f"{parts.netloc.lower()}{unquote(parts.path)}"


def account_of(uri: str) -> str:
    """The storage account in a blob's address: the first label of its host, or the first segment of its path where the
    host is an IP address or localhost, as with local blob services. Empty when there is none."""
    parts = urlsplit(uri)
    host = parts.hostname or ""
    if host == "localhost" or _is_address(host):
        return parts.path.strip("/").partition("/")[0].lower()
    return host.partition(".")[0].lower()


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def check_address(uri: str, target: str) -> None:
    """Raises: ArmError when `uri` is not the address of a blob in a container."""
    try:
        parts = urlsplit(uri)
        segments = [segment for segment in parts.path.split("/") if segment]
        complete = (
            parts.scheme in ("http", "https") and bool(account_of(uri)) and not parts.username and parts.port != 0
        )
    except ValueError:
        complete = False
    if not complete or len(segments) < 2:
        raise invalid(target, f"The blob URI '{plain_address(uri)}' is not the address of a blob in a container.")


def plain_address(uri: str) -> str:
    """The name of a blob in messages: its address without a signature."""
    return uri.partition("?")[0]


def vhd_size_gb(service: Service, uri: str, target: str) -> int:
    """The size in GiB, rounded up, of the disk in a blob. Raises: ArmError when Azure would not accept it."""
    check_address(uri, target)
    try:
        facts = service.blobs.facts(uri)
    except ArmError as error:
        raise ArmError(error.status, error.code, error.message, error.target or target) from error
    return -(-_virtual_size(facts, uri, target) // _GIB)


def keep_vhd(service: Service, uri: str, target: str) -> str:
    """The name under which the service keeps the disk in a blob. Raises: ArmError as `vhd_size_gb` does."""
    try:
        return service.blobs.keep(uri)
    except ArmError as error:
        raise ArmError(error.status, error.code, error.message, error.target or target) from error


def _virtual_size(facts: BlobFacts, uri: str, target: str) -> int:
    """The size of the disk in bytes. Source: Azure's requirements for VHDs: fixed, and a whole number of MiB."""
    footer, name = facts.footer, plain_address(uri)
    if len(footer) != SECTOR or not footer.startswith(b"conectix"):
        raise invalid(target, f"The blob '{name}' is not a VHD: the cookie in its footer is missing.")
    if int.from_bytes(footer[64:68], "big") != vhd_checksum(footer):
        raise invalid(target, f"The VHD '{name}' is damaged: the checksum of its footer is wrong.")
    disk_type = int.from_bytes(footer[60:64], "big")
    if disk_type != _FIXED:
        what = "dynamic" if disk_type == _DYNAMIC else f"of type {disk_type}"
        raise invalid(target, f"The VHD '{name}' is {what}. Only fixed VHDs are supported.")
    size = int.from_bytes(footer[48:56], "big")
    if size != facts.size - SECTOR:
        raise invalid(
            target, f"The VHD '{name}' is damaged: its footer says {size} bytes, and it has {facts.size - SECTOR}."
        )
    if size % _MIB or not size:
        raise invalid(
            target,
            f"The VHD '{name}' has an unsupported virtual size: {size} bytes are not a whole number of MBs.",
        )
    return size
