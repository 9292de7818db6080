"""How large the disks of an image may be. Source: learn.microsoft.com, Azure Compute Gallery, on limits and on shallow
replication."""

from __future__ import annotations

from collections.abc import Mapping

LARGEST_DISK_BYTES: Mapping[str, int] = {"Full": 2 << 40, "Shallow": 32 << 40}
"""By replication mode."""
