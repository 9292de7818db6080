"""Which addresses a `source: {url}` may have, and that no message repeats what may be a secret."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from reconciler.manifests.kinds.sources.image_sources import DiskSource
from reconciler.manifests.kinds.sources.source_urls import require_source_url
from reconciler.manifests.problems import InvalidInput

SHA256 = "0123456789abcdef" * 4
DEBIAN = "https://cloud.debian.org/images/cloud/bookworm/20260101-2000/debian-12-generic-amd64-20260101-2000.tar.xz"


@pytest.mark.parametrize(
    "url",
    [
        DEBIAN,
        "https://images.example:8443/a%20b.qcow2",
        "https://[2606:4700::1111]/a.raw",
        "HTTPS://Images.Example/a.raw",
        "file:///srv/images/a%20b.raw.zst",
    ],
)
def test_plain_addresses_are_accepted(url: str) -> None:
    require_source_url(url)
    assert DiskSource.model_validate({"url": url, "sha256": SHA256}).styles() == ("url",)


@pytest.mark.parametrize(
    "url",
    [
        "http://images.example/a.raw",
        "ftp://images.example/a.raw",
        "images.example/a.raw",
        "https:///a.raw",
        "https://images.example",
        "https://images.example/",
        "https://user:SECRET@images.example/a.raw",
        "https://SECRET@images.example/a.raw",
        "https://images.example/a.raw?sv=2024&sig=SECRET",
        "https://images.example/a.raw?",
        "https://images.example/a.raw#SECRET",
        "https://images.example/a.raw#",
        "https://images.example/a\\SECRET.raw",
        "https://images.example/a SECRET.raw",
        "https://images.example/a\nSECRET.raw",
        "https://im\u00e4ges.example/a.raw",
        "https://images.example:0/a.raw",
        "https://images.example:99999/a.raw",
        "https://images.example:SECRET/a.raw",
        "https://[::1/SECRET.raw",
        "https://images.example/a.ovf",
        "https://images.example/" + "a" * 2000,
        "file://host/a.raw",
        "file:a.raw",
        "file:///a%00.raw",
        "file:///a.raw?SECRET",
    ],
)
def test_other_addresses_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        require_source_url(url)
    assert "SECRET" not in f"{raised.value.summary} {raised.value.detail}"
    with pytest.raises(ValidationError) as invalid:
        DiskSource.model_validate({"url": url, "sha256": SHA256})
    assert all("SECRET" not in str(error["msg"]) for error in invalid.value.errors(include_input=False))


def test_a_url_needs_a_digest() -> None:
    with pytest.raises(ValueError, match="has a url without sha256"):
        DiskSource.model_validate({"url": DEBIAN})
    with pytest.raises(ValueError, match="names more than one: file, url"):
        DiskSource.model_validate({"url": DEBIAN, "file": "a.raw", "sha256": SHA256})
