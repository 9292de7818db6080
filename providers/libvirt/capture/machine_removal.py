"""Removes a captured machine, if the project file asks for it, once every copy is complete."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from reconciler.providers.errors import ProviderError
from reconciler.providers.libvirt.capture.offline_copy import volume_of
from reconciler.providers.libvirt.host import domains
from reconciler.providers.libvirt.host.commands import virsh
from reconciler.providers.libvirt.host.pools import Pool
from reconciler.providers.libvirt.records.volume_users import require_unused
from reconciler.providers.owner import Writer

if TYPE_CHECKING:
    import libvirt

    from reconciler.providers.libvirt.host.connections import Connection
    from reconciler.providers.libvirt.host.hosts import Hosts
    from reconciler.providers.libvirt.host.volumes import Volume


def remove_machine(hosts: Hosts, writer: Writer, region: str, name: str, identity: str) -> None:
    """Removes the machine and the volumes of its disks; their backing volumes and its optical media stay. A machine
    that is gone is fine; another that now has its name is left alone.

    Raises: ProviderError if it is no longer off, or someone else uses one of its disks: then everything stays.
    """
    connection = hosts.connection(region)
    with connection.asking(f"removing the machine '{name}'") as handle:
        domain = domains.find(handle, name)
        if domain is None or domains.machine_id(domain) != identity:
            return
        if not domains.is_off(domain):
            raise _kept(name, f"it is {domains.state_word(domain)}")
        disks = list(_disks(handle, domain, region, connection, writer))
        for pool, volume in disks:
            require_unused(hosts, pool, [volume], f"the machine '{name}' was not removed", besides=name)
        for pool, volume in disks:
            pool.delete(volume.name)
        writer.require_lease()
        undefine(domain)


def not_as_planned(name: str, planned: Sequence[str], now: Sequence[str]) -> ProviderError:
    """The error for a machine that is not removed because it is no longer what the plan has said."""
    return _kept(name, f"the plan said '{', '.join(planned)}', and now it would be '{', '.join(now) or 'nothing'}'")


def undefine(domain: libvirt.virDomain) -> None:
    """Undefines a machine that is off, with everything that its host keeps for it besides the disks."""
    import libvirt

    domain.undefineFlags(
        libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
        | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
        | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
        | libvirt.VIR_DOMAIN_UNDEFINE_NVRAM
    )


def _disks(
    handle: libvirt.virConnect, domain: libvirt.virDomain, region: str, connection: Connection, writer: Writer
) -> Iterator[tuple[Pool, Volume]]:
    """The volumes of its disks. A missing one was removed by an earlier attempt."""
    for disk in domains.disks_of(domain.XMLDesc()):
        listed = volume_of(handle, domain, disk)
        name = listed.storagePoolLookupByVolume().name()
        pool = Pool(region, connection, name, require_lease=writer.require_lease)
        volume = pool.volume(listed.name())
        if volume is not None:
            yield pool, volume


def _kept(name: str, why: str) -> ProviderError:
    return ProviderError(
        f"all copies are complete, but the machine '{name}' was not removed: {why}",
        f"remove it yourself ({virsh('undefine', name, '--remove-all-storage')}), then apply again",
    )
