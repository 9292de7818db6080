"""Canonical region names: `East US`, `eastus` and `EAST US` are one region."""

from __future__ import annotations

import re

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def canonical_region(text: str) -> str:
    """The lower-case name without spaces.

    Raises: ValueError when that leaves something that cannot name a region (and could not name a directory).
    """
    name = "".join(text.split()).lower()
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"'{text}' is not a region name: use letters, digits, '.', '_' and '-', starting with a letter or digit"
        )
    return name
