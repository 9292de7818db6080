"""Everything that the service stores, in one SQLite file: resources and asynchronous operations.

Every request reads and writes in one transaction, so that nothing is lost when the process is killed, and a second
process on the same file sees the same resources.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock

from reconciler.providers.emulator.core.arm import Body

_SCHEMA = """
CREATE TABLE IF NOT EXISTS resources (
    key TEXT PRIMARY KEY,          -- the id in lower case
    parent TEXT NOT NULL,          -- the key of its container: a resource, a group or a subscription
    type TEXT NOT NULL,            -- in lower case, such as microsoft.compute/galleries/images
    id TEXT NOT NULL,              -- as it was first written
    body TEXT NOT NULL,            -- what a GET returns, JSON
    hidden TEXT NOT NULL           -- what no answer shows, JSON
) STRICT;
CREATE INDEX IF NOT EXISTS resources_by_parent ON resources (parent, type, key);
CREATE INDEX IF NOT EXISTS resources_by_type ON resources (type, key);
CREATE TABLE IF NOT EXISTS operations (
    id TEXT PRIMARY KEY,
    key TEXT NOT NULL,             -- the resource that it changes
    due REAL,                      -- when it ends, seconds since 1970; NULL when it is stuck
    done INTEGER NOT NULL,
    body TEXT NOT NULL             -- JSON
) STRICT;
CREATE INDEX IF NOT EXISTS operations_due ON operations (done, due);
CREATE INDEX IF NOT EXISTS operations_by_key ON operations (key, done);
CREATE TABLE IF NOT EXISTS emulator (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    id TEXT NOT NULL               -- which store this is
) STRICT;
"""


@dataclass(slots=True)
class Resource:
    """One resource: `body` as a GET returns it, and `hidden` values that no answer shows. Change it in place, then call
    `Store.put`."""

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
    """An asynchronous operation. `verb` is create, update, delete, share or expire; `due` is None while it is stuck."""

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
    """The file. One transaction at a time: put `transaction()` around everything that belongs together."""

    def __init__(self, path: Path) -> None:
        self._lock = RLock()
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.executescript(_SCHEMA)
        self._db.execute("INSERT OR IGNORE INTO emulator VALUES (1, ?)", (str(uuid.uuid4()),))

    @property
    def emulator_id(self) -> str:
        """The id that this store got when it was created."""
        with self._lock:
            return str(self._db.execute("SELECT id FROM emulator").fetchone()[0])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commits everything that happens inside, or nothing."""
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

    def inside(self, parent: str, resource_type: str) -> list[Resource]:
        """The resources of a type directly in a parent, sorted by id."""
        return self._select("parent = ? AND type = ? ORDER BY key", parent.lower(), resource_type.lower())

    def of_type(self, resource_type: str, below: str = "") -> list[Resource]:
        """All resources of a type whose id starts with `below`, sorted by id."""
        start = below.lower()
        return self._select(
            "type = ? AND key >= ? AND key < ? ORDER BY key", resource_type.lower(), start, start + "\uffff"
        )

    def count(self, resource_type: str, region: str) -> int:
        """The number of resources of a type whose home is a region."""
        where = "type = ? AND json_extract(hidden, '$.region') = ?"
        row = self._db.execute(f"SELECT count(*) FROM resources WHERE {where}", (resource_type, region)).fetchone()  # noqa: S608 - constants
        return int(row[0])

    def all(self) -> list[Resource]:
        """All resources, sorted by id."""
        return self._select("TRUE ORDER BY key")

    def below(self, resource_id: str) -> list[Resource]:
        """Everything in a resource or a group, at any depth."""
        start = f"{resource_id.lower()}/"
        return self._select("key >= ? AND key < ? ORDER BY key", start, start + "\uffff")

    def _select(self, where: str, *values: str) -> list[Resource]:
        rows = self._db.execute(f"SELECT id, type, parent, body, hidden FROM resources WHERE {where}", values)  # noqa: S608 - constants
        return [
            Resource(identity, resource_type, parent, json.loads(body), json.loads(hidden))
            for identity, resource_type, parent, body, hidden in rows.fetchall()
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
        """The operations that are due and not yet ended, the earliest first."""
        return self._operations("done = 0 AND due <= ? ORDER BY due, id", now)

    def running_operations(self, key: str) -> list[AsyncOperation]:
        """The operations on a resource that have not ended."""
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
