"""Removes a machine whose disks were captured, where the project file asks for that, once every copy is complete."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reconciler.providers.errors import ProviderError
from reconciler.providers.libvirt.capture.offline_copy import volume_of
from reconciler.providers.libvirt.host import domains
from reconciler.providers.libvirt.host.pools import Pool
from reconciler.providers.libvirt.records.volume_users import require_unused

if TYPE_CHECKING:
    import libvirt

    from reconciler.providers.libvirt.host.connections import Connection
    from reconciler.providers.libvirt.host.hosts import Hosts
    from reconciler.providers.libvirt.host.volumes import Volume


def remove_machine(hosts: Hosts, region: str, name: str, identity: str) -> None:
    """Removes the machine and the volumes that are its disks; what they lie on stays, as do its discs. One that is gone
    is fine, and one that has its name since, and is another, is left alone.

    Raises: ProviderError when it is not off any more, or somebody else uses one of its disks: then all of it stays.
    """
    connection = hosts.connection(region)
    with connection.asking(f"removing the machine '{name}'") as handle:
        domain = domains.find(handle, name)
        if domain is None or domains.machine_id(domain) != identity:
            return
        if not domains.is_off(domain):
            raise _kept(name, f"it is {domains.state_word(domain)}")
        disks = list(_disks(handle, domain, region, connection))
        for pool, volume in disks:
            require_unused(hosts, pool, [volume], f"the machine '{name}' was not removed", besides=name)
        for pool, volume in disks:
            pool.delete(volume.name)
        undefine(domain)


def undefine(domain: libvirt.virDomain) -> None:
    """Lets its host forget a machine that is off, with all that it keeps for it beside the disks."""
    import libvirt

    domain.undefineFlags(
        libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
        | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
    )


def _disks(
    handle: libvirt.virConnect, domain: libvirt.virDomain, region: str, connection: Connection
) -> Iterator[tuple[Pool, Volume]]:
    """The volumes that its disks are. One that is gone was removed by an attempt before."""
    for disk in domains.disks_of(domain.XMLDesc()):
        found = volume_of(handle, domain, disk)
        pool = Pool(region, connection, found.storagePoolLookupByVolume().name())
        volume = pool.volume(found.name())
        if volume is not None:
            yield pool, volume


def _kept(name: str, why: str) -> ProviderError:
    return ProviderError(
        f"all copies are complete, and the machine '{name}' was not removed: {why}",
        f"remove it yourself (virsh undefine {name} --remove-all-storage), then apply again",
    )
