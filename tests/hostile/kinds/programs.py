"""Projects with programs and modules that something might run, and with settings of programs."""

from __future__ import annotations

from hostile.scene import SUBSCRIPTION, Build, Scene

_GIT_CONFIG = """\
[core]
    repositoryformatversion = 0
    fsmonitor = "{project}/x.sh"
    pager = "{project}/x.sh"
    sshCommand = "{project}/x.sh"
    hooksPath = "{project}"
    editor = "{project}/x.sh"
    alternateRefsCommand = "{project}/x.sh"
[diff]
    external = "{project}/x.sh"
[gpg]
    program = "{project}/x.sh"
[alias]
    rev-parse = "!{project}/x.sh"
[credential]
    helper = "!{project}/x.sh"
[filter "x"]
    process = "{project}/x.sh"
    required = true
"""
_SHADOWED = ("yaml", "typer", "rich", "pydantic", "sqlite3", "encodings", "site", "json", "psycopg", "azure", "libvirt")


def _git(scene: Scene) -> None:
    scene.program("x.sh")
    for hook in ("post-checkout", "pre-commit", "post-index-change", "fsmonitor-watchman", "reference-transaction"):
        scene.program(hook)
    scene.write(".git/config", scene.filled(_GIT_CONFIG))
    scene.write(".git/HEAD", "ref: refs/heads/main\n")
    scene.write(".git/refs/heads/main", "1" * 40 + "\n")
    scene.write(".git/objects/info/alternates", f"{scene.elsewhere}\n")
    scene.write(".gitattributes", "* filter=x diff=x\n")


def _git_elsewhere(scene: Scene) -> None:
    scene.write(".git", f"gitdir: {scene.elsewhere}\n")


def _git_includes(scene: Scene) -> None:
    scene.write(".git/HEAD", "ref: refs/heads/main\n")
    scene.write(".git/refs/heads/main", "1" * 40 + "\n")
    scene.write(".git/objects/x", "")
    scene.write(
        ".git/config", f"[include]\n path = {scene.elsewhere}/netrc\n[include]\n path = {scene.elsewhere}/token\n"
    )


def _programs(*paths: str, provider: str = "") -> Build:
    def build(scene: Scene) -> None:
        for path in paths:
            scene.program(path)
        if provider:
            scene.settings(provider)

    return build


def _modules(scene: Scene) -> None:
    for name in _SHADOWED:
        scene.module(f"{name}.py")
        scene.module(f"manifests/{name}.py")


def _packages(scene: Scene) -> None:
    for name in ("reconciler", "manifests", "providers", "state"):
        scene.module(f"{name}/__init__.py")
    scene.module("reconciler/__main__.py")
    scene.module("providers/hostile/provider.py")


def _started(scene: Scene) -> None:
    for name in ("sitecustomize", "usercustomize", "conftest"):
        scene.module(f"{name}.py")
    scene.write("x.pth", f"import os; open({str(scene.ran)!r}, 'a')\n")
    scene.write("pyvenv.cfg", "home = .\n")
    scene.write("python311._pth", ".\nimport site\n")


def _entry_points(scene: Scene) -> None:
    scene.write("hostile-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: hostile\nVersion: 1\n")
    scene.write("hostile-1.dist-info/entry_points.txt", "[reconciler.providers]\nhostile = hostile:create_provider\n")
    scene.module("hostile.py")
    scene.settings("{type: hostile}")


def _environment_files(scene: Scene) -> None:
    scene.program("x.sh")
    scene.write(".env", "LD_PRELOAD=./x.so\nPATH=.\n")
    scene.write("libvirt.conf", 'uri_aliases = ["kvm=qemu+ssh://h/system?command=./x.sh"]\n')
    scene.write(".ssh/config", "Host *\n ProxyCommand ./x.sh\n")
    scene.write("settings.yaml", f"directories: [{scene.elsewhere}]\n")
    scene.write(".config/reconciler/settings.yaml", f"directories: [{scene.elsewhere}]\n")
    scene.settings(more="settings: settings.yaml\n")


def _settings_in_project_file(scene: Scene) -> None:
    scene.settings(more="directories: ['{elsewhere}']\nlibvirt: {uris: ['qemu:///x']}\nmanifests: ['{elsewhere}/*']\n")


_PROVIDERS = ("../x", "os", "local.settings", "azure.bodies", "loc\u202eal", "hostile:run", "subprocess", "__init__")


def _provider(name: str) -> Build:
    return lambda scene: scene.settings(f"{{type: {name!r}, root: regions}}")


PROGRAMS: dict[str, Build] = {
    "settings and hooks of git": _git,
    "a folder of git elsewhere": _git_elsewhere,
    "settings of git that include files": _git_includes,
    "git, az and ssh": _programs("git", "az", "ssh", "qemu-img", "bin/git", "python3"),
    "programs of Azurite": _programs(
        ".tools/node_modules/.bin/azurite-blob",
        "node_modules/.bin/azurite-blob",
        "azurite-blob",
        provider="{type: emulator}",
    ),
    "the sign-in of Azure": _programs(
        "az", "azd", "pwsh", provider=f"{{type: azure, subscription: {SUBSCRIPTION}, resourceGroup: '?'}}"
    ),
    "modules": _modules,
    "packages": _packages,
    "modules that Python loads by itself": _started,
    "a provider": _entry_points,
    "files that set things": _environment_files,
    "the runner's settings in the project file": _settings_in_project_file,
}
PROJECT_FILES: dict[str, Build] = {
    **{f"a provider {name!r}": _provider(name) for name in _PROVIDERS},
    "no mapping": lambda scene: scene.write("reconciler.yaml", "- a\n"),
    "no YAML": lambda scene: scene.write("reconciler.yaml", b"\x00\xff\xfe\x1b[31m"),
    "a name with a path": lambda scene: scene.write("reconciler.yaml", "project: ../../x\nprovider: {type: local}\n"),
    "an environment with a path": lambda scene: scene.settings(
        more="environments: {'../../x': {values: {v: a}}}\ndefaultEnvironment: ../../x\n"
    ),
    "keys that are no text": lambda scene: scene.settings(more="? {a: b}\n: c\n1: 2\n~: x\n"),
    "every type of value": lambda scene: scene.settings(
        more="values: {a: .nan, b: 0x7fffffffffffffff, c: 1e999, d: ~}\n"
    ),
}
