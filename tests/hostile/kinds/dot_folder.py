"""Projects that bring a `.reconciler` folder: links where files are made, a state and caches that somebody wrote."""

from __future__ import annotations

import json
import pickle
import sqlite3
from pathlib import Path

from hostile.scene import Build, Scene, linked, settings

from reconciler.applying.context import Interrupt
from reconciler.engine import Engine
from reconciler.planning.plan import PlanOptions

_MOST_PROCESSES = 3000
_ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT * FROM n"


def _names_of_processes(scene: Scene) -> None:
    """Links at every name that a process with a small number would make."""
    target = scene.elsewhere / "netrc"
    for name in (".reconciler/cache/settled-default.json.{}", ".reconciler/cache/noop-default.json.{}"):
        for number in range(1, _MOST_PROCESSES):
            scene.link(name.format(number), target)


def applied(scene: Scene) -> Path:
    """Applies the ordinary project as its owner would, and returns its state."""
    with Engine(scene.project) as engine:
        engine.apply(PlanOptions(), lambda _: True, Interrupt())
        engine.plan(PlanOptions())
    return scene.project / ".reconciler" / "state.db"


def _cache(scene: Scene) -> list[Path]:
    applied(scene)
    return sorted((scene.project / ".reconciler" / "cache").glob("*.json"))


def _cache_with(content: bytes) -> Build:
    def build(scene: Scene) -> None:
        for path in _cache(scene):
            path.write_bytes(content)

    return build


def _cache_that_leads_out(scene: Scene) -> None:
    for path in _cache(scene):
        text = path.read_text().replace(str(scene.project), str(scene.elsewhere)).replace("manifests/", "../elsewhere/")
        path.write_text(text.replace("images/a.img", "../elsewhere/disk.img"))


def _cache_links(scene: Scene) -> None:
    for path in _cache(scene):
        path.unlink()
        path.symlink_to(scene.elsewhere / "netrc")


class _Payload:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.trace), "a")


def _pickles(scene: Scene) -> None:
    content = pickle.dumps(_Payload(scene.ran))
    for path in _cache(scene):
        path.write_bytes(content)
        path.with_suffix(".pickle").write_bytes(content)


def _state_with_texts(scene: Scene) -> None:
    """A state whose texts want to be commands, and whose paths lead out."""
    path = applied(scene)
    with sqlite3.connect(path) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            for column in columns:
                changed = f"replace(replace({column}, 'eastus', '../../elsewhere'), 'Contoso', ?)"
                changing = f"UPDATE {table} SET {column} = {changed} WHERE typeof({column}) = 'text'"  # noqa: S608
                database.execute(changing, (json.dumps("\x1b[31m\n::error::PWN\u202e")[1:-1],))
    database.close()


def _state_with_triggers(scene: Scene) -> None:
    path = applied(scene)
    with sqlite3.connect(path) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            database.execute(f"ALTER TABLE {table} RENAME TO {table}_real")
            database.execute(f"CREATE VIEW {table} AS {_ENDLESS}")
    database.close()


def _state_of_another(content: bytes) -> Build:
    return lambda scene: scene.write(".reconciler/state.db", content)


def _damaged(scene: Scene) -> None:
    path = applied(scene)
    content = bytearray(path.read_bytes())
    content[4096 + 8 : 4096 + 200] = b"\xff" * 192
    path.write_bytes(content)


DOT_FOLDER: dict[str, Build] = {
    "a link": linked(".reconciler", "{elsewhere}"),
    "a link to nothing": linked(".reconciler", "{elsewhere}/new"),
    "a file": lambda scene: scene.write(".reconciler", "x"),
    "a link to the project": linked(".reconciler", "manifests"),
    "a link as its cache": linked(".reconciler/cache", "{elsewhere}"),
    "a link as its state": linked(".reconciler/state.db", "{elsewhere}/state.db"),
    "a link as its new state": linked(".reconciler/state.db", "{elsewhere}/new.db"),
    "a link beside its state": lambda scene: (
        (
            applied(scene),
            scene.link(".reconciler/state.db-wal", scene.elsewhere / "netrc"),
            scene.link(".reconciler/state.db-journal", scene.elsewhere / "token"),
        )
    ),
    "a link as its emulator": linked(".reconciler/emulator", "{elsewhere}"),
    "links at names of processes": _names_of_processes,
    "a state reached by a link in it": lambda scene: (
        (
            scene.link(".reconciler/out", scene.elsewhere),
            scene.settings(more="state: sqlite:///.reconciler/out/new.db\n"),
        )
    ),
    "a state in the project": settings(more="state: sqlite:///manifests/new.db\n"),
}

CACHES: dict[str, Build] = {
    "empty": _cache_with(b""),
    "no JSON": _cache_with(b"\xff\xfe\x00"),
    "deep JSON": _cache_with(b"[" * 200_000),
    "big numbers": _cache_with(b'{"format": ' + b"9" * 20_000 + b"}"),
    "a list": _cache_with(b"[1, 2]"),
    "paths that lead out": _cache_that_leads_out,
    "links": _cache_links,
    "pickled objects": _pickles,
    "texts in the state": _state_with_texts,
    "views that never end in the state": _state_with_triggers,
    "a state that is none": _state_of_another(b"hello"),
    "an empty state": _state_of_another(b""),
    "the head of a state": _state_of_another(b"SQLite format 3\0" + b"\xff" * 4096),
    "a damaged state": _damaged,
}
