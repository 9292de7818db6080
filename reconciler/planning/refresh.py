"""`observe`: reads the objects from every provider, in bulk. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from reconciler.manifests.address import Address, Kind
from reconciler.manifests.manifest import Manifest
from reconciler.manifests.values import canonical_json
from reconciler.naming.object_names import ObjectNames
from reconciler.naming.source_names import rename_sources
from reconciler.providers.errors import ProviderError
from reconciler.providers.protocol import Observed, ProgressCallback, Reader, Scope
from reconciler.state.records import State


@dataclass(frozen=True, slots=True)
class World:
    """The observed world, by object name. A name that was asked about is in `observed`, in `matching` (still as
    recorded), covered by `unreachable`, or absent. `perhaps_in` is as in Scan."""

    observed: Mapping[Address, Observed] = field(default_factory=dict)
    matching: frozenset[Address] = frozenset()
    unreachable: Mapping[Address, str] = field(default_factory=dict)
    unmanaged: tuple[Observed, ...] = ()
    perhaps_in: Mapping[Address, frozenset[str]] = field(default_factory=dict)

    @property
    def fence(self) -> int:
        """The greatest fence of a run that wrote one of the observed objects."""
        return max((seen.fence for seen in self.observed.values()), default=0)

    def why_unknown(self, address: Address) -> str | None:
        """Why nothing is known about an address: it, or a container of it, is unreachable. None if it is known."""
        here: Address | None = address
        while here is not None and self.unreachable:
            if here in self.unreachable:
                return self.unreachable[here]
            here = here.parent
        return None


def as_recorded(state: State) -> World:
    """The world without a refresh: every object is assumed to be as recorded."""
    return World(matching=frozenset(record.named or address for address, record in state.records.items()))


def observe(
    readers: Mapping[str, Reader],
    manifest: Manifest,
    state: State,
    *,
    unmanaged: bool = False,
    deep: bool = False,
    progress: ProgressCallback | None = None,
) -> World:
    """Everything declared, recorded or in the journal, read in one scan of each provider."""
    observed: dict[Address, Observed] = {}
    matching: frozenset[Address] = frozenset()
    unreachable: dict[Address, str] = {}
    strangers: list[Observed] = []
    perhaps_in: dict[Address, frozenset[str]] = {}
    names = ObjectNames.of(state)
    for name, wanted in sorted(_wanted(manifest, state).items()):
        reader = readers.get(name)
        if reader is None:
            unreachable |= dict.fromkeys(wanted, f"provider '{name}' is not in the project file")
            continue
        try:
            scan = reader.scan(Scope(wanted, unmanaged, deep, places_of(state, name)), progress)
        except ProviderError as error:
            unreachable |= dict.fromkeys(wanted, error.message)
            continue
        observed |= _with_addresses(scan.observed, names)
        matching |= scan.matching
        unreachable |= scan.unreachable
        strangers += scan.unmanaged
        perhaps_in |= scan.perhaps_in
    unmanaged_objects = tuple(sorted(strangers, key=lambda stranger: (stranger.address, stranger.object_id)))
    return World(observed, matching, unreachable, unmanaged_objects, perhaps_in)


def _with_addresses(observed: Mapping[Address, Observed], names: ObjectNames) -> Mapping[Address, Observed]:
    """The observed objects, with the sources of versions by their addresses instead of the provider's names."""
    return {name: _with_source_addresses(seen, names) for name, seen in observed.items()} if names else observed


def _with_source_addresses(seen: Observed, names: ObjectNames) -> Observed:
    if seen.address.kind is not Kind.IMAGE_VERSION:
        return seen
    attributes = seen.attributes
    renamed = rename_sources(attributes, names.address)
    return seen if renamed is attributes else replace(seen, canonical=canonical_json(renamed))


def places_of(state: State, provider: str) -> Mapping[str, str]:
    """Region -> the recorded identity of its place, for the regions in which a provider has recorded objects."""
    places = {region: place.identity for (name, region), place in state.places.items() if name == provider}
    if not places:
        return {}
    used = {address.region for address, record in state.records.items() if record.provider == provider}
    if places.keys() - used:
        used |= {region for name, region in home_regions(state) if name == provider}
    return {region: identity for region, identity in places.items() if region in used}


def home_regions(state: State) -> frozenset[tuple[str, str]]:
    """(Provider, region) of the home regions of recorded galleries and definitions; that of a version is a target."""
    return frozenset(
        (record.provider, str(record.attributes["location"]))
        for address, record in state.records.items()
        if not address.version and "location" in record.attributes
    )


def _wanted(manifest: Manifest, state: State) -> dict[str, dict[Address, str | None]]:
    """Provider name -> object name -> recorded fingerprint, None where the object must be read in full."""
    wanted: dict[str, dict[Address, str | None]] = {}
    names = ObjectNames.of(state)
    for address, resource in manifest.resources.items():
        wanted.setdefault(resource.provider, {})[names.name(address)] = None
    for address, intent in state.intents.items():
        wanted.setdefault(intent.provider, {})[names.name(address)] = None
    for address, record in state.records.items():
        asked = wanted.setdefault(record.provider, {})
        asked[record.named or address] = None if address in state.intents else record.fingerprint or None
    return wanted
