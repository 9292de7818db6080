"""libvirt's errors as the provider shows them, with a remedy."""

from __future__ import annotations

import libvirt
import pytest

from reconciler.providers.errors import Unavailable, Unsupported
from reconciler.providers.libvirt.host.failures import explained


@pytest.mark.parametrize(
    "text",
    [
        "operation failed: Unable to find any firmware to satisfy 'efi'",
        "operation failed: Unable to find 'efi' firmware that is compatible with the current configuration",
    ],
)
def test_a_host_without_uefi_firmware_gets_the_remedy(text: str) -> None:
    """The message of libvirt 9.0, and that of later versions."""
    error = libvirt.libvirtError(text)
    error.err = (libvirt.VIR_ERR_OPERATION_FAILED, libvirt.VIR_FROM_QEMU, text, 2, text, "", "", -1, -1)
    shown = explained(error, "making the machine 'golden'", "host1")
    assert isinstance(shown, Unsupported)
    assert "host1: making the machine 'golden'" in shown.message
    assert "install UEFI firmware on host1" in shown.remedy
    assert "hyperVGeneration: V1" in shown.remedy


@pytest.mark.parametrize("text", ["stream had unexpected termination", "stream had I/O failure"])
def test_a_host_that_cannot_continue_a_stream_is_up(text: str) -> None:
    """libvirtd's message if it notices that its writer stopped before it learns why; usually the pool is full."""
    error = libvirt.libvirtError(text)
    error.err = (libvirt.VIR_ERR_RPC, libvirt.VIR_FROM_STREAMS, text, 2, text, "", "", -1, -1)
    shown = explained(error, "writing the volume 'image'", "host1")
    assert not isinstance(shown, Unavailable)
    assert "free some space" in shown.remedy
    assert isinstance(explained(error, "writing", "host1", lost=True), Unavailable)
