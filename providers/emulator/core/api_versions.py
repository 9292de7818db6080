"""The api-versions that are accepted for a path.

Source: the api-versions of Microsoft.Compute/galleries in the REST specification and the clients. The other types
accept every well-formed one, because clients mix them.
"""

from __future__ import annotations

import re

from reconciler.providers.emulator.core.arm import COMPUTE, ArmError

GALLERY_VERSIONS = (
    "2018-06-01",
    "2019-03-01",
    "2019-07-01",
    "2019-12-01",
    "2020-09-30",
    "2021-07-01",
    "2021-10-01",
    "2022-01-03",
    "2022-03-03",
    "2022-08-03",
    "2023-07-03",
    "2024-03-03",
    "2025-03-03",
    "2025-12-03",
    "2026-03-03",
)
GALLERY_TYPES = ("galleries", "sharedGalleries", "communityGalleries")

_WELL_FORMED = re.compile(r"20\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(-preview)?", re.ASCII)
_GALLERY_PATH = re.compile(
    rf"/providers/{re.escape(COMPUTE)}/(?:locations/[^/]+/)?({'|'.join(GALLERY_TYPES)})(?:/|$)", re.IGNORECASE
)


def check(version: str, path: str) -> None:
    """Raises: ArmError when the api-version is missing, or is not one of those of the type in the path."""
    if not version:
        raise ArmError(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    match = _GALLERY_PATH.search(path)
    if match and version not in GALLERY_VERSIONS:
        raise ArmError(
            400,
            "NoRegisteredProviderFound",
            f"No registered resource provider found for API version '{version}' and type '{match[1]}'. The supported "
            f"api-versions are '{', '.join(GALLERY_VERSIONS)}'.",
        )
    if not _WELL_FORMED.fullmatch(version):
        raise ArmError(
            400,
            "InvalidApiVersionParameter",
            f"The api-version '{version}' is invalid. Versions are dates, such as '{GALLERY_VERSIONS[-1]}'.",
        )
