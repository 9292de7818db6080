"""JSON Schemas of request bodies, as the service describes itself: short ways to write them.

What a schema says is what the handlers enforce: a test compares the two, property by property.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
WHOLE: Schema = {"type": "integer"}
ANYTHING: Schema = {}
"""A value that is kept as it is sent."""
ANY_OBJECT: Schema = {"type": "object"}
"""An object that is kept as it is sent."""
TAGS: Schema = {"type": "object", "additionalProperties": TEXT}


def object_of(*required: str, **members: Schema) -> Schema:
    """An object with these members, of which those named `required` have to be sent to create a resource."""
    schema: Schema = {"type": "object", "properties": members}
    return {**schema, "required": list(required)} if required else schema


def list_of(entry: Schema) -> Schema:
    return {"type": "array", "items": entry}


def texts(*names: str) -> Mapping[str, Schema]:
    """Members of an object that are all strings."""
    return dict.fromkeys(names, TEXT)


def one_of(*choices: str) -> Schema:
    """One of these strings, in upper or lower case."""
    return {"enum": list(choices)}


def tracked_resource(*required: str, **members: Schema) -> Schema:
    """The body of a tracked resource, which has a location and tags."""
    return object_of("location", *required, location=TEXT, tags=TAGS, **members)
