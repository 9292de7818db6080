"""Images that are compressed or downloaded, in the volumes of a host."""

from __future__ import annotations

import hashlib
import lzma
from dataclasses import replace
from pathlib import Path

import pytest
from support.content.digests import tree_digest
from support.downloads.image_server import Served, image_server
from support.libvirt.galleries import disks, publish, version
from support.libvirt.world import LibvirtWorld

from reconciler.testing.operations import CONTENT, EAST, WEST
from reconciler.testing.providers import new_provider


@pytest.mark.parametrize("way", ["download", "compressed"])
def test_a_compressed_image_is_published_unpacked(world: LibvirtWorld, tmp_path: Path, way: str) -> None:
    """One download and one digest for all regions."""
    packed = lzma.compress(CONTENT)
    sha256 = hashlib.sha256(packed).hexdigest()
    file = world.image("image.xz", packed)
    with image_server(tmp_path) as server:
        server.answers["/image.xz"] = Served(packed)
        trust = replace(world.trust_in(world.settings), downloads=server.trust().downloads)
        provider = new_provider("libvirt", world.settings, tmp_path, trust)
        source = {"url": server.url("/image.xz"), "sha256": sha256} if way == "download" else file
        assert provider.source_digest(source)
        assert server.connections == 0
        facts = disks(publish(provider, version(source), {EAST: 1, WEST: 1}))["os"]
        assert len(server.requests) == (1 if way == "download" else 0)
        provider.close()
    assert facts["sourceSha256"] == sha256
    assert facts["contentDigest"] == tree_digest(CONTENT)
    assert world.copies(EAST) == world.copies(WEST) == [CONTENT]
