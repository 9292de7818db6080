"""Strays: what others put inside our objects."""

from __future__ import annotations

from reconciler.manifests.address import Address
from reconciler.providers.errors import ObjectConflict
from reconciler.providers.protocol import Provider, Scope, Step, Verb
from reconciler.testing.contract.case import ContractCase
from reconciler.testing.galleries import (
    publish,
    region_attributes,
    version_attributes,
)
from reconciler.testing.operations import (
    CONTENT,
    DEFINITION,
    EAST,
    GALLERY,
    VERSION,
    WEST,
    Attributes,
    applied,
    failed,
    owner_of,
    run,
)
from reconciler.testing.worlds import SharedWorld


class StrayCases(ContractCase):
    """What backends promise whose objects can hold something that is not ours."""

    def test_what_is_not_ours_in_our_object_stops_its_deletion(
        self, provider_world: SharedWorld, provider: Provider, source: Attributes
    ) -> None:
        publish(provider, source, {EAST: 1})
        stray = provider_world.add_stray(EAST)
        version = version_attributes(source)
        steps = (Step(Verb.DELETE, EAST, prior=region_attributes()), Step(Verb.DELETE, VERSION, prior=version))
        results = run(provider, *steps, version=version)
        assert isinstance(failed(results, EAST), ObjectConflict)
        assert stray.name in failed(results, EAST).message
        assert stray.name in failed(results, VERSION).message
        assert stray.is_there()
        assert provider_world.copies(EAST) == [CONTENT]

    def test_what_nobody_asked_about_is_listed_on_request(
        self, provider_world: SharedWorld, provider: Provider, source: Attributes
    ) -> None:
        results = publish(provider, source, {EAST: 1, WEST: 1})
        provider_world.make_foreign(Address("theirs"))
        stray = provider_world.add_stray(EAST)
        wanted = dict.fromkeys((GALLERY, DEFINITION, VERSION, EAST))
        scan = provider.scan(Scope(wanted, unmanaged=True))
        marks = {one.address: one.mark for one in scan.unmanaged}
        assert marks[Address("theirs")] is None
        assert owner_of().owns(marks[WEST], WEST)
        assert any(stray.name in one.object_id for one in scan.unmanaged)
        assert len(scan.unmanaged) == 3
        assert not provider.scan(Scope(wanted)).unmanaged
        assert applied(results, WEST)
