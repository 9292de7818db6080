"""Metadata that only a build knows: the addresses of the repository that a release is built in."""

import os
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class RepositoryUrls(MetadataHookInterface):
    """Project URLs, where the build runs in a hosted workflow; a build anywhere else has none to name."""

    def update(self, metadata: dict[str, Any]) -> None:
        repository = os.environ.get("GITHUB_REPOSITORY")
        urls = {}
        if repository:
            home = f"{os.environ.get('GITHUB_SERVER_URL', 'https://github.com')}/{repository}"
            urls = {
                "Homepage": home,
                "Documentation": f"{home}/tree/main/docs",
                "Changelog": f"{home}/blob/main/docs/changelog.md",
                "Issues": f"{home}/issues",
            }
        metadata["urls"] = urls
