"""The local provider's directories as a place where lives happen: what is in them, and how it is damaged."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from fuzz.place import Snapshot
from support.killing import Killer

FILE_SYSTEM_CALLS = ("mkdir", "rename", "replace", "unlink", "rmdir", "fsync", "open", "chmod", "link")


class LocalPlace:
    """Three directories below one root; the fourth level down has the folders of versions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "regions"
        self.strangers: list[Path] = []
        self.settings: dict[str, Any] = {"type": "local", "root": "regions"}

    def install(self, killer: Killer) -> None:
        """Puts the killer around everything that changes a file or the state."""
        from reconciler.providers.local.provider import LocalProvider
        from reconciler.state.sql_store.store import SqlStore

        killer.wrap(SqlStore, "write")
        killer.wrap(LocalProvider, "begin")
        killer.wrap(os, *FILE_SYSTEM_CALLS)

    def close(self) -> None:
        """Nothing runs."""

    def fault(self, a: int, b: int) -> AbstractContextManager[bool]:
        return nullcontext(False)

    def _versions(self) -> list[Path]:
        found = self.root.glob("*/*/*/*")
        return sorted(path for path in found if path.is_dir() and not any(part[0] == "." for part in path.parts[-3:]))

    def snapshot(self) -> Snapshot:
        digests: Counter[tuple[str, str]] = Counter()
        replicas: Counter[tuple[str, str]] = Counter()
        for folder in self._versions():
            region = folder.relative_to(self.root).parts[0]
            found = [_digest(path) for path in sorted(folder.glob("replica-*")) if path.is_file()]
            digests.update((digest, region) for digest in set(found))
            replicas.update((digest, region) for digest in found)
        return Snapshot(digests, replicas)

    def everything(self) -> dict[str, str]:
        """Every path with its digest, and folders; marker files of regions are no objects."""
        found: dict[str, str] = {}
        for folder, names, files in os.walk(self.root):
            found |= {str((Path(folder) / name).relative_to(self.root)): "/" for name in names}
            found |= {str((Path(folder) / name).relative_to(self.root)): _digest(Path(folder) / name) for name in files}
        return found

    def leftovers(self) -> list[str]:
        """Files that are there when nothing should be. Markers of regions stay, and folders that damage has emptied."""
        strangers = {str(path.relative_to(self.root)) for path in self.strangers}
        files = {name for name, content in self.everything().items() if content != "/"}
        return sorted(name for name in files - strangers if os.path.basename(name) != ".reconciler-place")

    def damage(self, a: int, b: int, names: Collection[str]) -> str:
        folders = [folder for folder in self._versions() if self._name(folder) in names]
        if not folders:
            return ""
        folder = folders[a % len(folders)]
        return self._name(folder) if DAMAGES[b % len(DAMAGES)](folder) else ""

    def _name(self, folder: Path) -> str:
        region, *names = folder.relative_to(self.root).parts
        return f"{'/'.join(names)}@{region}"

    def add_stranger(self, a: int) -> bool:
        folders = self._versions()
        if not folders:
            return False
        path = folders[a % len(folders)] / "NOTES.txt"
        if path.exists():
            return False
        path.write_text("mine")
        self.strangers.append(path)
        return True

    def strangers_gone(self) -> list[str]:
        return [str(path) for path in self.strangers if not path.exists() or path.read_text() != "mine"]

    def forget_strangers(self) -> None:
        self.strangers = [path for path in self.strangers if path.exists()]

    def remove_strangers(self) -> None:
        for path in self.strangers:
            path.unlink()
        self.strangers.clear()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _replicas(folder: Path) -> list[Path]:
    return sorted(folder.glob("replica-*"))


def truncate(folder: Path) -> bool:
    for path in _replicas(folder)[:1]:
        path.chmod(0o644)
        os.truncate(path, 100)
        return True
    return False


def flip(folder: Path) -> bool:
    for path in _replicas(folder)[-1:]:
        path.chmod(0o644)
        content = bytearray(path.read_bytes())
        if len(content) < 201:
            return False
        content[200] ^= 0xFF
        path.write_bytes(content)
        return True
    return False


def lose_replica(folder: Path) -> bool:
    for path in _replicas(folder)[:1]:
        path.unlink()
        return True
    return False


def empty(folder: Path) -> bool:
    for path in folder.iterdir():
        path.unlink()
    return True


def lose_folder(folder: Path) -> bool:
    shutil.rmtree(folder)
    return True


def lose_description(folder: Path) -> bool:
    path = folder / "region.json"
    if path.exists():
        path.unlink()
        return True
    return False


def empty_description(folder: Path) -> bool:
    path = folder / "region.json"
    if path.exists():
        path.chmod(0o644)
        path.write_text("")
        return True
    return False


def one_inode(folder: Path) -> bool:
    """All replicas become names of one file."""
    replicas = _replicas(folder)
    for path in replicas[1:]:
        path.unlink()
        os.link(replicas[0], path)
    return len(replicas) > 1


def other_content(folder: Path) -> bool:
    """Almost another image in place of this one, of any length: what it has is no copy of anything published."""
    replicas = _replicas(folder)
    if not replicas:
        return False
    own = _digest(replicas[0])
    others = [path for path in sorted(folder.parent.parent.rglob("replica-*")) if _digest(path) != own]
    if not others:
        return False
    replicas[0].unlink()
    content = bytearray(others[0].read_bytes())
    content[:4] = b"else"  # every image begins otherwise
    replicas[0].write_bytes(content)
    return True


DAMAGES: tuple[Callable[[Path], bool], ...] = (
    truncate,
    flip,
    lose_replica,
    empty,
    lose_folder,
    lose_description,
    empty_description,
    one_inode,
    other_content,
)
