"""The digests in a manifest and its signature: what real tools write is understood, and wrong ones are refused."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID
from support.image_files.archives import manifest_of, one_machine, write_ova

from reconciler.providers.azure.images.vhd import opened_disk
from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.archives.reading import read_archive
from reconciler.providers.image_files.copying import digest_extent
from reconciler.providers.image_files.image_sources import FileSources
from reconciler.providers.image_files.source_disks import SourceDisk
from reconciler.providers.libvirt.content.conversion import converted

OVF, DISK, OTHER = one_machine(d="d.img").encode(), b"disk".ljust(4096, b"\0"), b"nvram"
FILES = {"x.ovf": OVF, "d.img": DISK, "x.nvram": OTHER}
RIGHT = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def disks(folder: Path, members: Mapping[str, bytes], *, beside: bool = False) -> list[SourceDisk]:
    """The disks of an archive with these members."""
    if not beside:
        write_ova(folder / "x.ova", *members.items())
        return FileSources(str(folder)).disks({"file": "x.ova"}, None)
    for name, content in members.items():
        (folder / name).write_bytes(content)
    return FileSources(str(folder)).disks({"file": "x.ovf"}, None)


def read(folder: Path, manifest: bytes, *, name: str = "x.mf") -> None:
    """Reads an archive with this manifest, and every byte of its disks."""
    for disk in disks(folder, {**FILES, name: manifest}):
        digest_extent(disk.extent)


@pytest.mark.parametrize(
    "manifest",
    [
        manifest_of(FILES.items(), "SHA1"),
        manifest_of(FILES.items(), "SHA256"),
        manifest_of(FILES.items(), "SHA512"),
        b"".join(b"SHA256(%s)= %s\n" % (name.encode(), RIGHT[name].upper().encode()) for name in FILES),
        manifest_of(FILES.items()).replace(b"\n", b"\r\n"),
        manifest_of(FILES.items()).rstrip(b"\n"),
        b"\xef\xbb\xbf\n\n" + manifest_of(FILES.items()),
        manifest_of(FILES.items()).replace(b"SHA256(", b"SHA2-256("),  # openssl 3
        manifest_of(FILES.items()).replace(b"SHA256(", b"SHA-256 (").replace(b")= ", b") = "),
        manifest_of(FILES.items()).replace(b"SHA256(", b"sha256(").replace(b")= ", b")="),
        manifest_of(FILES.items()).replace(b"(", b"(./"),
        manifest_of(FILES.items()).replace(b"d.img", b"d%2Eimg"),
        manifest_of([*FILES.items(), *FILES.items()]),
        manifest_of(FILES.items()) + manifest_of(FILES.items(), "SHA1"),
        b"",
    ],
)
def test_manifests_as_tools_write_them_are_understood(tmp_path: Path, manifest: bytes) -> None:
    read(tmp_path, manifest)


def test_a_name_may_have_parentheses(tmp_path: Path) -> None:
    files = {"x.ovf": one_machine(d="d (1).img").encode(), "d (1).img": DISK}
    for disk in disks(tmp_path, {**files, "x.mf": manifest_of(files.items())}):
        digest_extent(disk.extent)


def wrong(name: str) -> bytes:
    """A manifest that is right except for one file."""
    return manifest_of((file, b"other" if file == name else content) for file, content in FILES.items())


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        (wrong("d.img"), "'d.img' of 'x.ova' is damaged: its sha256 is"),
        (wrong("x.nvram"), "'x.nvram' of 'x.ova' is damaged"),
        (wrong("x.ovf"), "'x.ovf' of 'x.ova' is damaged"),
        (manifest_of(FILES.items()) + b"SHA1(d.img)= " + b"0" * 40, "'d.img' of 'x.ova' is damaged: its sha1 is"),
        (manifest_of(FILES.items()) + b"SHA256(d.img)= " + b"0" * 64, "two digests of 'd.img'"),
        (manifest_of([("../x", b"")]), "names '../x', which is not a plain file in it"),
        (manifest_of([("/etc/passwd", b"")]), "names '/etc/passwd', which is not a plain file"),
        (manifest_of([("gone", b"")]), "names 'gone', which it does not contain"),
        (b"MD5(d.img)= " + b"0" * 32, "a kind that is not checked: 'MD5'"),
        (b"SHA3-256(d.img)= " + b"0" * 64, "a kind that is not checked"),
        (b"SHA256(d.img)= 12", "'d.img' of 'x.ova' is damaged"),
        (f"{RIGHT['d.img']}  d.img\n".encode(), "line 1 of its manifest 'x.mf' is not `SHA256"),
        (b"\n\nnonsense", "line 3 of its manifest 'x.mf'"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
        (b"\n" * 2001, "more than 2000 lines"),
        (b"x" * (1 << 20) + b"y", "larger than 1 MiB"),
        (b"SHA256(" + b"n" * 100_000 + b")= 00", "names 'nnn|is not `SHA256"),
    ],
)
def test_a_manifest_that_is_not_true_is_refused(tmp_path: Path, manifest: bytes, why: str) -> None:
    with pytest.raises(SourceError, match=why) as caught:
        read(tmp_path, manifest)
    assert len(caught.value.message) < 500
    assert caught.value.remedy


def test_two_manifests_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"it has 2 manifests, among them 'x\.mf' and 'y\.MF'"):
        disks(tmp_path, {**FILES, "x.mf": b"", "y.MF": b""})


def test_two_descriptors_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="it has 2 OVF descriptors"):
        disks(tmp_path, {**FILES, "y.ovf": OVF})


def test_what_macos_adds_to_an_archive_is_no_manifest(tmp_path: Path) -> None:
    assert disks(tmp_path, {**FILES, "._x.mf": b"\0", "._x.ovf": b"\0", "x.mf": manifest_of(FILES.items())})


def test_only_the_manifest_of_its_name_belongs_to_an_ovf(tmp_path: Path) -> None:
    disk = disks(tmp_path, {**FILES, "other.mf": wrong("d.img")}, beside=True)[0]
    digest_extent(disk.extent)
    (tmp_path / "x.mf").write_bytes(wrong("d.img"))
    changed = FileSources(str(tmp_path)).disks({"file": "x.ovf"}, None)[0]
    assert disk.identity != changed.identity == FileSources(str(tmp_path)).identity({"file": "x.ovf"})
    with pytest.raises(SourceError, match="is damaged"):
        digest_extent(changed.extent)


def test_no_reader_of_a_disk_gets_past_the_manifest(tmp_path: Path) -> None:
    disk = disks(tmp_path, {**FILES, "x.mf": wrong("x.nvram")})[0]
    with pytest.raises(SourceError, match="is damaged"), opened_disk(disk):
        pass
    with pytest.raises(SourceError, match="is damaged"), converted(disk, "raw"):
        pass


def test_a_manifest_that_leaves_a_disk_out_is_a_warning(tmp_path: Path) -> None:
    write_ova(tmp_path / "x.ova", *FILES.items(), ("x.mf", manifest_of([("x.ovf", OVF)])))
    archive = read_archive(str(tmp_path / "x.ova"), "'x.ova'")
    assert archive.warnings == ("its manifest has no digest of 'd.img', which is not checked",)


def test_files_are_read_once_for_all_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    two = {"x.ovf": one_machine(a="a", b="b").encode(), "a": DISK * 100, "b": DISK * 50}
    found = disks(tmp_path, {**two, "x.mf": manifest_of(two.items())})
    hashed: list[str] = []
    real = hashlib.new

    def counted(name: str, **named: Any) -> Any:
        hashed.append(name)
        return real(name, **named)

    monkeypatch.setattr(hashlib, "new", counted)
    for _ in range(3):
        for disk in found:
            digest_extent(disk.extent)
    assert len(hashed) == 2


def test_holes_of_a_disk_are_hashed_as_zeros(tmp_path: Path) -> None:
    content = bytes(8 << 20) + DISK
    with (tmp_path / "d.img").open("wb") as file:
        file.truncate(8 << 20)
        file.seek(8 << 20)
        file.write(DISK)
    (tmp_path / "x.ovf").write_bytes(OVF)
    (tmp_path / "x.mf").write_bytes(manifest_of([("x.ovf", OVF), ("d.img", content)]))
    (disk,) = FileSources(str(tmp_path)).disks({"file": "x.ovf"}, None)
    assert digest_extent(disk.extent, plain=True).plain == hashlib.sha256(content).hexdigest()


def certificate(key: Key) -> bytes:
    """A certificate that the key has signed itself, and that expired long ago: whose it is does not matter."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vendor")])
    start = datetime(2001, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(start).not_valid_after(start + timedelta(days=1))
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def signature(key: rsa.RSAPrivateKey, content: bytes, algorithm: str = "SHA256", name: str = "x.mf") -> bytes:
    signed = key.sign(content, padding.PKCS1v15(), getattr(hashes, algorithm)())
    return f"{algorithm}({name})= {signed.hex()}\n".encode()


MANIFEST = manifest_of(FILES.items())


@pytest.mark.parametrize("algorithm", ["SHA1", "SHA256", "SHA512"])
def test_a_right_signature_is_accepted_whoever_signed(tmp_path: Path, key: rsa.RSAPrivateKey, algorithm: str) -> None:
    cert = signature(key, MANIFEST, algorithm) + certificate(key)
    assert disks(tmp_path, {**FILES, "x.mf": MANIFEST, "x.cert": cert})


def test_further_certificates_and_other_blocks_do_no_harm(tmp_path: Path, key: rsa.RSAPrivateKey) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    message = b"-----BEGIN CMS-----\nAAAA\n-----END CMS-----\n"
    cert = signature(key, MANIFEST).replace(b"\n", b"\r\n") + certificate(other) + certificate(key) + message
    assert disks(tmp_path, {**FILES, "x.mf": MANIFEST, "x.cert": cert}, beside=True)


def test_a_signature_by_an_elliptic_curve_is_checked(tmp_path: Path) -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    for content, right in ((MANIFEST, True), (b"other", False)):
        value = curve.sign(content, ec.ECDSA(hashes.SHA256())).hex()
        cert = f"SHA256(x.mf)= {value}\n".encode() + certificate(curve)
        if right:
            assert disks(tmp_path, {**FILES, "x.mf": MANIFEST, "x.cert": cert})
        else:
            with pytest.raises(SourceError, match="the signature SHA256"):
                disks(tmp_path, {**FILES, "x.mf": MANIFEST, "x.cert": cert})


def test_a_signature_that_is_wrong_is_refused_in_the_plan(tmp_path: Path, key: rsa.RSAPrivateKey) -> None:
    good, other = signature(key, MANIFEST), rsa.generate_private_key(public_exponent=65537, key_size=2048)
    cases = {
        "does not belong to its manifest": signature(key, MANIFEST + b"\n") + certificate(key),
        "the signature SHA256 .* is wrong": good + certificate(other),
        "has no certificate that can be read": good,
        "no certificate": good + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "is not `SHA256": certificate(key),
        "signs 'y.mf', and its manifest is 'x.mf'": signature(key, MANIFEST, name="y.mf") + certificate(key),
        "neither RSA nor": b"SHA256(x.mf)= 00\n" + certificate(ed25519.Ed25519PrivateKey.generate()),
        "a kind that is not checked": good.replace(b"SHA256", b"MD5") + certificate(key),
        "larger than 256 KiB": b" " * (257 << 10),
    }
    for why, cert in cases.items():
        with pytest.raises(SourceError, match=why) as caught:
            disks(tmp_path, {**FILES, "x.mf": MANIFEST, "x.cert": cert})
        assert len(caught.value.message) < 500


def test_a_signature_needs_a_manifest_that_names_what_is_used(tmp_path: Path, key: rsa.RSAPrivateKey) -> None:
    with pytest.raises(SourceError, match="signs a manifest, which is missing"):
        disks(tmp_path, {**FILES, "x.cert": signature(key, b"") + certificate(key)})
    partly = manifest_of([("x.ovf", OVF)])
    with pytest.raises(SourceError, match=r"no digest of 'd\.img', so that its signature does not cover that"):
        disks(tmp_path, {**FILES, "x.mf": partly, "x.cert": signature(key, partly) + certificate(key)})


def test_without_the_library_a_signed_archive_is_refused_with_the_way_out(
    tmp_path: Path, key: rsa.RSAPrivateKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert = signature(key, MANIFEST) + certificate(key)
    monkeypatch.setitem(sys.modules, "cryptography.x509", None)
    with pytest.raises(SourceError, match="cryptography is not installed") as caught:
        disks(tmp_path, {**FILES, "x.mf": MANIFEST, "x.cert": cert})
    assert "signatures" in caught.value.remedy
    os.remove(tmp_path / "x.ova")
    assert disks(tmp_path, {**FILES, "x.mf": MANIFEST})
