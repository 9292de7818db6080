"""Saved plans: written, read back and compared with a fresh plan.

A plan file is JSON, signed with a key from the state: it cannot be altered, and is valid for that state only. It is
fresh as long as a new plan with the same options decides the same about every address in it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from reconciler.errors import BadPlanFile
from reconciler.json_codec import decode, encode
from reconciler.manifests.private_files import write_private
from reconciler.manifests.values import canonical_json
from reconciler.planning.actions import ResourceChange
from reconciler.planning.plan import Plan

FORMAT = 4
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


def save_plan(plan: Plan, environment: str, path: Path, key: bytes) -> None:
    """Writes the plan whole or not at all, readable by its owner only. Raises: OSError."""
    body = canonical_json({"format": FORMAT, "environment": environment, "plan": plan_json(plan)})
    write_private(path, json.dumps({"signature": _signature(body, key), "body": body}, ensure_ascii=False))


def load_plan(path: Path, environment: str, key: bytes) -> Plan:
    """The plan in a file.

    Raises: BadPlanFile when it is no plan file, was altered, or belongs to another state, environment or version of
    this program.
    """
    try:
        envelope = json.loads(path.read_text(encoding="utf-8"))
        body, signature = envelope["body"], envelope["signature"]
    except OSError as cause:
        raise BadPlanFile(f"{path} cannot be read: {cause.strerror}", _REMEDY) from cause
    except (ValueError, KeyError, TypeError) as cause:
        raise BadPlanFile(f"{path} is not a plan file", _REMEDY) from cause
    if not isinstance(body, str) or not hmac.compare_digest(str(signature), _signature(body, key)):
        raise BadPlanFile(f"{path} was altered after it was written, or belongs to another state", _REMEDY)
    content = json.loads(body)
    if content["format"] != FORMAT:
        raise BadPlanFile(f"{path} was written by another version of this program", _REMEDY)
    if content["environment"] != environment:
        raise BadPlanFile(
            f"{path} is a plan for environment '{content['environment']}', not '{environment}'",
            f"apply it with --environment {content['environment']}",
        )
    try:
        plan: Plan = decode(Plan, content["plan"])
    except ValueError as cause:
        raise BadPlanFile(f"{path} was written by another version of this program", _REMEDY) from cause
    return plan


def stale_because(saved: Plan, fresh: Plan) -> tuple[str, ...]:
    """Why `saved` no longer fits, a sentence for each difference; empty when it does. `fresh` was made just now with
    the saved plan's options; further changes that only it contains do not matter."""
    if saved.lineage != fresh.lineage:
        return (f"it was made for state {saved.lineage}, and this is {fresh.lineage}",)
    if saved.manifest_digest != fresh.manifest_digest:
        return ("the manifests have changed since",)
    now = {change.address: change for change in fresh.changes}
    differences: list[str] = []
    for change in saved.changes:
        today = now.get(change.address)
        if today is None:
            differences.append(f"{change.address}: planned as {change.action}, but nothing needs to change now")
        elif today != change:
            differences.append(f"{change.address}: {_what_differs(change, today)} changed since")
    return tuple(differences)


def _what_differs(before: ResourceChange, after: ResourceChange) -> str:
    names = [field.name for field in fields(before) if getattr(before, field.name) != getattr(after, field.name)]
    said = {"fingerprint": "the object", "prior": "the object", "computed": "the object", "move_bytes": "the source"}
    return " and ".join(sorted({said.get(name, f"its {name.replace('_', ' ')}") for name in names}))


def _signature(body: str, key: bytes) -> str:
    return hmac.new(key, body.encode(), hashlib.sha256).hexdigest()
