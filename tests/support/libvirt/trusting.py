"""What tests trust beyond the folder of a project, as whoever runs the command would."""

from __future__ import annotations

from pathlib import Path

import yaml

from reconciler.manifests.trust import Trust


def trusting(folder: Path) -> Trust:
    """Trust in the libvirt URIs that the project file names: the daemons of tests have sockets of their own."""
    provider = yaml.safe_load((folder / "reconciler.yaml").read_text()).get("provider", {})
    regions = provider.get("regions", {}) if provider.get("type") == "libvirt" else {}
    return Trust(libvirt_uris=tuple(region["uri"] for region in regions.values()))
