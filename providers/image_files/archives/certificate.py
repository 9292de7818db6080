"""The signature of an archive's manifest (`.cert`), verified with the certificate that is beside it.

What it shows is that nobody changed the manifest since it was signed with the key of that certificate. Whose key that
is nobody vouches for: the chain, the dates and the revocation of the certificate are not looked at, because an archive
that brings its own certificate could bring any. Source: DSP0243 (OVF 1.1 and 2.1), OVF package signing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reconciler.manifests.installation import install_extra
from reconciler.manifests.words import quoted
from reconciler.providers.image_files.archives.contents import Contents
from reconciler.providers.image_files.archives.manifest_digests import LARGEST, SignedLine, parsed_line
from reconciler.providers.image_files.archives.members import Member, plain_name, read_small
from reconciler.providers.image_files.archives.problems import DAMAGED, unusable

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_LARGEST = 256 << 10
_BEGIN = "-----BEGIN CERTIFICATE-----"


def require_signature(contents: Contents) -> None:
    """Checks the signature of the manifest if the archive has one. Raises: SourceError if it is wrong or cannot be
    checked."""
    certificate, manifest = contents.certificate, contents.manifest
    if certificate is None:
        return
    by = f"its certificate {quoted(certificate.name)}"
    if manifest is None:
        raise unusable(contents.label, f"{by} signs a manifest, which is missing", DAMAGED)
    line, certificates = _parts(certificate, by, contents.label)
    if plain_name(line.name).rpartition("/")[2] != manifest.name.rpartition("/")[2]:
        raise unusable(contents.label, f"{by} signs {quoted(line.name)}, and its manifest is {quoted(manifest.name)}")
    signed = read_small(manifest, LARGEST, f"its manifest {quoted(manifest.name)}", contents.label)
    if not any(_signed_by(one, line, signed, by, contents.label) for one in certificates):
        raise unusable(
            contents.label, f"{by} does not belong to its manifest: the signature {_short(line)} is wrong", DAMAGED
        )


def _parts(member: Member, by: str, label: str) -> tuple[SignedLine, list[Certificate]]:
    """The line with the signature, and the certificates after it: that of the key first, or last."""
    try:
        from cryptography.x509 import load_pem_x509_certificates
    except ImportError as error:
        raise unusable(
            label,
            f"{by} cannot be checked, because the Python package cryptography is not installed",
            f"install it: {install_extra('signatures')}",
        ) from error
    content = read_small(member, _LARGEST, by, label)
    text = content.decode("utf-8-sig", "replace")
    signature, begin, rest = text.partition(_BEGIN)
    line = parsed_line(" ".join(signature.split()), by, label)
    try:
        return line, load_pem_x509_certificates((begin + rest).encode())
    except ValueError as error:
        raise unusable(label, f"{by} has no certificate that can be read", DAMAGED) from error


def _signed_by(certificate: Certificate, line: SignedLine, signed: bytes, by: str, label: str) -> bool:
    """Whether the key of a certificate made the signature. Raises: SourceError for a kind of key that does not sign."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    algorithm = getattr(hashes, line.algorithm.upper())()
    try:
        key = certificate.public_key()
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(bytes.fromhex(line.value), signed, padding.PKCS1v15(), algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(bytes.fromhex(line.value), signed, ec.ECDSA(algorithm))
        else:
            raise unusable(label, f"{by} has a key of a kind that is not checked: neither RSA nor an elliptic curve")
    except (InvalidSignature, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _short(line: SignedLine) -> str:
    return f"{line.algorithm.upper()} {line.value[:16]}…"
