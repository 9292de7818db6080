"""The settings of whoever runs a command, in a file of their own: what is trusted beyond a project."""

from typing import Annotated

from pydantic import Field

from reconciler.manifests.kinds.base import Model
from reconciler.manifests.kinds.scalars import Integer, String

HOST = r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
HTTPS = r"https://[^\s/@?#]+(?:/[^\s?#]*)?"
Text = Annotated[str, String()]


class TrustedEndpoint(Model):
    """An endpoint of Azure Resource Manager, and who certifies it."""

    url: Annotated[
        str,
        String(HTTPS, "write https://HOST or https://HOST:PORT"),
        Field(description="https://HOST[:PORT], as projects write it in `endpoint`."),
    ]
    ca: Annotated[
        str | None,
        String(),
        Field(description="Certificate of the endpoint's authority (PEM); what this machine trusts when absent."),
    ] = None


class TrustedAzure(Model):
    """What the backends `azure` and `emulator` may use."""

    endpoints: Annotated[
        list[TrustedEndpoint],
        Field(default_factory=list, description="Endpoints besides those of the public clouds, and of this machine."),
    ]


class TrustedLibvirt(Model):
    """What the backend `libvirt` may use."""

    uris: Annotated[
        list[Text],
        Field(default_factory=list, description="URIs that are not allowed anyway, exactly as projects write them."),
    ]


class TrustedPostgresql(Model):
    """Which databases a project's state may be in."""

    hosts: Annotated[
        list[Annotated[str, String(HOST, "write HOST or HOST:PORT")]],
        Field(
            default_factory=list,
            description="HOST[:PORT] of servers that may be connected to, and sent the password in PGPASSWORD.",
        ),
    ]


class TrustedHost(Model):
    """A host that images may be downloaded from although its address is not public."""

    host: Annotated[str, String(HOST, "write HOST or HOST:PORT"), Field(description="HOST[:PORT], as in `url`.")]
    ca: Annotated[
        str | None,
        String(),
        Field(description="Certificate of the host's authority (PEM); what this machine trusts when absent."),
    ] = None


class TrustedDownloads(Model):
    """Which images may be downloaded, for a `source` with a `url`."""

    hosts: Annotated[
        list[TrustedHost], Field(default_factory=list, description="Hosts besides those with a public address.")
    ]
    largest_gib: Annotated[
        int, Integer(1), Field(description="GiB of the largest image that is downloaded.", alias="largestGiB")
    ] = 128
    largest_unpacked_gib: Annotated[
        int,
        Integer(1),
        Field(description="GiB of the largest image that a compressed one may contain.", alias="largestUnpackedGiB"),
    ] = 1024
    cache_gib: Annotated[
        int,
        Integer(1),
        Field(description="GiB that the downloads kept in a project may take; those used last stay.", alias="cacheGiB"),
    ] = 64


class SettingsFile(Model):
    """What whoever runs a command trusts beyond the project."""

    state: Annotated[
        str | None, String(), Field(description="Where the state is kept, whatever the project says: a URL.")
    ] = None
    directories: Annotated[
        list[Text], Field(default_factory=list, description="Folders outside of the project that its files may name.")
    ]
    azure: Annotated[
        TrustedAzure, Field(default_factory=TrustedAzure, description="For providers of type azure and emulator.")
    ]
    libvirt: Annotated[
        TrustedLibvirt, Field(default_factory=TrustedLibvirt, description="For providers of type libvirt.")
    ]
    postgresql: Annotated[
        TrustedPostgresql, Field(default_factory=TrustedPostgresql, description="For a state in PostgreSQL.")
    ]
    downloads: Annotated[
        TrustedDownloads, Field(default_factory=TrustedDownloads, description="For sources that are downloaded.")
    ]
