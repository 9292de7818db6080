"""What libvirt says when something fails, as the provider's errors: with the host, and with what to do about it."""

from __future__ import annotations

import errno

import libvirt

from providers.errors import ObjectConflict, ProviderError, Unavailable, Unsupported

_LOST = frozenset({libvirt.VIR_ERR_NO_CONNECT, libvirt.VIR_ERR_INVALID_CONN, libvirt.VIR_ERR_RPC})
_REFUSED = frozenset({libvirt.VIR_ERR_AUTH_FAILED, libvirt.VIR_ERR_AUTH_CANCELLED, libvirt.VIR_ERR_AUTH_UNAVAILABLE})
_DENIED = frozenset({libvirt.VIR_ERR_OPERATION_DENIED, libvirt.VIR_ERR_ACCESS_DENIED})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FULL_IN_WORDS = ("No space left on device", "Disk quota exceeded")
_TAKEN_IN_WORDS = ("already exists", "already in use.")
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
    if lost or code in _LOST or error.get_error_domain() == libvirt.VIR_FROM_RPC:
        return Unavailable(what, f"see that {host} is up and its libvirtd runs, then try again")
    if code in _REFUSED:
        return Unavailable(what, f"see that this user may use libvirt on {host} (is it in the group libvirt there?)")
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


def _is_stopped(error: libvirt.libvirtError) -> bool:
    return error.get_error_code() == libvirt.VIR_ERR_OPERATION_INVALID and str(error).endswith("is not active")


def _is_in_the_way(error: libvirt.libvirtError) -> bool:
    """Whether the name of a volume to be made is that of another, or of a file that libvirt had not listed yet."""
    return str(error).endswith(_TAKEN_IN_WORDS)


def _is_full(error: libvirt.libvirtError) -> bool:
    """A system error carries its number; the output of a program that libvirt ran does not."""
    if error.get_error_code() == libvirt.VIR_ERR_SYSTEM_ERROR and error.get_int1() in _FULL:
        return True
    return any(words in str(error) for words in _FULL_IN_WORDS)
