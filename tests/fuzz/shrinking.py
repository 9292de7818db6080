"""A life that fails becomes the shortest one that still does, and a test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from fuzz.life import Step

Fails = Callable[[Sequence[Step]], bool]


def shrunk(steps: Sequence[Step], fails: Fails) -> list[Step]:
    """The steps without all those that the failure does not need. `fails` lives a life again."""
    kept = list(steps)
    size = max(1, len(kept) // 2)
    while size:
        at = 0
        while at < len(kept):
            fewer = kept[:at] + kept[at + size :]
            if fails(fewer):
                kept = fewer
            else:
                at += size
        size //= 2
    return kept


_TEMPLATE = '''"""Found by the fuzzer: {said}"""

from __future__ import annotations

from pathlib import Path
{imports}
from fuzz.life import Step
from fuzz.replaying import replay

STEPS = [
{steps}
]


def test_{provider}_{seed}(tmp_path: Path{fixture}) -> None:
    replay("{provider}", tmp_path, {seed}, STEPS{argument})
'''
_FIXTURES = {"emulator": "azurite", "libvirt": "libvirt_hosts"}
_TYPES = {
    "emulator": ("RunningAzurite", "support.azure.azurite"),
    "libvirt": ("tuple[LibvirtHost, ...]", "support.libvirt.daemons"),
}


def write_test(folder: Path, provider: str, seed: int, steps: Sequence[Step], said: str) -> Path:
    """Writes the life as a test file into `folder`, and returns its path."""
    fixture = _FIXTURES.get(provider, "")
    kind, module = _TYPES.get(provider, ("", ""))
    name = kind.removeprefix("tuple[").removesuffix(", ...]")
    text = _TEMPLATE.format(
        said=said.replace("\\", "/").replace('"', "'").splitlines()[0][:90],
        imports=f"from {module} import {name}\n" if module else "",
        steps="\n".join(f"    Step({step.kind!r}, {step.a}, {step.b}),".replace("'", '"') for step in steps),
        provider=provider,
        seed=seed,
        fixture=f", {fixture}: {kind}" if fixture else "",
        argument=f", {fixture}" if fixture else "",
    )
    path = folder / f"test_found_{provider}_{seed}.py"
    path.write_text(text)
    return path
