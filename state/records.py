"""What the state holds: records of objects, the journal of intents, and runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes


class Status(StrEnum):
    READY = "ready"
    TAINTED = "tainted"  # must be replaced


@dataclass(frozen=True, slots=True)
class Record:
    """What is known about one object after the last step that changed it.

    `digest` is the digest of the resource as it was declared, `canonical` its attributes as they were applied,
    `fingerprint` the provider's after that, `computed` what the provider computed (canonical JSON). `dependencies`
    are the addresses it depends on, in order, including its container. `protect` and `retain` outlive the manifest.
    `named` is the address under which the object was created, if it was moved since: objects keep their names.
    """

    address: Address
    provider: str
    object_id: str
    canonical: str
    digest: str
    fingerprint: str
    computed: str = "{}"
    dependencies: tuple[Address, ...] = ()
    status: Status = Status.READY
    protect: bool = False
    retain: bool = False
    named: Address | None = None

    @property
    def attributes(self) -> Attributes:
        attributes: Attributes = json.loads(self.canonical)
        return attributes

    @property
    def computed_values(self) -> Mapping[str, Any]:
        values: Mapping[str, Any] = json.loads(self.computed)
        return values


@dataclass(frozen=True, slots=True)
class Intent:
    """A journal entry: this step was about to start, and how it ended is not recorded.

    `unit` groups the steps of one operation; `verb` is `create`, `update` or `delete`; `canonical` is what was planned
    (`{}` for a delete); `handle` is the provider's, as JSON text, once the operation is in progress, else empty;
    `named` is the object's name where that is not the address.
    """

    address: Address
    unit: Address
    provider: str
    verb: str
    canonical: str
    digest: str
    run: str
    started: str
    handle: str = ""
    named: Address | None = None


RUNNING, INTERRUPTED = "running", "interrupted"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a command that may write. Times are ISO 8601 in UTC; `finished` is empty while it lasts.

    `outcome` is `running`, `done`, `failed` or `interrupted`; `counts` maps an action to how many were done.
    `plan_digest` is that of the plan file, where the run applied one: a file is used once, and its own runs continue
    it.
    """

    id: str
    command: str
    holder: str
    started: str
    finished: str = ""
    outcome: str = RUNNING
    git_commit: str = ""
    plan_digest: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """The directory, pool or resource group that a region of a provider was when the first object was created in it.

    `identity` is the provider's name for it: another place with the same path or settings has another identity.
    """

    provider: str
    region: str
    identity: str


@dataclass(frozen=True, slots=True)
class State:
    """A snapshot. `lineage` identifies the history it belongs to, `serial` grows with every write.

    `key` seals the owner marks; `sealed` is False in a state of an earlier release until all its marks are renewed.
    `places` are by provider and region.
    """

    lineage: str
    serial: int
    project: str
    records: Mapping[Address, Record] = field(default_factory=dict)
    intents: Mapping[Address, Intent] = field(default_factory=dict)
    places: Mapping[tuple[str, str], Place] = field(default_factory=dict)
    key: bytes = field(default=b"", repr=False)
    sealed: bool = True
