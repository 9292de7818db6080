"""Projects that name servers, programs and files by URLs and ids: of the state, of libvirt, of Azure, of images."""

from __future__ import annotations

from hostile.scene import SUBSCRIPTION, Build, Scene, settings, source

_STATES = {
    "a file by ..": "sqlite:///../elsewhere/new.db",
    "a file by its path": "sqlite:///{elsewhere}/new.db",
    "a file of somebody else": "sqlite:///{elsewhere}/state.db",
    "passwords": "sqlite:////etc/passwd",
    "the configuration of git": "sqlite:///.git/config",
    "parameters of SQLite": "sqlite:///.reconciler/x.db?mode=rwc&vfs=unix-dotfile&cache=shared",
    "a URL in a URL": "sqlite:///file:{elsewhere}/new.db?mode=rwc",
    "a scheme of a file": "file:///{elsewhere}/new.db",
    "a scheme of a module": "os://x/y",
    "a scheme of a private module": "__init__://x/y",
    "a scheme of another folder": "../../elsewhere://x",
}
STATES: dict[str, Build] = {name: settings(more=f"state: '{url}'\n") for name, url in _STATES.items()}

_DATABASES = {
    "a server that asks for the password": "postgresql://app@127.0.0.1:{postgresql}/x",
    "the same by its name": "postgresql://app@localhost:{postgresql}/x?sslmode=disable",
    "a password in the URL": "postgresql://app:guess@127.0.0.1:{postgresql}/x",
    "a server among the options": "postgresql://app@/x?host=127.0.0.1&port={postgresql}",
    "an address among the options": "postgresql://app@db.example/x?hostaddr=127.0.0.1&port={postgresql}",
    "several servers": "postgresql://app@db.invalid,127.0.0.1:{postgresql}/x",
    "a file of passwords": "postgresql://app@127.0.0.1:{postgresql}/x?passfile={elsewhere}/netrc",
    "a service": "postgresql://app@127.0.0.1:{postgresql}/x?service=prod&servicefile={elsewhere}/netrc",
    "certificates": "postgresql://app@127.0.0.1:{postgresql}/x?sslmode=require&sslkey={home}/.ssh/id_ed25519",
    "options of the server": "postgresql://app@127.0.0.1:{postgresql}/x?options=-csearch_path%3Devil",
    "a socket of the project": "postgresql://app@/x?host={project}",
    "a log": "postgresql://app@127.0.0.1:{postgresql}/x?sslkeylogfile={elsewhere}/log",
    "another host": "postgresql://app@db.attacker.example/x",
    "an encoded host": "postgresql://app@%31%32%37.0.0.1:{postgresql}/x",
    "control characters": "postgresql://a%1b[31m@h%07/x%c2%9b%0a::error::PWN",
    "a schema of somebody else": "postgresql://app@127.0.0.1:{postgresql}/x?schema=pg_catalog",
}
DATABASES: dict[str, Build] = {name: settings(more=f"state: '{url}'\n") for name, url in _DATABASES.items()}

_LIBVIRT = {
    "a program of the project": "qemu+ssh://h/system?command=./x.sh",
    "a program by its path": "qemu+ssh://h/system?command={project}/x.sh",
    "another transport": "qemu+ext:///system?command={project}/x.sh",
    "a driver that makes folders": "qemu:///embed?root={elsewhere}/made",
    "a driver that reads files": "test:///{elsewhere}/netrc",
    "a driver that reads shadow": "test:////etc/shadow",
    "an option of ssh as the host": "qemu+ssh://-oProxyCommand=.%2fx.sh/system",
    "an option of ssh as the user": "qemu+ssh://-oProxyCommand=x@h/system",
    "a program at the other end": "qemu+ssh://127.0.0.1:{ssh}/system?netcat=x.sh&socket=/x",
    "a socket": "qemu+unix:///system?socket={project}/socket",
    "a proxy": "qemu+ssh://127.0.0.1:{ssh}/system?proxy=native",
    "a key": "qemu+libssh2://127.0.0.1:{ssh}/system?keyfile={home}/.ssh/id_ed25519",
    "certificates of the project": "qemu+tls://127.0.0.1:{tls}/system?pkipath={project}",
    "no verification": "esx://127.0.0.1:{tls}/?no_verify=1",
    "a password": "qemu+ssh://user:pass@127.0.0.1:{ssh}/system",
    "a builtin alias": "xen",
    "an alias that nobody has": "kvm-of-attacker",
    "a mode": "qemu:///system?mode=direct",
    "a second URI": "qemu+ssh://127.0.0.1:{ssh}/system#?command=./x.sh",
    "an encoded parameter": "qemu+ssh://127.0.0.1:{ssh}/system?%63ommand=./x.sh",
    "a quote for a shell": "qemu+ssh://h'$(touch ran)'/system",
    "an authentication file": "qemu+ssh://127.0.0.1:{ssh}/system?authfile={elsewhere}/netrc",
    "a name of libvirt's test driver": "test:///default",
}


def _libvirt(uri: str) -> Build:
    def build(scene: Scene) -> None:
        scene.program("x.sh")
        quoted = scene.filled(uri).replace('"', '\\"')
        scene.settings(f'{{type: libvirt, regions: {{eastus: {{uri: "{quoted}", pool: images}}}}}}')

    return build


LIBVIRT: dict[str, Build] = {name: _libvirt(uri) for name, uri in _LIBVIRT.items()}


def _cloud(endpoint: str, kind: str = "azure", more: str = "") -> Build:
    def build(scene: Scene) -> None:
        scene.write("ca.pem", scene.authority)
        ids = f"subscription: {SUBSCRIPTION}, resourceGroup: images"
        scene.settings(f"{{type: {kind}, {ids}, endpoint: '{scene.filled(endpoint)}'{more}}}")

    return build


ENDPOINTS: dict[str, Build] = {
    "a server of this machine": _cloud("https://127.0.0.1:{tls}"),
    "the same, with its certificate": _cloud("https://127.0.0.1:{tls}", more=", ca: ca.pem"),
    "without TLS": _cloud("http://127.0.0.1:{http}"),
    "a cloud as the user": _cloud("https://management.azure.com@127.0.0.1:{tls}"),
    "a cloud before a backslash": _cloud("https://127.0.0.1:{tls}\\@management.azure.com"),
    "a cloud as the beginning": _cloud("https://management.azure.com.attacker.example"),
    "a cloud with a path": _cloud("https://management.azure.com/../127.0.0.1:{tls}"),
    "letters that look alike": _cloud("https://management.\u0430zure.com"),
    "a dot of another script": _cloud("https://management\u3002azure\u3002com.attacker.example"),
    "an emulator of somebody else": _cloud("https://emulator.attacker.example", "emulator"),
    "an emulator by a number": _cloud("https://2130706433:{tls}", "emulator"),
    "an emulator behind this machine's name": _cloud("https://localhost.attacker.example:{tls}", "emulator"),
    "metadata of the machine": _cloud("https://169.254.169.254", "emulator"),
}


def _ids(**changed: str) -> Build:
    ids = {"subscription": SUBSCRIPTION, "resourceGroup": "images", **changed}
    return settings("{type: azure, " + ", ".join(f"{name}: '{value}'" for name, value in ids.items()) + "}")


_ACCOUNT = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/g/providers/Microsoft.Storage/storageAccounts"


def _storage(endpoint: str, account: str = f"{_ACCOUNT}/images") -> Build:
    storage = f"{{account: '{account}', container: images, endpoint: '{endpoint}'}}"
    return settings(f"{{type: azure, subscription: {SUBSCRIPTION}, resourceGroup: images, storage: {storage}}}")


IDS: dict[str, Build] = {
    "a subscription with a path": _ids(subscription=f"{SUBSCRIPTION}/../x"),
    "a subscription with a host": _ids(subscription="@127.0.0.1:{tls}/x"),
    "a group with a path": _ids(resourceGroup="../../../providers/x"),
    "a group with a query": _ids(resourceGroup="images?api-version=1&x="),
    "a group with a fragment": _ids(resourceGroup="images#x"),
    "an encoded group": _ids(resourceGroup="images%2f..%2fx"),
    "a name that is no ASCII": _ids(resourceGroup="im\u202eages"),
    "an account with a host": _storage("https://images.blob.core.windows.net", f"{_ACCOUNT}/images@127.0.0.1"),
    "an account of another provider": _storage("https://images.blob.core.windows.net", "/subscriptions/x/y"),
    "a source with a path": source("{managedImage: '/subscriptions/../../x'}"),
    "a source with a host": source("{managedImage: 'https://127.0.0.1:{http}/x'}"),
    "a source with a query": source(f"{{snapshot: '/subscriptions/{SUBSCRIPTION}?x=https://127.0.0.1:{{http}}'}}"),
}

DOWNLOADS: dict[str, Build] = {
    "storage of this machine": _storage("http://127.0.0.1:{http}/images"),
    "storage of another account": _storage("https://other.blob.core.windows.net"),
    "storage of somebody": _storage("https://images.blob.attacker.example"),
    "a user before storage": _storage("https://images.blob.core.windows.net@127.0.0.1:{tls}"),
    "a signature": _storage("https://images.blob.core.windows.net/?SIG=abcdef&se=1"),
    "a blob of this machine": source("{vhd: {uri: 'http://127.0.0.1:{http}/x.vhd'}}"),
    "a blob with a signature": source("{vhd: {uri: 'http://127.0.0.1:{http}/x.vhd?%73ig=secret&SharedKey=x'}}"),
    "metadata of the machine": source("{vhd: {uri: 'http://169.254.169.254/latest/meta-data'}}"),
    "a download of this machine": source(f"{{url: 'https://127.0.0.1:{{tls}}/a.img', sha256: {'0' * 64}}}"),
    "a download without TLS": source(f"{{url: 'http://127.0.0.1:{{http}}/a.img', sha256: {'0' * 64}}}"),
    "a file as a download": source(f"{{url: 'file://{{elsewhere}}/disk.img', sha256: {'0' * 64}}}"),
    "a file of another host": source(f"{{url: 'file://attacker.example/x', sha256: {'0' * 64}}}"),
    "other ways to download": source(f"{{url: 'ftp://127.0.0.1:{{http}}/a.img', sha256: {'0' * 64}}}"),
    "a download with a user": source(f"{{url: 'https://a:b@127.0.0.1:{{tls}}/a.img', sha256: {'0' * 64}}}"),
    "a download with a line break": source(f'{{url: "https://127.0.0.1:{{tls}}/a\\r\\nX: y", sha256: {"0" * 64}}}'),
}
