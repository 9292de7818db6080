"""The seed ISO from which cloud-init configures a new machine at its first start, without a network.

Source: cloud-init's documentation of the NoCloud data source: a file system labelled `cidata` with the files
`meta-data` and `user-data`.
"""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass

from reconciler.providers.errors import Unsupported

LABEL = "cidata"
_USER = re.compile(r"[a-z_][a-z0-9_-]{0,31}")
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_KEY = re.compile(r"(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/]+=*( .*)?")


@dataclass(frozen=True, slots=True)
class Seed:
    """The identity, host name and login of a machine. `ssh_keys` are public keys in OpenSSH's format.

    Raises: Unsupported if cloud-init or the guest would not accept a value.
    """

    instance: str
    host_name: str
    user: str = ""
    ssh_keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _HOST_NAME.fullmatch(self.host_name):
            raise Unsupported(f"invalid host name '{self.host_name}'", "use letters, digits and '-', at most 63")
        if self.user and not _USER.fullmatch(self.user):
            raise Unsupported(
                f"invalid user name '{self.user}'", "start with a lower-case letter; digits, '_' and '-' may follow"
            )
        for key in self.ssh_keys:
            if "PRIVATE KEY" in key:
                raise Unsupported(
                    "that is a private key, which must not leave this computer", "give the public key: FILE.pub"
                )
            if not _KEY.fullmatch(key):
                raise Unsupported(
                    f"'{key[:40]}' is not an OpenSSH public key", "give a file such as ~/.ssh/id_ed25519.pub"
                )

    def user_data(self) -> str:
        """The `#cloud-config` document, in JSON, which is valid YAML."""
        document: dict[str, object] = {
            "preserve_hostname": False,
            "hostname": self.host_name,
            "manage_etc_hosts": "localhost",  # one entry in /etc/hosts: sudo resolves the machine's own name
        }
        if self.user:
            document["users"] = [
                {
                    "name": self.user,
                    "shell": "/bin/bash",
                    "sudo": "ALL=(ALL) NOPASSWD:ALL",
                    "lock_passwd": True,
                    "ssh_authorized_keys": list(self.ssh_keys),
                }
            ]
        elif self.ssh_keys:
            document["ssh_authorized_keys"] = list(self.ssh_keys)
        return f"#cloud-config\n{json.dumps(document, indent=2)}\n"

    def meta_data(self) -> str:
        """The identity of the machine; a new `instance-id` makes cloud-init run again."""
        return json.dumps({"instance-id": self.instance, "local-hostname": self.host_name}) + "\n"


def seed_iso(seed: Seed) -> bytes:
    """An ISO 9660 file system with the seed's files, their names in Rock Ridge and Joliet as well."""
    import pycdlib

    image = pycdlib.PyCdlib()
    image.new(vol_ident=LABEL, joliet=3, rock_ridge="1.09")
    try:
        for name, short, text in (
            ("meta-data", "/METADATA.;1", seed.meta_data()),
            ("user-data", "/USERDATA.;1", seed.user_data()),
        ):
            content = text.encode()
            image.add_fp(io.BytesIO(content), len(content), short, rr_name=name, joliet_path=f"/{name}")
        written = io.BytesIO()
        image.write_fp(written)
        return written.getvalue()
    finally:
        image.close()
