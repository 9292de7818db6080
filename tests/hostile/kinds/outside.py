"""Projects that name, or lead by links to, files that are not theirs."""

from __future__ import annotations

import socket

from hostile.scene import Build, Scene, fifo, linked, settings, source

FILES: dict[str, Build] = {
    "a file by ..": settings(more="manifests: [../elsewhere/netrc]\n"),
    "a file by its path": settings(more="manifests: ['{elsewhere}/token']\n"),
    "a folder": settings(more="manifests: ['{elsewhere}']\n"),
    "a manifest of somebody else": settings(more="manifests: [manifests, ../elsewhere/manifest.yaml]\n"),
    "the environment of the process": settings(more="manifests: [/proc/self/environ]\n"),
    "an open descriptor": settings(more="manifests: [/dev/fd/0, /proc/self/fd/1]\n"),
    "a key in the home folder": settings(more="manifests: ['{home}/.ssh/id_ed25519']\n"),
    "the home folder by ~": settings(more="manifests: ['~/.netrc', '~']\n"),
    "the home folder by a variable": settings(more="manifests: ['$HOME/.netrc', '${HOME}/.netrc']\n"),
    "a value that leads out": settings(more="values: {v: ../elsewhere}\nmanifests: ['${values.v}/netrc']\n"),
    "an environment of its own": settings(more="environments: {default: {manifests: [../elsewhere/netrc]}}\n"),
    "an included file": lambda scene: scene.write("manifests/b.yaml", "!include ../../elsewhere/netrc\n"),
    "an object of Python": lambda scene: scene.write(
        "manifests/b.yaml", f"!!python/object/apply:os.system ['touch {scene.ran}']\n"
    ),
    "certificates": settings("{type: emulator, ca: ../elsewhere/netrc}"),
    "data of an emulator": settings("{type: emulator, data: '{elsewhere}'}"),
    "a root": settings("{type: local, root: '{elsewhere}'}"),
    "a root by ..": settings("{type: local, root: ../elsewhere/folder}"),
    "the whole machine": settings("{type: local, root: /}"),
}

GLOBS: dict[str, Build] = {
    "files outside": settings(more="manifests: ['../elsewhere/*']\n"),
    "files outside, by a path": settings(more="manifests: ['{elsewhere}/**/*.yaml']\n"),
    "the whole machine": settings(more="manifests: ['/**/*.yaml']\n"),
    "the whole machine by ..": settings(more="manifests: ['../../../../../../../../**/*.yaml']\n"),
    "many stars": lambda scene: _deep(scene, "**/**/**/**/**/**/**/*.yaml"),
    "processes": settings(more="manifests: ['/proc/*/environ']\n"),
    "a class that never ends": settings(more="manifests: ['manifests/[[[[[[[[[!-]*']\n"),
}

LINKS: dict[str, Build] = {
    "a manifest": linked("manifests/b.yaml", "../../elsewhere/netrc"),
    "a manifest, by a path": linked("manifests/b.yaml", "{elsewhere}/secret.yaml"),
    "a manifest of somebody else": linked("manifests/b.yaml", "{elsewhere}/manifest.yaml"),
    "the folder of manifests": lambda scene: _moved(scene, "manifests", "{elsewhere}"),
    "a folder in it": linked("manifests/more", "{elsewhere}"),
    "the project file": linked("reconciler.yaml", "{elsewhere}/project.yaml"),
    "the project file, to what is none": linked("reconciler.yaml", "{elsewhere}/shadow"),
    "the environment of the process": linked("manifests/b.yaml", "/proc/self/environ"),
    "processes": linked("manifests/proc", "/proc"),
    "the whole machine": linked("manifests/root", "/"),
    "links that lead on": lambda scene: (
        (
            scene.link("manifests/b.yaml", "../one"),
            scene.link("one", "two"),
            scene.link("two", scene.elsewhere / "netrc"),
        )
    ),
    "a circle": linked("manifests/b.yaml", "b.yaml"),
    "a folder in itself": linked("manifests/more", "."),
    "regions": lambda scene: _moved(scene, "regions", "{elsewhere}"),
    "a region": lambda scene: _moved(scene, "regions/eastus", "{elsewhere}"),
    "an image": linked("images/a.img", "{elsewhere}/disk.img"),
    "the folder of images": lambda scene: _moved(scene, "images", "{elsewhere}"),
}

SOURCES: dict[str, Build] = {
    "a disk by ..": source("{file: ../../elsewhere/disk.img}"),
    "a disk by its path": source("{file: '{elsewhere}/disk.img'}"),
    "a disk in the home folder": source("{file: '~/.netrc'}"),
    "a file that is not there": source("{file: '{elsewhere}/nothing'}"),
    "a disk of the machine": source("{file: /dev/sda}"),
    "memory": source("{file: /proc/self/mem}"),
    "a folder": source("{file: '{elsewhere}'}"),
    "a value that leads out": lambda scene: (
        (
            scene.settings(more="values: {v: '{elsewhere}'}\n"),
            scene.version("{file: '${values.v}/disk.img'}"),
        )
    ),
    "a pinned digest": source(f"{{file: '{{elsewhere}}/disk.img', sha256: {'0' * 64}}}"),
    "a name with NUL": source('{file: "../images/a.img\\0/../../elsewhere/disk.img"}'),
}

DEVICES: dict[str, Build] = {
    "a pipe as a manifest": fifo("manifests/b.yaml"),
    "a pipe as the project file": fifo("reconciler.yaml"),
    "a pipe as an image": fifo("images/a.img"),
    "a pipe as the state": fifo(".reconciler/state.db"),
    "a pipe as the cache": fifo(".reconciler/cache"),
    "zeros as a manifest": linked("manifests/b.yaml", "/dev/zero"),
    "zeros as the project file": linked("reconciler.yaml", "/dev/zero"),
    "zeros as an image": linked("images/a.img", "/dev/zero"),
    "zeros as the state": settings(more="state: sqlite:////dev/zero\n"),
    "what is typed": linked("manifests/b.yaml", "/dev/stdin"),
    "a terminal": linked("manifests/b.yaml", "/dev/tty"),
    "a socket as a manifest": lambda scene: _socket(scene, "manifests/b.yaml"),
    "a folder as a manifest": lambda scene: scene.write("manifests/b.yaml/c.txt"),
    "a folder as the project file": lambda scene: _folder(scene, "reconciler.yaml"),
}


def _deep(scene: Scene, pattern: str) -> None:
    for number in range(150):
        (scene.project / "deep" / "/".join(f"d{number % depth}" for depth in range(2, 9))).mkdir(
            parents=True, exist_ok=True
        )
    scene.settings(more=f"manifests: ['{pattern}']\n")


def _moved(scene: Scene, path: str, target: str) -> None:
    (scene.project / path).rename(scene.project / f"{path}-before")
    scene.link(path, scene.filled(target))


def _socket(scene: Scene, path: str) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(scene.project / path))


def _folder(scene: Scene, path: str) -> None:
    (scene.project / path).unlink()
    scene.write(f"{path}/x")
