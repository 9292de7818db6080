"""The seeds of machines, checked by cloud-init itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.libvirt import cloud_init

from reconciler.providers.libvirt.machines.cloud_init_seed import Seed, seed_iso

pytestmark = pytest.mark.libvirt

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA ada@home"


def test_a_machine_takes_its_identity_from_the_seed(tmp_path: Path) -> None:
    """It runs again under another identity, as it must in a machine from a captured image."""
    look = "hostname; cat /etc/hosts; grep ^ada /etc/passwd; cat /home/ada/.ssh/authorized_keys; cat /etc/sudoers.d/*"
    seeds = [seed_iso(Seed("first", "lovelace", "ada", (KEY,))), seed_iso(Seed("second", "babbage", "ada", (KEY,)))]
    first, second = cloud_init.start(tmp_path, seeds, look)
    assert first.startswith("lovelace\n")
    assert "\n127.0.1.1\tlovelace\tlovelace\n" in first
    assert "\nada:x:" in first
    assert KEY in first
    assert "ada ALL=(ALL) NOPASSWD:ALL" in first
    assert second.startswith("babbage\n")
    assert "\n127.0.1.1\tbabbage\tbabbage\n" in second


def test_the_seed_is_valid_by_cloud_inits_own_schema(tmp_path: Path) -> None:
    seeds = (Seed("i", "web1", "ada", (KEY,)), Seed("i", "web1", "", (KEY,)), Seed("i", "web1"))
    assert all(fits_the_schema(tmp_path, seed.user_data()) for seed in seeds)
    assert not fits_the_schema(tmp_path, "#cloud-config\nhostname: [web1]\n")


def fits_the_schema(folder: Path, text: str) -> bool:
    (folder / "user-data").write_text(text)
    words = ["cloud-init", "schema", "--config-file", str(folder / "user-data")]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0
