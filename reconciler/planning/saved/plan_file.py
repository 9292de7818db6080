"""Saved plans: written and read back.

A plan file is JSON. Its body is signed with a key from the state: it cannot be altered, and is valid for that state
only. The body says what the plan is bound to, and until when. Approvals are beside it, as people make them later.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from reconciler.errors import BadPlanFile
from reconciler.json_codec import decode, encode
from reconciler.manifests.private_files import read_regular, write_private
from reconciler.manifests.values import canonical_json
from reconciler.manifests.words import for_shell
from reconciler.planning.plan import Plan

FORMAT = 6
_PLAIN_FORMAT = 5
"""Plans of this format know contents by the plain sha256 of all bytes, under another name."""
_REMEDY = "make a new plan with: reconciler plan --out FILE"


def plan_json(plan: Plan) -> dict[str, Any]:
    """A plan as JSON-shaped data: the form of `plan --json` and of the file."""
    data: dict[str, Any] = encode(plan)
    return data


def plan_digest(plan: Plan) -> str:
    """The sha256, in hexadecimal, of what a plan does: equal for plans that do the same to the same objects."""
    seen = hashlib.sha256(f"{plan.lineage} {plan.serial} {plan.manifest_digest}".encode())
    for change in plan.changes:
        parts = (str(change.address), change.action, change.reason, change.provider, change.prior, change.planned)
        seen.update("\0".join((*parts, change.fingerprint, change.declared, *change.removes, "\n")).encode())
    return seen.hexdigest()


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a provider of the project file puts things: its type, and the digest of its settings."""

    type: str
    settings: str


@dataclass(frozen=True, slots=True)
class BoundPlace:
    """The place behind a region, as it was recorded when the plan was made."""

    provider: str
    region: str
    identity: str


@dataclass(frozen=True, slots=True)
class Binding:
    """What a saved plan is for: an environment, the destinations of the providers it uses by name, and recorded places.

    `id` makes every file another one. `saved` and `expires` are times (ISO); `expires` is empty for never.
    """

    environment: str
    destinations: Mapping[str, Destination]
    places: tuple[BoundPlace, ...]
    saved: str
    expires: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan from a file. `digest` identifies it: the sha256 of all that is signed. `approvals` are SSH signatures.
    `plain`: it knows contents by their plain sha256, as all plans did before there were tree digests."""

    plan: Plan
    binding: Binding
    digest: str
    signature: str
    body: str
    approvals: tuple[str, ...] = ()
    plain: bool = False

    def is_signed_with(self, key: bytes) -> bool:
        """Whether the state with this key has signed the plan as it is."""
        return hmac.compare_digest(self.signature.encode("utf-8", "replace"), _signature(self.body, key).encode())

    def is_over(self, now: datetime) -> bool:
        """Whether the time has passed for which it was made."""
        return bool(self.binding.expires) and now >= datetime.fromisoformat(self.binding.expires)


def save_plan(plan: Plan, binding: Binding, path: Path, key: bytes) -> None:
    """Writes the plan whole or not at all, readable by its owner only. Raises: OSError."""
    unique = replace(binding, id=uuid.uuid4().hex)
    body = canonical_json({"format": FORMAT, "binding": encode(unique), "plan": plan_json(plan)})
    _write(path, body, _signature(body, key), ())


def add_approval(path: Path, saved: SavedPlan, approval: str) -> None:
    """Writes the plan again with one more approval. Raises: OSError."""
    _write(path, saved.body, saved.signature, (*saved.approvals, approval))


def _write(path: Path, body: str, signature: str, approvals: tuple[str, ...]) -> None:
    envelope = {"signature": signature, "approvals": list(approvals), "body": body}
    write_private(path, json.dumps(envelope, ensure_ascii=False))


def read_plan(path: Path) -> SavedPlan:
    """The plan in a file, which anybody may have written: who uses it checks its signature.

    Raises: BadPlanFile when it is no plan file, or is one of another version of this program.
    """
    try:
        envelope = json.loads(read_regular(path))
        body, signature, approvals = str(envelope["body"]), str(envelope["signature"]), envelope.get("approvals", ())
        content = json.loads(body)
        version, digest = content["format"], hashlib.sha256(body.encode()).hexdigest()
    except OSError as cause:
        raise BadPlanFile(f"{path} cannot be read: {cause.strerror}", _REMEDY) from cause
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as cause:
        raise BadPlanFile(f"{path} is not a plan file", _REMEDY) from cause
    if version not in (FORMAT, _PLAIN_FORMAT):
        raise BadPlanFile(f"{path} was written by another version of this program", _REMEDY)
    try:
        plan: Plan = decode(Plan, content["plan"] if version == FORMAT else _renamed(content["plan"]))
        binding = _decoded_binding(content["binding"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as cause:
        raise BadPlanFile(f"{path} was written by another version of this program", _REMEDY) from cause
    return SavedPlan(plan, binding, digest, signature, body, tuple(map(str, approvals)), version == _PLAIN_FORMAT)


def _renamed(plan: dict[str, Any]) -> dict[str, Any]:
    """A plan of the format before, as it is written now: it had read everything."""
    plan.setdefault("not_read", [])
    for change in plan["changes"]:
        for source in change["sources"]:
            source["digest"] = source.pop("sha256")
    return plan


def _decoded_binding(data: Mapping[str, Any]) -> Binding:
    destinations = {str(name): decode(Destination, value) for name, value in data["destinations"].items()}
    fields = {name: value for name, value in data.items() if name not in ("destinations", "places")}
    places = tuple(decode(BoundPlace, place) for place in data["places"])
    return Binding(destinations=destinations, places=places, **fields)


def load_plan(path: Path, environment: str, key: bytes) -> SavedPlan:
    """The plan in a file, for use.

    Raises: BadPlanFile when it is no plan file, was altered, or belongs to another state, environment or version of
    this program.
    """
    saved = read_plan(path)
    if not saved.is_signed_with(key):
        raise BadPlanFile(f"{path} was altered after it was written, or belongs to another state", _REMEDY)
    if saved.binding.environment != environment:
        made_for = saved.binding.environment
        raise BadPlanFile(
            f"{path} is a plan for environment '{made_for}', not '{environment}'",
            f"apply it with --environment {for_shell(made_for)}",
        )
    return saved


def _signature(body: str, key: bytes) -> str:
    return hmac.new(key, body.encode(), hashlib.sha256).hexdigest()
