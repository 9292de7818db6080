"""What libvirt says when something fails, as the provider's errors: with the host, and with what to do about it."""

from __future__ import annotations

import errno
import re

import libvirt

from reconciler.providers.errors import ObjectConflict, ProviderError, Unavailable, Unsupported

_LOST = frozenset({libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_INVALID_CONN, libvirt.VIR_ERR_RPC})
_REFUSED = frozenset({libvirt.VIR_ERR_AUTH_FAILED, libvirt.VIR_ERR_AUTH_CANCELLED, libvirt.VIR_ERR_AUTH_UNAVAILABLE})
_DENIED = frozenset({libvirt.VIR_ERR_OPERATION_DENIED, libvirt.VIR_ERR_ACCESS_DENIED})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FULL_IN_WORDS = ("No space left on device", "Disk quota exceeded")
_TAKEN_IN_WORDS = ("already exists", "already in use.")
_STOPPED_NETWORK = re.compile(r"network '.*' is not active$")
_BROKEN_STREAM = ("stream had unexpected termination", "stream had I/O failure")
_BUSY_IN_WORDS = ("asynchronous jobs running", "is still in use", "is still being allocated")


def is_missing_volume(error: libvirt.libvirtError) -> bool:
    """Whether libvirt knows no such volume, or its file is gone."""
    if error.get_error_domain() == libvirt.VIR_FROM_RPC:
        return False
    gone = error.get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR and error.get_int1() == errno.ENOENT
    return bool(gone or error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL)


def is_missing_pool(error: libvirt.libvirtError) -> bool:
    return bool(error.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_POOL)


def is_unsupported(error: libvirt.libvirtError) -> bool:
    """Whether the driver of the connection does not know the call at all."""
    return bool(error.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT)


def is_busy(error: libvirt.libvirtError) -> bool:
    """Whether a pool or volume is at work for somebody; libvirt has no code of its own for that."""
    return any(words in str(error) for words in _BUSY_IN_WORDS)


def explained(error: libvirt.libvirtError, doing: str, host: str, *, lost: bool = False) -> ProviderError:
    """The error to show: `doing` says what was tried on `host`; `lost`: the connection is gone."""
    code, what = error.get_error_code(), f"{host}: {doing}: {error}"
    if _is_broken_stream(error) and not lost:
        return ProviderError(what, f"free some space in that pool if it is full, or see the log of libvirtd on {host}")
    if lost or code in _LOST or code in _REFUSED or error.get_error_domain() == libvirt.VIR_FROM_RPC:
        return _not_heard(error, what, host)
    if _is_about_network(error) or _has_no_firmware(error):
        return _no_machine(error, what, host)
    if is_missing_pool(error) or _is_stopped(error):
        return Unavailable(what, "define and start the pool on that host: virsh pool-define-as, virsh pool-start")
    if _is_full(error):
        return ProviderError(what, "free some space in that pool, then apply again")
    if code in _DENIED:
        return ProviderError(what, f"let this user manage storage on {host}; a read-only connection is not enough")
    if code == libvirt.VIR_ERR_STORAGE_VOL_EXIST or _is_in_the_way(error):
        return ObjectConflict(what, "look at that volume, and remove it if nobody needs it")
    if is_unsupported(error):
        return Unsupported(what, "use a connection and a pool that can do that, such as qemu:///system and a dir pool")
    if is_busy(error):
        return ProviderError(what, "apply again when that is over", retryable=True)
    return ProviderError(what, f"see what the log of libvirtd on {host} says")


def _not_heard(error: libvirt.libvirtError, what: str, host: str) -> Unavailable:
    """The error to show when the host does not answer, or not to this user."""
    if error.get_error_code() in _REFUSED:
        return Unavailable(what, f"see that this user may use libvirt on {host} (is it in the group libvirt there?)")
    return Unavailable(what, f"see that {host} is up and its libvirtd runs, then try again")


def _no_machine(error: libvirt.libvirtError, what: str, host: str) -> ProviderError:
    """The error to show for a machine that its host cannot have as it is described."""
    if _is_about_network(error):
        return ProviderError(what, "see which networks there are, and start one: virsh net-list --all, virsh net-start")
    return Unsupported(
        what,
        f"install UEFI firmware on {host} (Debian: ovmf, qemu-efi-aarch64), or declare hyperVGeneration: V1 if the "
        "image starts by BIOS",
    )


def _is_about_network(error: libvirt.libvirtError) -> bool:
    """Whether the network of a machine is not there, or not active."""
    return error.get_error_code() == libvirt.VIR_ERR_NO_NETWORK or bool(_STOPPED_NETWORK.search(str(error)))


def _is_stopped(error: libvirt.libvirtError) -> bool:
    return error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID and str(error).endswith("is not active")


def _is_in_the_way(error: libvirt.libvirtError) -> bool:
    """Whether the name of a volume to be made is that of another, or of a file that libvirt had not listed yet."""
    return str(error).endswith(_TAKEN_IN_WORDS)


def _has_no_firmware(error: libvirt.libvirtError) -> bool:
    """Whether a machine starts by UEFI and its host cannot. libvirt has no code for it, and two texts: 9.0 writes `any
    firmware to satisfy 'efi'`, later ones `'efi' firmware that is compatible`."""
    return "Unable to find" in str(error) and "firmware" in str(error)


def _is_broken_stream(error: libvirt.libvirtError) -> bool:
    """Whether the host stopped reading or writing what it streams. It may notice that before it hears why."""
    return str(error).endswith(_BROKEN_STREAM)


def _is_full(error: libvirt.libvirtError) -> bool:
    """A system error carries its number; the output of a program that libvirt ran does not."""
    if error.get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR and error.get_int1() in _FULL:
        return True
    return any(words in str(error) for words in _FULL_IN_WORDS)
