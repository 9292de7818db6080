"""An inspected image as JSON; docs/image-inspection.md describes it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reconciler.image_inspection.inspecting import InspectedDisk, Inspection
    from reconciler.providers.image_contents import ImageContents
    from reconciler.providers.image_files.formats.disk_format import DiskFormat

SCHEMA_VERSION = 1


def inspection_json(inspection: Inspection) -> dict[str, Any]:
    """Everything that is known of the file. Keys are only ever added while `schemaVersion` stays the same."""
    refusal = inspection.refusal
    return {
        "schemaVersion": SCHEMA_VERSION,
        "file": inspection.path,
        "fileSizeBytes": inspection.file_size,
        "allocatedBytes": inspection.allocated,
        "usable": refusal is None,
        "refusal": refusal
        and {"why": refusal.why, "remedy": refusal.remedy, "image": refusal.facts and _image(refusal.facts)},
        "firmware": inspection.firmware,
        "warnings": list(inspection.warnings),
        "disks": [_disk(disk) for disk in inspection.disks],
        "qemuImg": {
            "installed": inspection.jail.installed,
            "walls": sorted(wall.value for wall in inspection.jail.walls),
            "jail": inspection.jail.sentence,
        },
    }


def _image(disk_format: DiskFormat) -> dict[str, Any]:
    return {
        "format": disk_format.name,
        "virtualSizeBytes": disk_format.virtual_size,
        "sectorSizeBytes": disk_format.sector_size,
        "dirty": disk_format.dirty,
        "encrypted": disk_format.encrypted,
    }


def _disk(disk: InspectedDisk) -> dict[str, Any]:
    digest = disk.digest
    return {
        "disk": disk.name,
        **_image(disk.format),
        "features": list(disk.features),
        "imageSizeBytes": disk.file_size,
        "compression": disk.compression,
        "digest": digest and {"tree": digest.tree, "sha256": digest.plain},
        "contents": disk.contents and _contents(disk.contents),
        "uses": [
            {
                "provider": use.provider,
                "does": use.does,
                "problem": use.problem,
                "needsQemuImg": use.needs_qemu_img,
            }
            for use in disk.uses
        ],
    }


def _contents(contents: ImageContents) -> dict[str, Any]:
    return {
        "table": contents.table.value,
        "sectorSizeBytes": contents.sector_size,
        "partitions": [asdict(partition) for partition in contents.partitions],
        "bios": contents.bios,
        "efiSystemPartition": contents.has_esp,
        "efiLoaders": list(contents.efi),
        "content": contents.content,
        "encrypted": list(contents.encrypted),
        "problems": list(contents.problems),
        "unread": contents.unread,
    }
