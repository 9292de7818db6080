"""`Scene`: a folder with a project, the user's home and other people's files, and how hostile projects are written."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from hostile.canaries import write_canaries

LOCAL = "{type: local, root: regions}"
GALLERY = "kind: Gallery\nname: corp\nlocation: eastus\n"
DEFINITION = """\
kind: ImageDefinition
gallery: corp
name: web
osType: Linux
osState: Generalized
hyperVGeneration: V1
identifier: {publisher: Contoso, offer: Web, sku: s}
"""
SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything lies below `root`; `ports` are those of listeners on this machine."""

    root: Path
    ports: Mapping[str, int]
    authority: bytes

    @property
    def project(self) -> Path:
        return self.root / "project"

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def elsewhere(self) -> Path:
        return self.root / "elsewhere"

    @property
    def ran(self) -> Path:
        """Where a program of the project leaves its trace."""
        return self.root / "ran"

    def write(self, path: str, text: str | bytes = "") -> Path:
        """A file of the project."""
        file = self.project / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return file

    def program(self, path: str) -> Path:
        """A program of the project that leaves a trace when it runs."""
        file = self.write(path, f'#!/bin/sh\necho "$0 $*" >> {self.ran}\nexit 1\n')
        file.chmod(0o755)
        return file

    def module(self, path: str) -> None:
        """A module of the project that leaves a trace when it is imported."""
        self.write(path, f"open({str(self.ran)!r}, 'a').write(__name__)\n")

    def link(self, path: str, target: str | Path) -> Path:
        """A link in the project, in place of whatever is there."""
        link = self.project / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target)
        return link

    def filled(self, text: str) -> str:
        """The text with {elsewhere}, {home}, {project} and the ports of listeners ({http}, {tls}, ...) filled in."""
        places = {"elsewhere": self.elsewhere, "home": self.home, "project": self.project, **self.ports}
        for name, value in places.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text

    def settings(self, provider: str = LOCAL, more: str = "") -> Path:
        """The project file."""
        return self.write("reconciler.yaml", self.filled(f"project: hostile\nprovider: {provider}\n{more}"))

    def version(self, source: str, more: str = "") -> Path:
        """Adds a version with this source to the manifests."""
        text = f"kind: ImageVersion\nimage: corp/web\nname: 1.0.0\ntargetRegions: [eastus]\nsource: {source}\n{more}"
        return self.write("manifests/version.yaml", self.filled(text))

    def image(self, path: str = "images/a.img", content: bytes = b"") -> Path:
        return self.write(path, content or b"image".ljust(64 * 512, b"\0"))


Build = Callable[[Scene], object]
"""Makes the ordinary project of a scene hostile."""


@dataclass(frozen=True, slots=True)
class Hostile:
    """One project: its `kind`, what it tries, and how it is made."""

    kind: str
    tries: str
    build: Build

    def __str__(self) -> str:
        return f"{self.kind}: {self.tries}"


def new_scene(root: Path, ports: Mapping[str, int], authority: bytes) -> Scene:
    """A scene with an ordinary project, and canaries around it."""
    scene = Scene(root, ports, authority)
    for folder in (scene.project, scene.home, scene.elsewhere):
        folder.mkdir(parents=True)
    write_canaries(scene.home, scene.elsewhere)
    (scene.project / "regions" / "eastus").mkdir(parents=True)
    scene.settings()
    scene.write("manifests/a.yaml", f"{GALLERY}---\n{DEFINITION}")
    scene.image()
    scene.version("{file: ../images/a.img}")
    return scene


def settings(provider: str = LOCAL, more: str = "") -> Build:
    """Makes a project with this project file."""
    return lambda scene: scene.settings(provider, more)


def source(text: str, more: str = "") -> Build:
    """Makes a project with a version of this source."""
    return lambda scene: scene.version(text, more)


def linked(path: str, target: str) -> Build:
    """Makes a project in which `path` is a link; names as in `Scene.filled`."""
    return lambda scene: scene.link(path, scene.filled(target))


def fifo(path: str) -> Build:
    """Makes a project in which `path` is a pipe that nobody writes to."""

    def build(scene: Scene) -> None:
        pipe = scene.project / path
        pipe.parent.mkdir(parents=True, exist_ok=True)
        pipe.unlink(missing_ok=True)
        os.mkfifo(pipe)

    return build
