"""The digests in the manifest (`.mf`) of an archive, and the check that its files have them.

Source: DSP0243 (OVF 1.1 and 2.1), OVF package; tools add blanks, and openssl 3 writes SHA2-256 for SHA256.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from functools import lru_cache

from reconciler.manifests.words import quoted
from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.archives.contents import Contents
from reconciler.providers.image_files.archives.members import Member, read_small
from reconciler.providers.image_files.archives.problems import DAMAGED, unusable
from reconciler.providers.image_files.extents import PIECE, Extent, changed, opened, pieces

LARGEST = 1 << 20
_LINE = re.compile(r"(?P<algorithm>[A-Za-z0-9-]+)\s*\((?P<name>.+)\)\s*=\s*(?P<value>[0-9A-Fa-f]+)")
_SPELLED = re.compile(r"^SHA(2-|-)?(?=\d)")
_ALGORITHMS = {"SHA1": "sha1", "SHA256": "sha256", "SHA384": "sha384", "SHA512": "sha512"}
_MOST_LINES = 2000


@dataclass(frozen=True, slots=True)
class SignedLine:
    """A line `ALGORITHM(NAME)= VALUE`: `algorithm` is hashlib's name for it, `value` in lower-case hexadecimal."""

    algorithm: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class DeclaredDigest:
    """What the bytes of one file must hash to. `by` is the name of the manifest that says so."""

    extent: Extent
    algorithm: str
    value: str
    by: str


@dataclass(frozen=True, slots=True)
class ManifestDigests:
    """The requirement that every file of an archive has the digest that its manifest declares; see `Extent`."""

    declared: tuple[DeclaredDigest, ...]

    def require(self) -> None:
        """Reads every file that is declared, once in a process. Raises: SourceError if one has another digest."""
        for digest in self.declared:
            _require(digest)

    def require_only(self, member: Member) -> None:
        """As `require`, for what is declared of one file."""
        for digest in self.declared:
            if _is_of(digest, member):
                _require(digest)

    def covers(self, member: Member) -> bool:
        """Whether a digest of this file is declared."""
        return any(_is_of(digest, member) for digest in self.declared)


def manifest_digests(contents: Contents) -> ManifestDigests:
    """What the manifest of an archive declares; nothing if it has none.

    Raises: SourceError if it cannot be read, or names a file that the archive does not have.
    """
    if contents.manifest is None:
        return ManifestDigests(())
    by = f"its manifest {quoted(contents.manifest.name)}"
    content = read_small(contents.manifest, LARGEST, by, contents.label)
    digests: dict[tuple[str, int, str], DeclaredDigest] = {}
    for line in manifest_lines(content, by, contents.label):
        member = contents.named(line.name, by)
        digest = DeclaredDigest(member.extent(contents.label), line.algorithm, line.value, by)
        known = digests.setdefault((member.path, member.offset, line.algorithm), digest)
        if known.value != digest.value:
            raise unusable(contents.label, f"{by} has two digests of {quoted(line.name)}", DAMAGED)
    return ManifestDigests(tuple(digests.values()))


def manifest_lines(content: bytes, by: str, label: str) -> list[SignedLine]:
    """The lines of a manifest. Raises: SourceError if one has another form or an unknown algorithm."""
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise unusable(label, f"{by} is not text in UTF-8", DAMAGED) from error
    if len(lines) > _MOST_LINES:
        raise unusable(label, f"{by} has more than {_MOST_LINES} lines")
    return [parsed_line(line, f"line {number} of {by}", label) for number, line in enumerate(lines, 1) if line.strip()]


def parsed_line(line: str, where: str, label: str) -> SignedLine:
    """A line `ALGORITHM(NAME)= HEX`. Raises: SourceError."""
    matched = _LINE.fullmatch(line.strip()[:4096])
    if matched is None:
        raise unusable(label, f"{where} is not `SHA256(NAME)= DIGEST`: {quoted(line)}", DAMAGED)
    algorithm = _ALGORITHMS.get(_SPELLED.sub("SHA", matched["algorithm"].upper()))
    if algorithm is None:
        raise unusable(
            label,
            f"{where} has a digest of a kind that is not checked: {quoted(matched['algorithm'])}",
            f"write the manifest again with one of {', '.join(_ALGORITHMS)}",
        )
    return SignedLine(algorithm, matched["name"].strip(), matched["value"].lower())


def _is_of(digest: DeclaredDigest, member: Member) -> bool:
    return (digest.extent.path, digest.extent.offset) == (member.path, member.offset)


@lru_cache(maxsize=4096)
def _require(digest: DeclaredDigest) -> None:
    """Checks one file; what passed once is not read again, because the extent has the identity of its file."""
    hasher = hashlib.new(digest.algorithm, usedforsecurity=False)
    buffer, zeros = memoryview(bytearray(PIECE)), memoryview(bytes(PIECE))
    with opened(digest.extent) as fd:
        for start, length, is_data in pieces(fd, digest.extent):
            if is_data and os.preadv(fd, [buffer[:length]], start) != length:
                raise changed(digest.extent)
            for done in range(0, length, PIECE):
                hasher.update((buffer if is_data else zeros)[: min(PIECE, length - done)])
    if hasher.hexdigest() != digest.value:
        raise SourceError(
            f"{digest.extent.label} is damaged: its {digest.algorithm} is {_cut(hasher.hexdigest())}, and {digest.by} "
            f"says {_cut(digest.value)}",
            DAMAGED,
        )


def _cut(digest: str) -> str:
    """As much of a digest as distinguishes it from another, whatever its length."""
    return digest if len(digest) <= 64 else f"{digest[:64]}…"
