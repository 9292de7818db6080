"""The certificate of the service, signed by a CA of its own, which is kept so that clients trust it only once."""

from __future__ import annotations

import json
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

from reconciler.manifests.private_files import read_private, write_private

LIFETIME = timedelta(days=397)
RENEW_BEFORE = timedelta(days=30)


def server_context(data: Path, names: Sequence[str], now: datetime | None = None) -> ssl.SSLContext:
    """The TLS settings of the server: a certificate for these names and addresses, kept in the data directory."""
    chain = _leaf(data, names, now or datetime.now(UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(chain)
    return context


def ca_file(data: Path) -> Path:
    """The CA's certificate, for clients."""
    return data / "ca.pem"


def _ca(data: Path) -> trustme.CA:
    """The CA of a data directory; created when there is none. The key is written first: a certificate has its key."""
    certificate, key = ca_file(data), data / "ca-key.pem"
    if certificate.exists():
        return trustme.CA.from_pem(certificate.read_bytes(), read_private(key))
    made = trustme.CA(organization_name="reconciler emulator", organization_unit_name="for this data directory only")
    write_private(key, made.private_key_pem.bytes().decode("ascii"))
    write_private(certificate, made.cert_pem.bytes().decode("ascii"), mode=0o644)
    return made


def _leaf(data: Path, names: Sequence[str], now: datetime) -> Path:
    """Key and certificate of the server in one file; renewed when it expires soon or lacks a name."""
    chain, about = data / "server.pem", data / "server.json"
    ca = _ca(data)
    if chain.exists() and about.exists():
        kept = json.loads(about.read_text("utf-8"))
        if set(names) <= set(kept["names"]) and datetime.fromisoformat(kept["ends"]) - RENEW_BEFORE > now:
            read_private(chain)
            return chain
    ends = now + LIFETIME
    leaf = ca.issue_cert(*names, not_before=now - timedelta(days=1), not_after=ends)
    pem = leaf.private_key_and_cert_chain_pem.bytes().decode("ascii")
    write_private(chain, pem)
    write_private(about, json.dumps({"names": list(names), "ends": ends.isoformat()}))
    return chain
