"""Effects as sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from reconciler.manifests.address import Address
from reconciler.planning.actions import EffectKind
from reconciler.planning.guard.consent import Loss
from reconciler.planning.guard.copies import DefinitionRegion

_NAMED = 3
_NONE = "none"


def effect_text(
    kind: EffectKind,
    losses: Sequence[Loss],
    latest: Mapping[DefinitionRegion, str],
    meanwhile: Mapping[DefinitionRegion, str],
) -> str:
    """The sentence for effects of one kind that follow from one change."""
    versions = sorted({loss.region.unit for loss in losses}, key=lambda version: version.sort_key)
    regions = ", ".join(_some(sorted({loss.region.region for loss in losses})))
    match kind:
        case EffectKind.LEAVES:
            return f"{_named(versions)} {'leaves' if len(versions) == 1 else 'leave'} {regions}"
        case EffectKind.AWAY:
            lower = _meanwhile(losses, latest, meanwhile)
            return f"{_named(versions)} cannot be used in {regions} until the new copies are there{lower}"
        case EffectKind.LAST_COPY:
            content = "its image" if len(versions) == 1 else "their images"
            return f"no other copy of {content} exists: {_named(versions)}"
        case EffectKind.LATEST:
            return _lowered(losses)
        case EffectKind.LAST_VERSION:
            definitions = _some([str(version.parent) for version in versions])
            return f"{', '.join(definitions)} {'has' if len(versions) == 1 else 'have'} no version left"


def _named(versions: Sequence[Address]) -> str:
    return ", ".join(_some([str(version) for version in versions]))


def _some(names: Sequence[str]) -> list[str]:
    """The first few, and how many more."""
    more = len(names) - _NAMED
    return [*names[:_NAMED], f"{more:,} more"] if more > 1 else list(names)


def _lowered(losses: Iterable[Loss]) -> str:
    """`latest of corp/web goes down: eastus 1.1.0 -> 1.0.0`, definition by definition."""
    moves: dict[str, dict[tuple[str, str], list[str]]] = defaultdict(lambda: defaultdict(list))
    for loss in sorted(losses, key=lambda loss: loss.region.sort_key):
        region = loss.region
        moves[str(region.unit.parent)][region.version, loss.latest or _NONE].append(region.region)
    texts = [f"{definition} {_moved(found)}" for definition, found in moves.items()]
    return f"latest goes down: {'; '.join(_some(texts))}"


def _moved(moves: Mapping[tuple[str, str], Sequence[str]]) -> str:
    return " · ".join(f"{', '.join(_some(regions))} {old} -> {new}" for (old, new), regions in moves.items())


def _meanwhile(
    losses: Iterable[Loss], latest: Mapping[DefinitionRegion, str], meanwhile: Mapping[DefinitionRegion, str]
) -> str:
    """What `latest` is until then, where these versions are latest."""
    lower: dict[str, list[str]] = defaultdict(list)
    for loss in sorted(losses, key=lambda loss: loss.region.sort_key):
        region = loss.region
        key = (Address(region.gallery, region.definition), region.region)
        if latest.get(key) == region.version:
            lower[meanwhile.get(key, _NONE)].append(region.region)
    if not lower:
        return ""
    return "; until then latest is " + " · ".join(f"{', '.join(_some(at))} {now}" for now, at in lower.items())
