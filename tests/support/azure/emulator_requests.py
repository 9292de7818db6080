"""Requests to the emulator for hypothesis: generated from its own description, and then altered in every part."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from hypothesis import strategies as st
from support.azure.emulated_http import HOST, SUB

from reconciler.providers.emulator.core.api_versions import GALLERY_VERSIONS
from reconciler.providers.emulator.server import SUBSCRIPTION

COMPUTE = f"{SUB}/resourceGroups/rg/providers/Microsoft.Compute"
KNOWN = {
    "sub": [SUBSCRIPTION],
    "rg": ["rg", "RG", "rg2"],
    "gallery": ["corp", "CORP", "shared", f"{SUBSCRIPTION}-SHARED", "open"],
    "definition": ["ubuntu", "Ubuntu", "new"],
    "version": ["1.0.0", "1.0.1", "latest"],
    "name": ["disk", "image", "vm"],
    "location": ["eastus", "East US", "westus"],
    "ns": ["Microsoft.Compute"],
    "kind": ["Images", "images"],
    "operation": ["none"],
}
"""Existing and possible values by the name of the parameter."""
DISK, IMAGE = f"{COMPUTE}/disks/disk", f"{COMPUTE}/images/image"
IDS = (
    DISK,
    IMAGE,
    f"{COMPUTE}/galleries/corp/images/ubuntu/versions/1.0.0",
    f"{COMPUTE}/virtualMachines/vm",
    "/subscriptions",
    "//",
)
METHODS = ("GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "get", "X")
HEADERS = (b"host", b"content-type", b"content-encoding", b"x-ms-client-request-id", b"authorization")
_PUBLISHER = {"publisherUri": "https://a", "publisherContact": "a@a", "eula": "e", "publicNamePrefix": "open1"}
EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "/disks/{name}": {"creationData": {"createOption": "Empty"}, "diskSizeGB": 4, "osType": "Linux"},
    "/images/{name}": {
        "storageProfile": {"osDisk": {"osType": "Linux", "osState": "Generalized", "managedDisk": {"id": DISK}}},
        "hyperVGeneration": "V2",
    },
    "/galleries/{gallery}": {
        "description": "d",
        "sharingProfile": {"permissions": "Community", "communityGalleryInfo": _PUBLISHER},
        "softDeletePolicy": {"isSoftDeleteEnabled": True, "retentionPeriodInDays": 7},
    },
    "/images/{definition}": {
        "osType": "Linux",
        "osState": "Generalized",
        "hyperVGeneration": "V2",
        "identifier": {"publisher": "p", "offer": "o", "sku": "s"},
        "endOfLifeDate": "2090-01-01T00:00:00Z",
        "recommended": {"vCPUs": {"min": 1, "max": 4}, "memory": {"min": 1, "max": 8}},
        "features": [{"name": "SecurityType", "value": "TrustedLaunchSupported"}],
    },
    "/versions/{version}": {
        "publishingProfile": {
            "targetRegions": [
                {"name": "East US", "regionalReplicaCount": 1, "storageAccountType": "Standard_LRS"},
                {"name": "westus", "excludeFromLatest": True},
            ],
            "endOfLifeDate": "2090-01-01T00:00:00Z",
        },
        "storageProfile": {"source": {"id": IMAGE}},
        "safetyProfile": {"allowDeletionOfReplicatedLocations": True},
    },
}
"""Properties that are accepted, by the end of the path."""
_SELDOM = (*[False] * 24, True)
TRICKS = ("/..", "//", "%2F", "%2e%2e/", "\\", "%00", "%FF", "/", "%")
VERSIONS = (*[GALLERY_VERSIONS[-1]] * 20, *GALLERY_VERSIONS, "2024-11-01", "", "latest")

wild_text = st.one_of(
    st.text(max_size=20), st.sampled_from(["", " ", "..", "%", "\x00", "a/b", "'", "9" * 60, "İ", "😀"])
)
wild_numbers = st.one_of(st.integers(-(2**70), 2**70), st.sampled_from([0, -1, 2**31, 2**53, 2**63 - 1]), st.floats())
wild_json = st.recursive(
    st.one_of(st.none(), st.booleans(), wild_numbers, wild_text, st.sampled_from(IDS)),
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(wild_text, below, max_size=3)),
    max_leaves=8,
)
good_text = st.sampled_from(
    ["eastus", "East US", "westus", "ubuntu", "Linux", "2030-01-01T00:00:00Z", "9999-12-31", "Standard_LRS", *IDS]
)
good_parameters = st.sampled_from(
    ["true", "Permissions", "SharingProfile/Groups", "ReplicationStatus", "tenant", "name eq 'a'"]
)
odd_parameters = st.one_of(wild_text, st.just("9" * 3000), st.just("²"))


@dataclass(frozen=True)
class Endpoint:
    """One method of a path: `query` names its parameters besides api-version, `body` is its schema."""

    method: str
    path: str
    query: tuple[str, ...]
    body: Mapping[str, Any] | None


def endpoints(description: Mapping[str, Any]) -> list[Endpoint]:
    """All endpoints of an OpenAPI description."""
    return [
        Endpoint(method.upper(), path, _query_names(found), _schema(found))
        for path, methods in description["paths"].items()
        for method, found in methods.items()
    ]


def _query_names(operation: Mapping[str, Any]) -> tuple[str, ...]:
    names = [parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"]
    return tuple(name for name in names if name != "api-version")


def _schema(operation: Mapping[str, Any]) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None = None
    if "requestBody" in operation:
        found = operation["requestBody"]["content"]["application/json"]["schema"]
    return found


def described(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a schema allows, which contain some that it does not."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    simple: dict[Any, st.SearchStrategy[Any]] = {
        "string": mostly(good_text, wild_text, 6),
        "integer": mostly(st.integers(0, 200), wild_numbers, 6),
        "number": wild_numbers,
        "boolean": st.booleans(),
    }
    match schema.get("type"):
        case "object":
            return _object(schema)
        case "array":
            return st.lists(_bent(schema.get("items", {})), max_size=3)
        case kind:
            return simple.get(kind, wild_json)


def _bent(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    return mostly(described(schema), wild_json, 24)


def _object(schema: Mapping[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    members = {name: _bent(below) for name, below in schema.get("properties", {}).items()}
    required = {name: members.pop(name) for name in schema.get("required", ()) if name in members}
    named = st.fixed_dictionaries(required, optional=members)
    more = schema.get("additionalProperties")
    if not isinstance(more, Mapping):
        return named
    others = st.dictionaries(wild_text, _bent(more), max_size=2)
    return st.builds(lambda one, two: {**one, **two}, named, others)


@dataclass(frozen=True)
class Sent:
    """One request, as bytes where the wire has bytes."""

    method: str
    target: bytes
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@st.composite
def sendings(draw: st.DrawFn, endpoints: Sequence[Endpoint]) -> Sent:
    """A request of the description, in which any part may be altered."""
    endpoint = draw(st.sampled_from(endpoints))
    method = draw(st.sampled_from(METHODS)) if seldom(draw) else endpoint.method
    content = draw(bodies(endpoint))
    return Sent(method, draw(targets(endpoint.path)), draw(queries(endpoint.query)), draw(headers()), content)


def seldom(draw: st.DrawFn) -> bool:
    return draw(st.sampled_from(_SELDOM))


@st.composite
def targets(draw: st.DrawFn, path: str) -> bytes:
    """The path with its parameters filled in; sometimes with a trick in it, or something else entirely."""
    if seldom(draw) and seldom(draw):
        return draw(st.binary(max_size=60))
    filled = re.sub(r"\{(\w+)\}", lambda match: draw(segments(match[1])), path)
    if seldom(draw):
        cut = draw(st.integers(0, len(filled)))
        filled = filled[:cut] + draw(st.sampled_from(TRICKS)) + filled[cut:]
    return filled.encode()


def mostly(usual: st.SearchStrategy[Any], other: st.SearchStrategy[Any], times: int) -> st.SearchStrategy[Any]:
    """The usual, this many times as often as the other."""
    return st.sampled_from((*[usual] * times, other)).flatmap(lambda chosen: chosen)


def segments(name: str) -> st.SearchStrategy[str]:
    return mostly(st.sampled_from(KNOWN[name]), wild_text, 24).map(encoded_text)


def encoded_text(text: str) -> str:
    return quote(text, safe="", errors="replace")


@st.composite
def queries(draw: st.DrawFn, names: Sequence[str]) -> bytes:
    if seldom(draw) and seldom(draw):
        return draw(st.binary(max_size=40))
    pairs = [("api-version", draw(st.sampled_from(VERSIONS)))]
    pairs += [(name, draw(st.one_of(good_parameters, wild_text))) for name in names if draw(st.booleans())]
    if seldom(draw):
        pairs.append((draw(st.sampled_from(["$skiptoken", "$top", "API-VERSION", "x"])), draw(odd_parameters)))
    return "&".join(f"{name}={encoded_text(value)}" for name, value in pairs).encode()


@st.composite
def headers(draw: st.DrawFn) -> tuple[tuple[bytes, bytes], ...]:
    usual = ((b"host", HOST.encode()), (b"content-type", b"application/json"))
    if not seldom(draw):
        return usual
    return ((draw(st.sampled_from(HEADERS)), draw(st.binary(max_size=20))), *usual)


def bodies(endpoint: Endpoint) -> st.SearchStrategy[bytes]:
    """What the schema describes, or an accepted body with one value changed; sometimes anything."""
    wild = st.one_of(wild_json.map(encoded), st.binary(max_size=30), st.just(b'{"a":' * 200))
    if endpoint.body is None:
        return mostly(st.just(b""), wild, 12)
    good = described(endpoint.body)
    for end, properties in EXAMPLES.items():
        if endpoint.path.endswith(end):
            example = {"location": "eastus", "tags": {"a": "b"}, "properties": properties}
            good = st.one_of(good, st.just(example), bent(example), bent(example))
    return mostly(good.map(encoded), wild, 12)


@st.composite
def bent(draw: st.DrawFn, example: Any) -> Any:
    """The example with one value in it replaced, at any depth."""
    if not isinstance(example, dict | list) or not example or seldom(draw):
        return draw(st.one_of(wild_json, good_text))
    if isinstance(example, list):
        chosen = draw(st.integers(0, len(example) - 1))
        return [draw(bent(one)) if index == chosen else one for index, one in enumerate(example)]
    name = draw(st.sampled_from(sorted(example)))
    return {**example, name: draw(bent(example[name]))}


def encoded(value: Any) -> bytes:
    return json.dumps(value).encode()
