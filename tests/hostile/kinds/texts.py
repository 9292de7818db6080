"""Projects whose texts want to be commands of terminals, of CI systems and of documents; and those that are too big."""

from __future__ import annotations

import os

from hostile.scene import DEFINITION, GALLERY, Build, Scene
from support.projects.oversized import write_project

_COMMANDS = {
    "colours": "\x1b[31mred\x1b]0;title\x07",
    "C1 controls": "\x9b31mred\x9d0;title\x9c",
    "commands of a workflow": "\n::error file=x::PWN\n::add-mask::x\n::stop-commands::t",
    "commands after other line ends": "a\r::error::PWN\x85::error::PWN\u2028::error::PWN\u2029::error::PWN",
    "commands of another CI": "\n##[error]PWN\n##vso[task.setvariable variable=x]y",
    "directions": "\u202egnp.exe\u2066x\u2069\u200f",
    "markup": "[red]x[/red][link=https://attacker.example]click[/link]",
    "Markdown": "| x |\n\n# heading\n@everyone <script>alert(1)</script> ![](https://attacker.example/x.png) `x`",
    "graphs": '"]; evil [label="x"]; -->|x| a["click"]',
    "words of a secret": "password=hunter2 Bearer abcdefgh SIG=abcdefg",
}


def _yaml(text: str) -> str:
    """Any text as YAML in double quotes, with everything but ASCII escaped."""
    return '"' + "".join(c if " " <= c <= "~" and c not in '"\\' else f"\\U{ord(c):08x}" for c in text) + '"'


def _texts(text: str) -> Build:
    """A project with a text wherever any text may be."""

    def build(scene: Scene) -> None:
        written = _yaml(text)
        gallery = f"{GALLERY}description: {written}\ntags: {{{_yaml('t' + text[:100])}: {written}}}\n"
        eula = f"description: {written}\neula: {written}\nreleaseNoteUri: {_yaml('https://x/' + text)}\n"
        scene.write("manifests/a.yaml", f"{gallery}---\n{DEFINITION}{eula}")

    return build


def _names(text: str) -> Build:
    """A project with a text in the place of names, keys, kinds and values."""

    def build(scene: Scene) -> None:
        written = _yaml(text)
        scene.write(
            "manifests/b.yaml", f"kind: {written}\nname: {written}\n---\nkind: Gallery\nname: {written}\n{written}: 1\n"
        )
        scene.settings(
            f"{{type: local, root: {written}}}", f"values: {{v: {written}}}\nenvironments: {{{written}: {{}}}}\n"
        )

    return build


def _raw(text: bytes) -> Build:
    return lambda scene: scene.write("manifests/b.yaml", b"kind: Gallery\nname: " + text + b"\n")


def _file_name(name: bytes) -> Build:
    def build(scene: Scene) -> None:
        path = os.fsencode(scene.project / "manifests") + b"/" + name
        with open(path, "wb") as file:
            file.write(b"kind: Galery\nname: x\n")

    return build


TEXTS: dict[str, Build] = {
    **{f"{name} as texts": _texts(text) for name, text in _COMMANDS.items()},
    **{f"{name} as names": _names(text) for name, text in _COMMANDS.items()},
    "raw escapes": _raw(b"\x1b[31m\x07"),
    "raw C1 controls": _raw(b"\xc2\x9b31m"),
    "raw bytes": _raw(b"\xff\xfe\x80"),
    "a file name with a command": _file_name(b"b\n::error::PWN\x1b[31m.yaml"),
    "a file name of bytes": _file_name(b"b\xff\xfe.yaml"),
    "a file name with directions": _file_name("b\u202elmay.yaml".encode()),
}

_OVERSIZED = (
    "a long value in one string",
    "aliases of aliases",
    "nested anchors",
    "200,000 documents",
    "200,000 unknown keys",
    "deep brackets",
    "long digits",
)


def _oversized(name: str) -> Build:
    def build(scene: Scene) -> None:
        for path in (*scene.project.glob("manifests/*"), scene.project / "reconciler.yaml"):
            path.unlink()
        (scene.project / "manifests").rmdir()
        write_project(scene.project, name)

    return build


OVERSIZED: dict[str, Build] = {name: _oversized(name) for name in _OVERSIZED}
