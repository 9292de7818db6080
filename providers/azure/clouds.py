"""Azure's clouds, and which other places a provider may talk to: what is known, what is on this computer, and what
whoever runs the command trusts. No project file can add to them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from reconciler.manifests.trust import Trust


@dataclass(frozen=True, slots=True)
class Cloud:
    """The sign-in host of a cloud, and the end of the names of its blob services."""

    sign_in: str
    blobs: str


AZURE_ENDPOINT = "https://management.azure.com"
CLOUDS: Mapping[str, Cloud] = {
    AZURE_ENDPOINT: Cloud("login.microsoftonline.com", "blob.core.windows.net"),
    "https://management.usgovcloudapi.net": Cloud("login.microsoftonline.us", "blob.core.usgovcloudapi.net"),
    "https://management.chinacloudapi.cn": Cloud("login.chinacloudapi.cn", "blob.core.chinacloudapi.cn"),
}
"""The endpoint of each. Source: azure-identity, AzureAuthorityHosts; Azure's lists of endpoints of its clouds."""

_HOST = r"(?:[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])"
_ORIGIN = re.compile(rf"(https?)://({_HOST})(?::([0-9]{{1,5}}))?")
_DEFAULT_PORTS = {"https": "443", "http": "80"}


def origin(url: str) -> str:
    """Scheme, host and port of a URL, in one spelling; empty if it is no plain URL of http or https."""
    match = _ORIGIN.match(url.lower())
    if match is None or url[match.end() : match.end() + 1] not in ("", "/", "?"):
        return ""
    scheme, host, port = match.groups()
    return f"{scheme}://{host}" + (f":{int(port)}" if port and port != _DEFAULT_PORTS[scheme] else "")


def is_address(url: str) -> bool:
    """Whether a URL is a scheme, a host and perhaps a port, and nothing else."""
    return bool(origin(url)) and _ORIGIN.fullmatch(url.lower()) is not None


def is_loopback(host: str) -> bool:
    """Whether a host is this computer, by its name or its address."""
    try:
        return host.lower() == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def is_on_loopback(url: str) -> bool:
    """Whether a URL leads to this computer."""
    return bool(origin(url)) and is_loopback(urlsplit(origin(url)).hostname or "")


def is_trusted(url: str, trust: Trust) -> bool:
    """Whether whoever runs this trusts the host and port of a URL."""
    return bool(origin(url)) and origin(url) in map(origin, trust.endpoints)


def trusted_authority(url: str, trust: Trust) -> Path | None:
    """The certificate with which a trusted endpoint is checked; None for those that the computer trusts."""
    return next((ca for endpoint, ca in trust.endpoints.items() if origin(endpoint) == origin(url)), None)


def blob_service(account: str, endpoint: str) -> str:
    """The blob service of a storage account in the cloud with this endpoint, the public one if it is none."""
    return f"https://{account}.{CLOUDS.get(endpoint, CLOUDS[AZURE_ENDPOINT]).blobs}"


def is_blob_service(url: str, account: str) -> bool:
    """Whether a URL is that of an account's blob service in one of the clouds."""
    return any(origin(url) == f"https://{account.lower()}.{cloud.blobs}" for cloud in CLOUDS.values())
