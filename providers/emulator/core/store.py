"""Everything the service keeps, in one SQLite file: resources and operations.

Every request reads what it needs and writes what it changed in one transaction, so nothing is lost when the process
is killed, and a second process on the same file sees the same world.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock

from reconciler.providers.emulator.core.arm import Body

_SCHEMA = """
CREATE TABLE IF NOT EXISTS resources (
    key TEXT PRIMARY KEY,          -- the id in lower case
    parent TEXT NOT NULL,          -- the key of what contains it: a resource, a group or a subscription
    type TEXT NOT NULL,            -- in lower case, such as microsoft.compute/galleries/images
    id TEXT NOT NULL,              -- as it was first written
    body TEXT NOT NULL,            -- what a GET shows, JSON
    hidden TEXT NOT NULL           -- what only the service knows of it, JSON
) STRICT;
CREATE INDEX IF NOT EXISTS resources_by_parent ON resources (parent, type, key);
CREATE INDEX IF NOT EXISTS resources_by_type ON resources (type, key);
CREATE TABLE IF NOT EXISTS operations (
    id TEXT PRIMARY KEY,
    key TEXT NOT NULL,             -- the resource it works on
    due REAL,                      -- when it ends, seconds since 1970; NULL when it is stuck
    done INTEGER NOT NULL,
    body TEXT NOT NULL             -- JSON
) STRICT;
CREATE INDEX IF NOT EXISTS operations_due ON operations (done, due);
CREATE INDEX IF NOT EXISTS operations_by_key ON operations (key, done);
"""


@dataclass(slots=True)
class Resource:
    """One resource: `body` as a GET shows it, `hidden` beside it. Changed in place, then `Store.put`."""

    id: str
    type: str
    parent: str
    body: Body
    hidden: Body = field(default_factory=dict)

    @property
    def key(self) -> str:
        return self.id.lower()

    @property
    def name(self) -> str:
        return self.id.rpartition("/")[2]

    @property
    def properties(self) -> Body:
        properties: Body = self.body.setdefault("properties", {})
        return properties


@dataclass(slots=True)
class AsyncOperation:
    """A long operation. `verb` is create, update, delete or share; `due` is None while it is stuck."""

    id: str
    key: str
    verb: str
    started: float
    due: float | None
    done: bool = False
    error: Body | None = None
    more: Body = field(default_factory=dict)

    @property
    def end(self) -> float:
        """When it ends. Raises: ValueError while it is stuck."""
        if self.due is None:
            raise ValueError(f"the operation '{self.id}' has no end. This is a bug.")
        return self.due


class Store:
    """The file. One transaction at a time: take `transaction()` around everything that belongs together."""

    def __init__(self, path: Path) -> None:
        self._lock = RLock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what happens inside."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def close(self) -> None:
        self._db.close()

    def get(self, resource_id: str) -> Resource | None:
        rows = self._select("key = ?", resource_id.lower())
        return rows[0] if rows else None

    def inside(self, parent: str, kind: str) -> list[Resource]:
        """The resources of a type directly in a parent, in the order of their ids."""
        return self._select("parent = ? AND type = ? ORDER BY key", parent.lower(), kind.lower())

    def of_type(self, kind: str, below: str = "") -> list[Resource]:
        """All resources of a type whose id begins with `below`, in the order of their ids."""
        start = below.lower()
        return self._select("type = ? AND key >= ? AND key < ? ORDER BY key", kind.lower(), start, start + "\uffff")

    def count(self, kind: str, region: str) -> int:
        """How many resources of a type have their home in a region."""
        where = "type = ? AND json_extract(hidden, '$.region') = ?"
        return int(self._db.execute(f"SELECT count(*) FROM resources WHERE {where}", (kind, region)).fetchone()[0])  # noqa: S608 - constants

    def all(self) -> list[Resource]:
        """All resources, in the order of their ids."""
        return self._select("TRUE ORDER BY key")

    def below(self, resource_id: str) -> list[Resource]:
        """Everything inside a resource or a group, at any depth."""
        start = f"{resource_id.lower()}/"
        return self._select("key >= ? AND key < ? ORDER BY key", start, start + "\uffff")

    def _select(self, where: str, *values: str) -> list[Resource]:
        rows = self._db.execute(f"SELECT id, type, parent, body, hidden FROM resources WHERE {where}", values)  # noqa: S608 - constants
        return [
            Resource(identity, kind, parent, json.loads(body), json.loads(hidden))
            for identity, kind, parent, body, hidden in rows.fetchall()
        ]

    def put(self, resource: Resource) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO resources VALUES (?, ?, ?, ?, ?, ?)",
            (
                resource.key,
                resource.parent.lower(),
                resource.type.lower(),
                resource.id,
                json.dumps(resource.body),
                json.dumps(resource.hidden),
            ),
        )

    def remove(self, resource_id: str) -> None:
        self._db.execute("DELETE FROM resources WHERE key = ?", (resource_id.lower(),))

    def put_operation(self, operation: AsyncOperation) -> None:
        body = {
            "verb": operation.verb,
            "started": operation.started,
            "error": operation.error,
            "more": operation.more,
        }
        self._db.execute(
            "INSERT OR REPLACE INTO operations VALUES (?, ?, ?, ?, ?)",
            (operation.id, operation.key, operation.due, int(operation.done), json.dumps(body)),
        )

    def operation(self, operation_id: str) -> AsyncOperation | None:
        operations = self._operations("id = ?", operation_id)
        return operations[0] if operations else None

    def due_operations(self, now: float) -> list[AsyncOperation]:
        """What is over by now and not yet settled, in the order in which it ended."""
        return self._operations("done = 0 AND due <= ? ORDER BY due, id", now)

    def running_operations(self, key: str) -> list[AsyncOperation]:
        """What is under way on a resource."""
        return self._operations("done = 0 AND key = ? ORDER BY id", key.lower())

    def stuck_operations(self) -> list[AsyncOperation]:
        return self._operations("done = 0 AND due IS NULL ORDER BY id")

    def _operations(self, where: str, *values: str | float) -> list[AsyncOperation]:
        rows = self._db.execute(f"SELECT id, key, due, done, body FROM operations WHERE {where}", values)  # noqa: S608 - constants
        operations = []
        for identity, key, due, done, text in rows.fetchall():
            body = json.loads(text)
            verb, started, error, more = (body[name] for name in ("verb", "started", "error", "more"))
            operations.append(AsyncOperation(identity, key, verb, started, due, bool(done), error, more))
        return operations
