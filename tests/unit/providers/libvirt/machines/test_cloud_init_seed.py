"""The seed ISO of a machine, read back as another program would."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from support.libvirt.seeds import read_seed

from reconciler.providers.errors import Unsupported
from reconciler.providers.libvirt.machines.cloud_init_seed import Seed, seed_iso

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA ada@home"


def test_the_seed_contains_the_identity_and_the_login(tmp_path: Path) -> None:
    content = seed_iso(Seed("instance-1", "web1", "ada", (KEY,)))
    assert json.loads(read_seed(content, "meta-data")) == {"instance-id": "instance-1", "local-hostname": "web1"}
    first, rest = read_seed(content, "user-data").split("\n", 1)
    assert first == "#cloud-config"
    (user,) = json.loads(rest)["users"]
    assert (user["name"], user["ssh_authorized_keys"], user["lock_passwd"]) == ("ada", [KEY], True)
    path = tmp_path / "seed.iso"
    path.write_bytes(content)
    label = subprocess.run(["blkid", "-o", "value", "-s", "LABEL", path], capture_output=True, text=True, check=True)
    assert label.stdout.strip() == "cidata"  # what cloud-init looks for


def test_without_a_user_the_image_decides_which_users_exist() -> None:
    document = json.loads(read_seed(seed_iso(Seed("i", "web1", "", (KEY,))), "user-data").split("\n", 1)[1])
    assert "users" not in document
    assert document["ssh_authorized_keys"] == [KEY]


@pytest.mark.parametrize(
    ("host_name", "user", "key", "message"),
    [
        ("-web", "", "", "invalid host name"),
        ("web.example.org", "", "", "invalid host name"),
        ("web", "Ada Lovelace", "", "invalid user name"),
        ("web", "ada\nroot", "", "invalid user name"),
        ("web", "ada", "-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
        ("web", "ada", "hello", "not an OpenSSH public key"),
    ],
)
def test_unusable_values_are_refused(host_name: str, user: str, key: str, message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        Seed("i", host_name, user, (key,) if key else ())
