"""The example image boots: QEMU starts it and its line comes out of the serial port."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import time
from pathlib import Path

import pytest

from reconciler.manifests.examples.boot_image import boot_sector, main, write_boot_image


def serial_line(path: Path, form: str, seconds: float = 60) -> str:
    """The first line that a machine started from the image prints; the machine is ended afterwards."""
    drive = f"file={path},format={form},if=ide,snapshot=on"
    command = ["qemu-system-x86_64", "-accel", "tcg", "-m", "32", "-nodefaults", "-no-reboot", "-display", "none"]
    machine = subprocess.Popen(
        [*command, "-serial", "stdio", "-drive", drive], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    try:
        assert machine.stdout is not None
        said, until = b"", time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(machine.stdout, selectors.EVENT_READ)
            while b"\n" not in said and time.monotonic() < until:
                if selector.select(timeout=1):
                    said += os.read(machine.stdout.fileno(), 100)
        return said.decode().partition("\r\n")[0]
    finally:
        machine.kill()
        machine.wait()
        if machine.stdout:
            machine.stdout.close()


@pytest.mark.parametrize(("form", "driver"), [("raw", "raw"), ("vhd", "vpc")])
@pytest.mark.qemu
def test_it_boots(tmp_path: Path, form: str, driver: str) -> None:
    main([str(tmp_path / "boot.img"), "--message", f"hello from {form}", "--format", form])
    assert serial_line(tmp_path / "boot.img", driver) == f"hello from {form}"


@pytest.mark.qemu
def test_qemu_agrees_that_it_is_a_fixed_vhd(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "boot.vhd"
    write_boot_image(path, "x", size_mib=3, format="vhd")
    info = subprocess.run(["qemu-img", "info", "-f", "vpc", "--output=json", path], capture_output=True, check=True)
    assert json.loads(info.stdout)["virtual-size"] == 3 << 20
    assert path.stat().st_size == (3 << 20) + 512


def test_it_is_sparse(tmp_path: Path) -> None:
    write_boot_image(tmp_path / "boot.img", "x", size_mib=64)
    assert (tmp_path / "boot.img").stat().st_blocks * 512 < 1 << 20


def test_equal_messages_make_equal_images(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_boot_image(tmp_path / name, "same", size_mib=1, format="vhd")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("message", ["x" * 400, "ümlaut"])
def test_a_message_that_does_not_fit_is_refused(message: str) -> None:
    with pytest.raises(ValueError):
        boot_sector(message)
