"""Canaries: secrets that a hostile project must not get at, in the environment and in files outside of the project."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

MARK = "CANARY"
"""How every secret begins, and nothing else: a part of one is as bad as all of it."""

ENVIRONMENT: Mapping[str, str] = {
    "AZURE_TENANT_ID": "11111111-2222-3333-4444-555555555555",
    "AZURE_CLIENT_ID": "66666666-7777-8888-9999-000000000000",
    "AZURE_CLIENT_SECRET": f"{MARK}azureclient41",
    "AZURE_STORAGE_KEY": f"{MARK}storagekey42",
    "GITHUB_TOKEN": f"{MARK}githubtoken43",
    "PGPASSWORD": f"{MARK}pgpassword44",
    "RECONCILER_EMULATOR_TENANT_ID": "11111111-2222-3333-4444-555555555555",
    "RECONCILER_EMULATOR_CLIENT_ID": "66666666-7777-8888-9999-000000000000",
    "RECONCILER_EMULATOR_CLIENT_SECRET": f"{MARK}emulator45",
}
"""What CI has in its environment."""

_HOME = {
    ".netrc": f"machine 127.0.0.1 login deploy password {MARK}netrc51\n",
    ".pgpass": f"db.example:5432:*:app:{MARK}pgpass52\n",
    ".ssh/id_ed25519": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{MARK}sshkey53\n-----END OPENSSH PRIVATE KEY-----\n",
    ".azure/msal_token_cache.json": f'{{"AccessToken": {{"secret": "{MARK}azuretoken54"}}}}\n',
    ".config/gcloud/credentials.json": f'{{"type": "service_account", "private_key": "{MARK}gcloud55"}}\n',
    ".aws/credentials": f"[default]\naws_secret_access_key = {MARK}aws56\n",
    ".kube/config": f"kind: Config\nusers: [{{name: a, user: {{token: {MARK}kube57}}}}]\n",
}
_ELSEWHERE = {
    "netrc": f"machine internal.example login deploy password {MARK}netrc61\n",
    "token": f"{MARK}token62" * 60,
    "shadow": f"root:{MARK}shadow63:20228:0:99999:7:::\n",
    "secret.yaml": f"password: {MARK}yaml64\nkind: Secret\n",
    "manifest.yaml": f"kind: Gallery\nname: {MARK.lower()}\nlocation: eastus\ndescription: {MARK}manifest65\n",
    "project.yaml": f"project: stolen\nvalues: {{v: {MARK}project66}}\nprovider: {{type: local, root: regions}}\n",
    "disk.img": f"{MARK}disk67".ljust(64 * 512, "\0"),
    "folder/deep.yaml": f"secret: {MARK}deep68\n",
    "state.db": f"SQLite format 3\0{MARK}state69",
}


def write_canaries(home: Path, elsewhere: Path) -> None:
    """Writes the files of the user's home folder, and those of another one."""
    for folder, files in ((home, _HOME), (elsewhere, _ELSEWHERE)):
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def forms() -> Iterator[bytes]:
    """What a secret looks like where it is sent or written: as it is, and as the base64 of it at every offset."""
    for text in (MARK, MARK.lower(), quote(MARK)):
        yield text.encode()
    for before in range(3):
        encoded = b64encode(b"x" * before + MARK.encode())
        yield encoded[(0, 2, 3)[before] : -4]


FORMS = tuple(forms())


def found_in(content: bytes) -> list[bytes]:
    """The forms of canaries in some bytes, with what follows them."""
    return [content[at : at + 40] for form in FORMS if (at := content.find(form)) >= 0]
