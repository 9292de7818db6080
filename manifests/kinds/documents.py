"""All kinds of document by the word that stands in `kind`."""

from reconciler.manifests.kinds.base import KindModel
from reconciler.manifests.kinds.gallery import Gallery
from reconciler.manifests.kinds.image_definition import ImageDefinition
from reconciler.manifests.kinds.image_version import ImageVersion
from reconciler.manifests.kinds.moved import Moved
from reconciler.manifests.kinds.removed import Removed

DOCUMENT_KINDS: dict[str, type[KindModel]] = {
    "Gallery": Gallery,
    "ImageDefinition": ImageDefinition,
    "ImageVersion": ImageVersion,
    "Moved": Moved,
    "Removed": Removed,
}
