"""What the pools hold that nobody asked about: objects with a description, and volumes in a gallery's name space."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain

from reconciler.manifests.address import Address
from reconciler.providers.errors import ProviderError
from reconciler.providers.libvirt.host import object_names
from reconciler.providers.libvirt.records import sidecars
from reconciler.providers.libvirt.records.description_store import MAKING
from reconciler.providers.libvirt.records.pool_snapshot import Estate, View
from reconciler.providers.libvirt.records.volume_names import VolumeName
from reconciler.providers.protocol import Observed

Look = Callable[[Estate, Address], Observed | None]


def unmanaged(estate: Estate, wanted: Mapping[Address, object], look: Look) -> list[Observed]:
    """Sorted by address. A volume that is nobody's has its gallery's, or its target region's, address; other volumes of
    a pool are no business of ours and are left out."""
    described = {
        address
        for view in estate.views.values()
        for address, note in view.sidecars
        if not note and address.region in ("", view.region)  # else written when the pool was another region's
    }
    found = [one for address in described - wanted.keys() if (one := look(estate, address)) is not None]
    galleries = {address.gallery for address in chain(described, wanted)}
    for view in estate.views.values():
        found += _strange_volumes(view, galleries, described, wanted)
    return sorted(found, key=lambda one: (one.address, one.object_id))


def _strange_volumes(
    view: View, galleries: set[str], described: set[Address], wanted: Mapping[Address, object]
) -> Iterator[Observed]:
    named = set(_named(view))
    for name in view.volumes:
        gallery = name.partition("-")[0]
        if name in named or sidecars.is_ours(name) or gallery not in galleries:
            continue
        parsed = VolumeName.parse(name)
        address = parsed.version._replace(region=view.region) if parsed else Address(gallery)
        defect = ("a volume that does not belong here",) if address in described or address in wanted else ()
        yield Observed(
            address, object_names.volume_id(view.region, view.pool.name, name), None, "", "{}", defects=defect
        )


def _named(view: View) -> Iterator[str]:
    """The volumes that a description, or the note of what is in the making, speaks of."""
    for address, note in view.sidecars:
        if not address.region:
            continue
        try:
            if note == MAKING:
                making = view.shelf.making(address)
                yield from making.volumes if making else ()
            elif not note:
                found = view.shelf.description(address)
                yield from (copy.volume for copy in found.description.copies) if found else ()
        except ProviderError:  # what it names cannot be told, and shows as nobody's
            continue
