"""Galleries, definitions and versions: objects that are a description, in the pool of their home region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reconciler.manifests.address import Address
from reconciler.manifests.values import Attributes, canonical_json
from reconciler.providers.errors import ProviderError, Unavailable
from reconciler.providers.libvirt.host import object_names
from reconciler.providers.libvirt.records.description_store import Shelf
from reconciler.providers.libvirt.records.descriptions import Description
from reconciler.providers.libvirt.records.ownership import our_document
from reconciler.providers.protocol import Applied, OwnerMark, Step, Verb

if TYPE_CHECKING:
    from reconciler.providers.libvirt.host.hosts import Hosts


class Documents:
    """Writes and removes descriptions for one lineage."""

    def __init__(self, hosts: Hosts, lineage: str) -> None:
        self._hosts = hosts
        self._lineage = lineage

    def require_free(self, step: Step) -> None:
        """Raises: ObjectConflict when what is there, in whatever region, is not ours; Unavailable."""
        self._mine(self._shelf(step), step.address)
        for region in self._hosts.regions:
            if region != _home(step):
                try:
                    pool = self._hosts.pool(region)
                except Unavailable:  # the plan saw what is there, or that it could not be asked
                    continue
                self._mine(Shelf(pool), step.address)

    def apply(self, step: Step, computed: Mapping[str, Any] | None = None) -> Applied:
        """Does a step. `computed` replaces what the description says was worked out; None leaves it.

        Raises: ProviderError, ObjectConflict among them.
        """
        if step.verb is Verb.DELETE:
            return self._delete(step)
        if step.verb is Verb.CREATE:
            self.require_free(step)
        shelf, address = self._shelf(step), step.address
        present = self._mine(shelf, address)
        if present is None and step.verb is Verb.UPDATE:
            raise ProviderError(f"{address} is not there any more", "plan again: it will be made anew")
        worked_out = computed if computed is not None else present.description.computed if present else {}
        planned: Attributes = step.planned or {}
        entry = shelf.write(address, Description(OwnerMark(self._lineage, address), planned, worked_out))
        region = _home(step)
        return Applied(
            object_id=object_names.object_id(region, shelf.pool.name, address),
            fingerprint=object_names.fingerprint(shelf.pool.place, [entry]),
            canonical=canonical_json(planned),
            computed=canonical_json(worked_out),
        )

    def _delete(self, step: Step) -> Applied:
        shelf = self._shelf(step)
        self._mine(shelf, step.address)
        shelf.remove(step.address)
        return Applied()

    def tidy(self, address: Address) -> None:
        """Removes a description whose writing was cut off, on every host that can be asked. Raises: ProviderError."""
        for region in self._hosts.regions:
            try:
                Shelf(self._hosts.pool(region)).discard_cut_short(address)
            except Unavailable:  # what it has of this will be tidied when it answers
                continue

    def _mine(self, shelf: Shelf, address: Address) -> Any:
        return our_document(shelf, OwnerMark(self._lineage, address))

    def _shelf(self, step: Step) -> Shelf:
        home = _home(step)
        return Shelf(self._hosts.pool_to_fill(home) if step.verb is Verb.CREATE else self._hosts.pool(home))


def _home(step: Step) -> str:
    attributes = step.planned if step.planned is not None else step.prior
    return str((attributes or {}).get("location", ""))
