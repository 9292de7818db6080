"""State stores for tests: places to open them on, the records to put in, and children that use them."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from support.paths import ROOT

from reconciler.manifests.address import Address
from reconciler.manifests.values import canonical_json, digest
from reconciler.state.opening import open_store
from reconciler.state.records import Intent, Record
from reconciler.state.store import StateStore, StateWrite

PROJECT = "corp-images"

SCHEMA_VERSION_1 = """
CREATE TABLE meta (schema_version INTEGER NOT NULL, project TEXT NOT NULL, lineage TEXT NOT NULL,
    serial BIGINT NOT NULL, fence BIGINT NOT NULL, signing_key TEXT NOT NULL);
CREATE TABLE records (address TEXT PRIMARY KEY, provider TEXT NOT NULL, object_id TEXT NOT NULL,
    canonical TEXT NOT NULL, digest TEXT NOT NULL, fingerprint TEXT NOT NULL, computed TEXT NOT NULL,
    dependencies TEXT NOT NULL, status TEXT NOT NULL, protect INTEGER NOT NULL, retain INTEGER NOT NULL);
CREATE TABLE intents (address TEXT PRIMARY KEY, unit TEXT NOT NULL, provider TEXT NOT NULL, verb TEXT NOT NULL,
    canonical TEXT NOT NULL, digest TEXT NOT NULL, run TEXT NOT NULL, started TEXT NOT NULL, handle TEXT NOT NULL);
CREATE TABLE runs (id TEXT PRIMARY KEY, command TEXT NOT NULL, holder TEXT NOT NULL, started TEXT NOT NULL,
    finished TEXT NOT NULL, outcome TEXT NOT NULL, git_commit TEXT NOT NULL, plan_digest TEXT NOT NULL,
    counts TEXT NOT NULL);
CREATE TABLE leases (gallery TEXT PRIMARY KEY, fence BIGINT NOT NULL, holder TEXT NOT NULL,
    since DOUBLE PRECISION NOT NULL, heartbeat DOUBLE PRECISION NOT NULL, expires DOUBLE PRECISION NOT NULL,
    ttl_s DOUBLE PRECISION NOT NULL);
INSERT INTO meta VALUES (1, 'corp-images', '0f3c', 41, 7,
    '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f');
INSERT INTO records VALUES ('corp', 'default', '/corp', '{"location":"eastus"}', 'd0', 'f0', '{}', '', 'ready', 1, 0);
INSERT INTO records VALUES ('corp/ubuntu', 'default', '/corp/ubuntu', '{"osType":"Linux"}', 'd1', 'f1', '{"n":1}',
    'corp', 'tainted', 0, 1);
INSERT INTO intents VALUES ('corp/debian', 'corp/debian', 'default', 'create', '{}', 'd2', 'run-1',
    '2026-01-02T03:04:05Z', '');
INSERT INTO runs VALUES ('run-1', 'apply', 'ada', '2026-01-02T03:04:00Z', '', 'running', 'abc', '', '{"create":2}');
INSERT INTO leases VALUES ('corp', 7, 'ada', 1.0, 2.0, 99.0, 60.0);
"""
"""A state as version 1 of the schema left it, in full: what users may still have does not change with the code."""


@dataclass
class Clock:
    """Time that passes when told to, in seconds since 1970."""

    now: float = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class StorePlace:
    """A place for one state; what was opened on it is closed at the end of the test."""

    url: str
    base: Path
    opened: list[StateStore] = field(default_factory=list)

    def open(self, project: str = PROJECT, clock: Callable[[], float] | None = None) -> StateStore:
        store = open_store(self.url, project, self.base, clock=clock)
        self.opened.append(store)
        return store

    def close(self) -> None:
        for store in self.opened:
            store.close()

    @property
    def file(self) -> Path:
        """The state file of a SQLite place."""
        return self.base / self.url.removeprefix("sqlite:///")

    def execute(self, sql: str) -> list[Any]:
        """The rows that SQL, given behind the store's back, returns."""
        if self.url.startswith("postgresql"):
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute("SET search_path TO reconciler")
                cursor = connection.execute(sql.encode())
                return cursor.fetchall() if cursor.description else []
        with closing(sqlite3.connect(self.file, isolation_level=None)) as database:
            return database.execute(sql).fetchall()

    def make_version_1(self) -> None:
        """Puts a state there as version 1 left it."""
        if self.url.startswith("postgresql"):
            self.execute("CREATE SCHEMA reconciler")
            self.execute(SCHEMA_VERSION_1)
            return
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.file)) as database:
            database.execute(f"PRAGMA application_id = {0x5265636F}")
            database.execute("PRAGMA journal_mode = WAL")
            database.executescript(SCHEMA_VERSION_1)

    def everything(self) -> str:
        """A digest of all that is there: a SQLite file's bytes, a database's rows."""
        if not self.url.startswith("postgresql"):
            return hashlib.sha256(self.file.read_bytes()).hexdigest()
        tables = ("meta", "records", "intents", "runs", "leases")
        return digest(repr([self.execute(f"TABLE {table} ORDER BY 1") for table in tables]))

    def child(self, code: str, *arguments: str, unprivileged: bool = False) -> subprocess.Popen[str]:
        """A process that runs `code` with `place` in hand and `arguments` in `sys.argv[3:]`.

        `unprivileged`: the rights of the files count for it even when the tests run as root.
        """
        start = "import sys; from pathlib import Path; from support.stores import *\n"
        start += "place = StorePlace(sys.argv[1], Path(sys.argv[2]))\n"
        command = [sys.executable, "-c", start + code, self.url, str(self.base), *arguments]
        if unprivileged and os.geteuid() == 0:
            command = ["setpriv", "--inh-caps=-all", "--bounding-set=-all", *command]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
        pipe = subprocess.PIPE  # its own input too: ours may be at its end already
        return subprocess.Popen(command, env=environment, text=True, stdin=pipe, stdout=pipe, stderr=pipe)

    def run_child(self, code: str, *arguments: str, unprivileged: bool = False) -> str:
        """What such a process printed once it has ended well."""
        with self.child(code, *arguments, unprivileged=unprivileged) as process:
            output, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        return output


def record(address: str, *dependencies: str, **changes: Any) -> Record:
    """A Record at `address`, built on `dependencies`."""
    canonical = canonical_json({"location": "eastus", "description": f"for {address}"})
    values = {
        "provider": "default",
        "object_id": f"/objects/{address}",
        "canonical": canonical,
        "digest": digest(canonical),
        "fingerprint": digest(address),
        "dependencies": addresses(dependencies),
    }
    return Record(address=Address.parse(address), **{**values, **changes})


def intent(address: str, **changes: Any) -> Intent:
    """An Intent to create `address`."""
    values = {
        "unit": Address.parse(address).unit,
        "provider": "default",
        "verb": "create",
        "canonical": '{"location":"eastus"}',
        "digest": "d0",
        "run": "run-1",
        "started": "2026-01-02T03:04:05Z",
    }
    return Intent(address=Address.parse(address), **{**values, **changes})


def put(*records: Record) -> StateWrite:
    """The change that puts `records`."""
    return StateWrite(put_records=records)


def addresses(texts: Iterable[str]) -> tuple[Address, ...]:
    return tuple(Address.parse(text) for text in texts)
