"""libvirt's errors as the provider's errors: with the host and a remedy."""

from __future__ import annotations

import errno
import re

import libvirt

from reconciler.providers.errors import ObjectConflict, ProviderError, Unavailable, Unsupported

_LOST = frozenset({libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_INVALID_CONN, libvirt.VIR_ERR_RPC})
_REFUSED = frozenset({libvirt.VIR_ERR_AUTH_FAILED, libvirt.VIR_ERR_AUTH_CANCELLED, libvirt.VIR_ERR_AUTH_UNAVAILABLE})
_DENIED = frozenset({libvirt.VIR_ERR_OPERATION_DENIED, libvirt.VIR_ERR_ACCESS_DENIED})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FULL_TEXTS = ("No space left on device", "Disk quota exceeded")
_TAKEN_TEXTS = ("already exists", "already in use.")
_STOPPED_NETWORK = re.compile(r"network '.*' is not active$")
_BROKEN_STREAM = ("stream had unexpected termination", "stream had I/O failure")
_BUSY_TEXTS = ("asynchronous jobs running", "is still in use", "is still being allocated")


def is_missing_volume(error: libvirt.libvirtError) -> bool:
    """Whether libvirt knows no such volume, or the volume's file is gone."""
    if error.get_error_domain() == libvirt.VIR_FROM_RPC:
        return False
    gone = error.get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR and error.get_int1() == errno.ENOENT
    return bool(gone or error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL)


def is_missing_pool(error: libvirt.libvirtError) -> bool:
    """Whether libvirt knows no such pool."""
    return bool(error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_POOL)


def is_unsupported(error: libvirt.libvirtError) -> bool:
    """Whether the driver of the connection does not support the call."""
    return bool(error.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT)


def is_busy(error: libvirt.libvirtError) -> bool:
    """Whether a pool or volume is busy; libvirt has no error code for that."""
    return any(words in str(error) for words in _BUSY_TEXTS)


def explained(error: libvirt.libvirtError, doing: str, host: str, *, lost: bool = False) -> ProviderError:
    """The error to show. `doing`: what was tried on `host`; `lost`: the connection is gone."""
    code, what = error.get_error_code(), f"{host}: {doing}: {error}"
    if _is_broken_stream(error) and not lost:
        return ProviderError(what, f"if that pool is full, free some space; else check the log of libvirtd on {host}")
    if lost or code in _LOST or code in _REFUSED or error.get_error_domain() == libvirt.VIR_FROM_RPC:
        return _no_answer(error, what, host)
    if _is_about_network(error) or _has_no_firmware(error):
        return _no_machine(error, what, host)
    if is_missing_pool(error) or _is_stopped(error):
        return Unavailable(what, "define and start the pool on that host: virsh pool-define-as, virsh pool-start")
    if _is_full(error):
        return ProviderError(what, "free some space in that pool, then apply again")
    if code in _DENIED:
        return ProviderError(what, f"allow this user to manage storage on {host}; a read-only connection is not enough")
    if code == libvirt.VIR_ERR_STORAGE_VOL_EXIST or _name_is_taken(error):
        return ObjectConflict(what, "check that volume, and remove it if no one needs it")
    if is_unsupported(error):
        return Unsupported(what, "use a connection and a pool that support this, such as qemu:///system and a dir pool")
    if is_busy(error):
        return ProviderError(what, "apply again when that is over", retryable=True)
    return ProviderError(what, f"check the log of libvirtd on {host}")


def _no_answer(error: libvirt.libvirtError, what: str, host: str) -> Unavailable:
    """The error to show if the host does not answer, or refuses this user."""
    if error.get_error_code() in _REFUSED:
        return Unavailable(what, f"check that this user may use libvirt on {host} (is it in the group libvirt there?)")
    return Unavailable(what, f"check that {host} is up and its libvirtd is running, then try again")


def _no_machine(error: libvirt.libvirtError, what: str, host: str) -> ProviderError:
    """The error to show for a machine that its host cannot run as described."""
    if _is_about_network(error):
        return ProviderError(what, "list the networks and start one: virsh net-list --all, virsh net-start")
    return Unsupported(
        what,
        f"install UEFI firmware on {host} (Debian: ovmf, qemu-efi-aarch64), or declare hyperVGeneration: V1 if the "
        "image boots with a BIOS",
    )


def _is_about_network(error: libvirt.libvirtError) -> bool:
    """Whether the network of a machine does not exist, or is not active."""
    return error.get_error_code() == libvirt.VIR_ERR_NO_NETWORK or bool(_STOPPED_NETWORK.search(str(error)))


def _is_stopped(error: libvirt.libvirtError) -> bool:
    return error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID and str(error).endswith("is not active")


def _name_is_taken(error: libvirt.libvirtError) -> bool:
    """Whether the name of a new volume is that of another, or of a file that libvirt has not listed yet."""
    return str(error).endswith(_TAKEN_TEXTS)


def _has_no_firmware(error: libvirt.libvirtError) -> bool:
    """Whether a machine needs UEFI and its host has no firmware for it. libvirt has no error code for it and two
    messages: 9.0 writes `any firmware to satisfy 'efi'`, later versions `'efi' firmware that is compatible`."""
    return "Unable to find" in str(error) and "firmware" in str(error)


def _is_broken_stream(error: libvirt.libvirtError) -> bool:
    """Whether the host stopped reading or writing a stream. The client may notice before it learns why."""
    return str(error).endswith(_BROKEN_STREAM)


def _is_full(error: libvirt.libvirtError) -> bool:
    """Whether storage is full. A system error carries its number; the output of a program that libvirt ran does not."""
    if error.get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR and error.get_int1() in _FULL:
        return True
    return any(words in str(error) for words in _FULL_TEXTS)
