"""The document that lists the endpoints of a cloud, in the formats that clients from several years expect.

Source: what azure-cli and Terraform's Azure provider read from `/metadata/endpoints`.
"""

from __future__ import annotations

import re

from reconciler.providers.emulator.core.arm import ArmError, Body

OBJECT_SINCE = "2022-09-01"
LIST_SINCE = "2018-05-01"
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


def cloud_metadata(base_url: str, tenant: str, version: str, emulator: str) -> Body | list[Body]:
    """The metadata for an api-version: a list of one cloud from `LIST_SINCE` on, the cloud itself before that and from
    `OBJECT_SINCE` on. `emulator` is our id, which clouds do not have.

    Raises: ArmError when it is not an api-version.
    """
    if not _DATE.fullmatch(version):
        raise ArmError(
            400, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required."
        )
    if version >= OBJECT_SINCE:
        return {**_document(base_url, tenant), "emulator": emulator}
    if version >= LIST_SINCE:
        return [_document(base_url, tenant)]
    return {
        "galleryEndpoint": base_url,
        "graphEndpoint": base_url,
        "portalEndpoint": base_url,
        "authentication": {"loginEndpoint": base_url, "audiences": _audiences(base_url)},
    }


def _audiences(base_url: str) -> list[str]:
    return [base_url, "https://management.core.windows.net/", "https://management.azure.com/"]


def _document(base_url: str, tenant: str) -> Body:
    places = (
        "activeDirectoryDataLake",
        "appInsightsResourceId",
        "attestationResourceId",
        "batch",
        "gallery",
        "graph",
        "graphAudience",
        "logAnalyticsResourceId",
        "media",
        "microsoftGraphResourceId",
        "ossrdbmsResourceId",
        "portal",
        "resourceManager",
        "sqlManagement",
        "synapseAnalyticsResourceId",
        "vmImageAliasDoc",
    )
    return {
        "name": "Emulator",
        "authentication": {
            "loginEndpoint": base_url,
            "audiences": _audiences(base_url),
            "tenant": tenant,
            "identityProvider": "AAD",
        },
        **dict.fromkeys(places, base_url),
        "suffixes": {
            "acrLoginServer": "azurecr.io",
            "keyVaultDns": "vault.azure.net",
            "sqlServerHostname": "database.windows.net",
            "storage": "core.windows.net",
        },
    }
