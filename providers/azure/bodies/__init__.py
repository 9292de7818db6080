"""Converts between the manifests' canonical attributes and the bodies of Azure's gallery API, without I/O.

A `..._body` is for a PUT with api-version 2026-03-03. `..._attributes` read what a GET or a list shows, and return
exactly what was planned if nobody has changed it since: what the service fills in is left out unless the manifest set
it, which the metadata in the tags records.
"""

from reconciler.providers.azure.bodies.definition import definition_attributes, definition_body
from reconciler.providers.azure.bodies.gallery import gallery_attributes, gallery_body, groups_of, groups_of_body
from reconciler.providers.azure.bodies.planned_metadata import declared, metadata_for
from reconciler.providers.azure.bodies.regions import region_attributes
from reconciler.providers.azure.bodies.sources import storage_profile
from reconciler.providers.azure.bodies.version import lacks_security, version_attributes, version_body

__all__ = [
    "declared",
    "definition_attributes",
    "definition_body",
    "gallery_attributes",
    "gallery_body",
    "groups_of",
    "groups_of_body",
    "lacks_security",
    "metadata_for",
    "region_attributes",
    "storage_profile",
    "version_attributes",
    "version_body",
]
