"""All kinds of document by the word that stands in `kind`."""

from manifests.kinds.base import KindModel
from manifests.kinds.gallery import Gallery
from manifests.kinds.image_definition import ImageDefinition
from manifests.kinds.image_version import ImageVersion
from manifests.kinds.moved import Moved
from manifests.kinds.removed import Removed

DOCUMENT_KINDS: dict[str, type[KindModel]] = {
    "Gallery": Gallery,
    "ImageDefinition": ImageDefinition,
    "ImageVersion": ImageVersion,
    "Moved": Moved,
    "Removed": Removed,
}
