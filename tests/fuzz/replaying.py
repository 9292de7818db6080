"""Lives at a place of their own, as the fuzzer and the tests that it writes live them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fuzz.life import Life, Step
from fuzz.place import Place


def place_at(provider: str, folder: Path, service: Any = None) -> Place:
    """A new place of that provider; `service` is what it runs on: Azurite, or hypervisor hosts."""
    if provider == "local":
        from fuzz.local_place import LocalPlace

        return LocalPlace(folder)
    if provider == "emulator":
        from fuzz.emulator_place import EmulatorPlace

        return EmulatorPlace(folder, service)
    from fuzz.libvirt_place import LibvirtPlace

    return LibvirtPlace(folder, service)


def replay(
    provider: str,
    folder: Path,
    seed: int,
    steps: Sequence[Step],
    service: Any = None,
    counts: Counter[str] | None = None,
) -> None:
    """Lives this life. Raises: Violation."""
    place = place_at(provider, folder, service)
    try:
        Life(place, seed, Counter() if counts is None else counts).live(steps)
    finally:
        place.close()
