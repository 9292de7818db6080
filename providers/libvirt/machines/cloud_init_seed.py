"""What tells a new machine who it is at its first start: a disc that cloud-init reads, without any network.

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
    """Whom a machine lets in, and its name. `ssh_keys` are public keys as OpenSSH writes them.

    Raises: Unsupported when cloud-init or the system in the machine would not take a value.
    """

    instance: str
    host_name: str
    user: str = ""
    ssh_keys: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not _HOST_NAME.fullmatch(self.host_name):
            raise Unsupported(f"'{self.host_name}' is not a host name", "letters, digits and '-', up to 63")
        if self.user and not _USER.fullmatch(self.user):
            raise Unsupported(
                f"'{self.user}' is not a user's name", "begin with a small letter; digits, '_' and '-' may follow"
            )
        for key in self.ssh_keys:
            if "PRIVATE KEY" in key:
                raise Unsupported("that is a private key, which stays where it is", "give the public one: FILE.pub")
            if not _KEY.fullmatch(key):
                raise Unsupported(
                    f"'{key[:40]}' is not a public key of OpenSSH", "give a file such as ~/.ssh/id_ed25519.pub"
                )

    def user_data(self) -> str:
        """The `#cloud-config` document; JSON, which is YAML."""
        document: dict[str, object] = {
            "preserve_hostname": False,
            "hostname": self.host_name,
            "manage_etc_hosts": "localhost",  # one line of it: sudo looks the machine's own name up
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
        """The identity of the machine; a new `instance-id` makes cloud-init begin anew."""
        return json.dumps({"instance-id": self.instance, "local-hostname": self.host_name}) + "\n"


def disc(seed: Seed) -> bytes:
    """An ISO 9660 file system with the seed's files, their names also in Rock Ridge and Joliet."""
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
