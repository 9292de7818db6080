"""Microsoft's own SDK for Python, unmodified, through the whole life cycle of a gallery, over TLS."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Iterator
from http.client import HTTPSConnection
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.identity import ClientSecretCredential
from azure.mgmt.compute import ComputeManagementClient
from azure.mgmt.compute import models as m

from reconciler.providers.emulator.server import EmulatorSettings, RunningEmulator, start

GONE = "was not found"


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningEmulator]:
    running = start(EmulatorSettings(tmp_path_factory.mktemp("emulator"), time_scale=0))
    yield running
    running.stop()


class _Token:
    """A credential that returns the token that the emulator writes for scripts."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *_scopes: str, **_more: Any) -> AccessToken:
        return AccessToken(self._token, 2**33)


def client_of(emulator: RunningEmulator, token: str = "") -> ComputeManagementClient:
    return ComputeManagementClient(
        _Token(token or emulator.token()),
        emulator.subscription,
        base_url=emulator.endpoint,
        credential_scopes=[f"{emulator.endpoint}/.default"],
        connection_verify=str(emulator.ca),
        polling_interval=0,
    )


@pytest.fixture(scope="module")
def client(emulator: RunningEmulator) -> Iterator[ComputeManagementClient]:
    with client_of(emulator) as client:
        yield client


@pytest.fixture
def group(emulator: RunningEmulator) -> str:
    """A resource group for one test; the compute SDK cannot create one."""
    name = f"group-{uuid.uuid4().hex[:8]}"
    path = f"/subscriptions/{emulator.subscription}/resourcegroups/{name}?api-version=2024-11-01"
    headers = {"Authorization": f"Bearer {emulator.token()}", "Content-Type": "application/json"}
    trust = ssl.create_default_context(cafile=str(emulator.ca))
    connection = HTTPSConnection(emulator.endpoint.removeprefix("https://"), context=trust)
    connection.request("PUT", path, '{"location": "eastus"}', headers)
    assert connection.getresponse().status == 201
    connection.close()
    return name


@pytest.fixture
def unique() -> str:
    """Gallery names are unique in a subscription."""
    return f"corp.{uuid.uuid4().hex[:8]}"


def a_gallery(client: ComputeManagementClient, group: str, name: str, **properties: Any) -> m.Gallery:
    gallery = m.Gallery(location="eastus", properties=m.GalleryProperties(**properties))
    return client.galleries.begin_create_or_update(group, name, gallery).result()


def a_definition(
    client: ComputeManagementClient, group: str, gallery: str, name: str = "ubuntu", **more: Any
) -> m.GalleryImage:
    identifier = m.GalleryImageIdentifier(publisher="Contoso", offer="Ubuntu", sku=name)
    usual = {"os_type": "Linux", "os_state": "Generalized", "hyper_v_generation": "V2", "identifier": identifier}
    definition = m.GalleryImage(location="eastus", properties=m.GalleryImageProperties(**{**usual, **more}))
    return client.gallery_images.begin_create_or_update(group, gallery, name, definition).result()


def a_disk(client: ComputeManagementClient, group: str, name: str = "os", **more: Any) -> m.Disk:
    creation = m.CreationData(create_option="Empty")
    disk = m.Disk(location="eastus", properties=m.DiskProperties(creation_data=creation, disk_size_gb=32, **more))
    return client.disks.begin_create_or_update(group, name, disk).result()


def version_of(
    storage: m.GalleryImageVersionStorageProfile, *regions: m.TargetRegion, **safety: bool
) -> m.GalleryImageVersion:
    targets = list(regions) or [m.TargetRegion(name="eastus")]
    return m.GalleryImageVersion(
        location="eastus",
        properties=m.GalleryImageVersionProperties(
            publishing_profile=m.GalleryImageVersionPublishingProfile(target_regions=targets),
            storage_profile=storage,
            safety_profile=m.GalleryImageVersionSafetyProfile(**safety) if safety else None,
        ),
    )


def of_disk(disk_id: str) -> m.GalleryImageVersionStorageProfile:
    source = m.GalleryDiskImageSource(id=disk_id)
    return m.GalleryImageVersionStorageProfile(os_disk_image=m.GalleryOSDiskImage(source=source))


def of_whole(**source: str) -> m.GalleryImageVersionStorageProfile:
    return m.GalleryImageVersionStorageProfile(source=m.GalleryArtifactVersionFullSource(**source))


def a_version(
    client: ComputeManagementClient, group: str, gallery: str, version: m.GalleryImageVersion, name: str = "1.0.0"
) -> m.GalleryImageVersion:
    versions = client.gallery_image_versions
    return versions.begin_create_or_update(group, gallery, "ubuntu", name, version).result()


def test_a_gallery_is_made_read_changed_and_deleted(client: ComputeManagementClient, group: str, unique: str) -> None:
    poller = client.galleries.begin_create_or_update(
        group, unique, m.Gallery(location="East US", tags={"a": "b"}, properties={"description": "first"})
    )
    made = poller.result()
    assert (made.location, made.tags, made.properties.description) == ("eastus", {"a": "b"}, "first")
    assert made.properties.provisioning_state == "Succeeded"
    assert made.properties.identifier.unique_name.endswith(f"-{unique.upper()}")

    made.properties.description = "second"
    assert client.galleries.begin_create_or_update(group, unique, made).result().properties.description == "second"
    update = m.GalleryUpdate(tags={"c": "d"})
    patched = client.galleries.begin_update(group, unique, update).result()
    assert (patched.tags, patched.properties.description) == ({"c": "d"}, "second")

    client.galleries.begin_delete(group, unique).result()
    client.galleries.begin_delete(group, unique).result()
    with pytest.raises(ResourceNotFoundError, match=GONE):
        client.galleries.get(group, unique)


def test_lists_have_pages_that_the_client_follows(
    client: ComputeManagementClient, emulator: RunningEmulator, group: str, unique: str
) -> None:
    names = [f"{unique}.{number}" for number in range(5)]
    for name in names:
        a_gallery(client, group, name)
    emulator.service.page_size = 2
    try:
        assert len(list(client.galleries.list_by_resource_group(group).by_page())) == 3
        found = list(client.galleries.list_by_resource_group(group))
        everywhere = [gallery.name for gallery in client.galleries.list()]
    finally:
        emulator.service.page_size = 50
    assert [gallery.name for gallery in found] == names
    assert group.upper() in found[0].id
    assert set(names) <= set(everywhere)


def test_a_definition_is_made_read_changed_and_deleted(
    client: ComputeManagementClient, group: str, unique: str
) -> None:
    a_gallery(client, group, unique)
    features = [m.GalleryImageFeature(name="IsAcceleratedNetworkSupported", value="True")]
    recommended = m.RecommendedMachineConfiguration(v_cp_us=m.ResourceRange(min=1, max=8))
    made = a_definition(client, group, unique, features=features, recommended=recommended)
    assert made.properties.architecture == "x64"
    assert {feature.name: feature.value for feature in made.properties.features} == {
        "IsAcceleratedNetworkSupported": "True",
        "SecurityType": "TrustedLaunchSupported",
    }
    made.properties.description = "changed"
    client.gallery_images.begin_create_or_update(group, unique, "ubuntu", made).result()
    patch = m.GalleryImageUpdate(tags={"e": "f"})
    patched = client.gallery_images.begin_update(group, unique, "ubuntu", patch).result()
    assert (patched.properties.description, patched.tags) == ("changed", {"e": "f"})
    assert [one.name for one in client.gallery_images.list_by_gallery(group, unique)] == ["ubuntu"]
    made.properties.os_state = "Specialized"
    with pytest.raises(ResourceExistsError) as refused:
        client.gallery_images.begin_create_or_update(group, unique, "ubuntu", made).result()
    assert refused.value.error.code == "PropertyChangeNotAllowed"
    with pytest.raises(ResourceExistsError) as nested:
        client.galleries.begin_delete(group, unique).result()
    assert nested.value.error.code == "CannotDeleteResource"
    client.gallery_images.begin_delete(group, unique, "ubuntu").result()
    assert list(client.gallery_images.list_by_gallery(group, unique)) == []


def test_a_version_is_replicated_changed_and_deleted(client: ComputeManagementClient, group: str, unique: str) -> None:
    versions = client.gallery_image_versions
    a_gallery(client, group, unique)
    a_definition(client, group, unique)
    disk = a_disk(client, group, os_type="Linux")
    made = a_version(client, group, unique, version_of(of_disk(disk.id), allow_deletion_of_replicated_locations=True))
    profile = made.properties.publishing_profile
    assert [(region.name, region.regional_replica_count) for region in profile.target_regions] == [("East US", 1)]
    assert made.properties.storage_profile.os_disk_image.size_in_gb == 32
    assert made.properties.replication_status is None

    profile.target_regions += [
        m.TargetRegion(name="westus3", regional_replica_count=2, storage_account_type="Standard_LRS"),
        m.TargetRegion(name="North Europe", exclude_from_latest=True),
    ]
    a_version(client, group, unique, made)
    status = versions.get(group, unique, "ubuntu", "1.0.0", expand="ReplicationStatus").properties.replication_status
    assert status.aggregated_state == "Completed"
    assert {region.region: (region.state, region.progress) for region in status.summary} == dict.fromkeys(
        ("East US", "West US 3", "North Europe"), ("Completed", 100)
    )

    update = m.GalleryImageVersionUpdate(
        properties=m.GalleryImageVersionProperties(
            publishing_profile=m.GalleryImageVersionPublishingProfile(
                target_regions=[m.TargetRegion(name="eastus"), m.TargetRegion(name="northeurope")],
                exclude_from_latest=True,
            ),
            storage_profile=m.GalleryImageVersionStorageProfile(),
        )
    )
    patched = versions.begin_update(group, unique, "ubuntu", "1.0.0", update).result()
    assert patched.properties.publishing_profile.exclude_from_latest is True
    assert [region.name for region in patched.properties.publishing_profile.target_regions] == [
        "East US",
        "North Europe",
    ]
    assert patched.properties.storage_profile.os_disk_image.source.id == disk.id
    assert [one.name for one in versions.list_by_gallery_image(group, unique, "ubuntu")] == ["1.0.0"]
    versions.begin_delete(group, unique, "ubuntu", "1.0.0").result()
    with pytest.raises(ResourceNotFoundError):
        versions.get(group, unique, "ubuntu", "1.0.0")


def test_versions_of_every_kind_of_source(client: ComputeManagementClient, group: str, unique: str) -> None:
    a_gallery(client, group, unique)
    definition = a_definition(client, group, unique)
    disk = a_disk(client, group, os_type="Linux", hyper_v_generation="V2")

    copy = m.CreationData(create_option="Copy", source_resource_id=disk.id)
    snapshot = client.snapshots.begin_create_or_update(
        group, "os", m.Snapshot(location="eastus", properties=m.SnapshotProperties(creation_data=copy))
    ).result()
    a_version(client, group, unique, version_of(of_disk(snapshot.id)), "1.0.0")

    os_disk = m.ImageOSDisk(os_type="Linux", os_state="Generalized", snapshot=m.SubResource(id=snapshot.id))
    storage = m.ImageStorageProfile(os_disk=os_disk)
    image = client.images.begin_create_or_update(
        group, "base", m.Image(location="eastus", properties=m.ImageProperties(storage_profile=storage))
    ).result()
    a_version(client, group, unique, version_of(of_whole(id=image.id)), "1.0.1")

    vm = a_vm(client, group, image.id)
    with pytest.raises(HttpResponseError, match="OS state"):
        a_version(client, group, unique, version_of(of_whole(virtual_machine_id=vm.id)), "1.0.2")
    client.virtual_machines.begin_deallocate(group, "builder").result()
    client.virtual_machines.generalize(group, "builder")
    view = client.virtual_machines.get(group, "builder", expand="instanceView").properties.instance_view
    assert "OSState/generalized" in [status.code for status in view.statuses]
    a_version(client, group, unique, version_of(of_whole(virtual_machine_id=vm.id)), "1.0.2")

    a_version(client, group, unique, version_of(of_whole(id=f"{definition.id}/versions/1.0.2")), "1.0.3")
    found = client.gallery_image_versions.list_by_gallery_image(group, unique, "ubuntu")
    assert [one.properties.storage_profile.os_disk_image.size_in_gb for one in found] == [32] * 4
    assert next(one.name for one in client.disks.list_by_resource_group(group)).startswith("builder_OsDisk")
    assert [one.name for one in client.images.list_by_resource_group(group)] == ["base"]
    assert [one.name for one in client.snapshots.list_by_resource_group(group)] == ["os"]
    assert [one.name for one in client.virtual_machines.list(group)] == ["builder"]


def a_vm(client: ComputeManagementClient, group: str, image_id: str) -> m.VirtualMachine:
    profile = m.StorageProfile(
        image_reference=m.ImageReference(id=image_id), os_disk=m.OSDisk(create_option="FromImage")
    )
    properties = m.VirtualMachineProperties(
        hardware_profile=m.HardwareProfile(vm_size="Standard_D2s_v5"),
        storage_profile=profile,
        os_profile=m.OSProfile(computer_name="builder", admin_username="operator", admin_password="Secret-enough-1"),
    )
    vm = m.VirtualMachine(location="eastus", properties=properties)
    return client.virtual_machines.begin_create_or_update(group, "builder", vm).result()


def test_a_gallery_is_shared_with_subscriptions_and_reset(
    client: ComputeManagementClient, emulator: RunningEmulator, group: str, unique: str
) -> None:
    a_gallery(client, group, unique, sharing_profile=m.SharingProfile(permissions="Groups"))
    a_definition(client, group, unique)
    a_version(client, group, unique, version_of(of_disk(a_disk(client, group).id)))
    ids = [emulator.subscription]
    add = m.SharingUpdate(operation_type="Add", groups=[m.SharingProfileGroup(type="Subscriptions", ids=ids)])
    client.gallery_sharing_profile.begin_update(group, unique, add).result()
    shown = client.galleries.get(group, unique, expand="SharingProfile/Groups").properties.sharing_profile
    assert [(one.type, one.ids) for one in shown.groups] == [("Subscriptions", ids)]
    assert client.galleries.get(group, unique).properties.sharing_profile.groups is None
    assert client.galleries.get(group, unique, select="Permissions").properties.sharing_profile.permissions == "Groups"

    shared = [one for one in client.shared_galleries.list("eastus") if one.name.endswith(unique.upper())]
    (name,) = [one.name for one in shared]
    assert client.shared_galleries.get("eastus", name).identifier.unique_id == f"/SharedGalleries/{name}"
    assert [one.name for one in client.shared_gallery_images.list("eastus", name)] == ["ubuntu"]
    (version,) = client.shared_gallery_image_versions.list("eastus", name, "ubuntu")
    assert client.shared_gallery_image_versions.get("eastus", name, "ubuntu", version.name).name == "1.0.0"

    client.gallery_sharing_profile.begin_update(group, unique, m.SharingUpdate(operation_type="Reset")).result()
    assert client.galleries.get(group, unique).properties.sharing_profile.permissions == "Private"
    assert unique.upper() not in "".join(one.name for one in client.shared_galleries.list("eastus"))


def test_a_gallery_for_the_community(client: ComputeManagementClient, group: str, unique: str) -> None:
    info = m.CommunityGalleryInfo(
        publisher_uri="https://contoso.example",
        publisher_contact="images@contoso.example",
        eula="https://contoso.example/eula",
        public_name_prefix="contoso",
    )
    profile = m.SharingProfile(permissions="Community", community_gallery_info=info)
    made = a_gallery(client, group, unique, sharing_profile=profile)
    (name,) = made.properties.sharing_profile.community_gallery_info.public_names
    a_definition(client, group, unique)
    a_version(client, group, unique, version_of(of_disk(a_disk(client, group).id)))
    with pytest.raises(ResourceNotFoundError):
        client.community_galleries.get("eastus", name)

    enable = m.SharingUpdate(operation_type="EnableCommunity")
    client.gallery_sharing_profile.begin_update(group, unique, enable).result()
    assert client.community_galleries.get("eastus", name).name == name
    assert [one.name for one in client.community_gallery_images.list("eastus", name)] == ["ubuntu"]
    image = client.community_gallery_images.get("eastus", name, "ubuntu")
    assert (image.properties.os_type, image.properties.hyper_v_generation) == ("Linux", "V2")
    (version,) = client.community_gallery_image_versions.list("eastus", name, "ubuntu")
    assert version.name == "1.0.0"

    source = of_whole(community_gallery_image_id=f"/CommunityGalleries/{name}/Images/ubuntu/Versions/1.0.0")
    mine = f"{unique}.mine"
    a_gallery(client, group, mine)
    a_definition(client, group, mine)
    assert a_version(client, group, mine, version_of(source)).properties.storage_profile.os_disk_image.size_in_gb == 32

    client.gallery_sharing_profile.begin_update(group, unique, m.SharingUpdate(operation_type="Reset")).result()
    with pytest.raises(ResourceNotFoundError):
        client.community_galleries.get("eastus", name)


def test_a_deleted_version_is_kept_restored_and_purged(
    client: ComputeManagementClient, group: str, unique: str
) -> None:
    versions = client.gallery_image_versions
    policy = m.SoftDeletePolicy(is_soft_delete_enabled=True, retention_period_in_days=10, grace_period_in_days=2)
    a_gallery(client, group, unique, soft_delete_policy=policy)
    a_definition(client, group, unique)
    made = a_version(client, group, unique, version_of(of_disk(a_disk(client, group).id)))
    versions.begin_delete(group, unique, "ubuntu", "1.0.0").result()
    (kept,) = client.soft_deleted_resource.list_by_artifact_name(group, unique, "images", "ubuntu")
    assert kept.name == "1.0.0"
    with pytest.raises(ResourceExistsError) as refused:
        client.gallery_images.begin_delete(group, unique, "ubuntu").result()
    assert refused.value.error.code == "CannotDeleteResource"

    back = m.GalleryImageVersion(
        location="eastus",
        properties=m.GalleryImageVersionProperties(restore=True, storage_profile=m.GalleryImageVersionStorageProfile()),
    )
    restored = a_version(client, group, unique, back)
    assert restored.properties.publishing_profile.published_date == made.properties.publishing_profile.published_date
    assert list(client.soft_deleted_resource.list_by_artifact_name(group, unique, "images", "ubuntu")) == []

    versions.begin_delete(group, unique, "ubuntu", "1.0.0", bypass_soft_delete=True).result()
    assert list(client.soft_deleted_resource.list_by_artifact_name(group, unique, "images", "ubuntu")) == []
    client.gallery_images.begin_delete(group, unique, "ubuntu").result()
    client.galleries.begin_delete(group, unique).result()


def test_errors_arrive_as_the_sdks_own(
    client: ComputeManagementClient, emulator: RunningEmulator, group: str, unique: str
) -> None:
    a_gallery(client, group, unique)
    a_definition(client, group, unique)
    disk = a_disk(client, group)
    with pytest.raises(ResourceNotFoundError) as missing:
        a_version(client, group, unique, version_of(of_disk(f"{disk.id}-none")))
    assert f"{disk.id}-none" in missing.value.message
    with pytest.raises(HttpResponseError) as regions:
        a_version(client, group, unique, version_of(of_disk(disk.id), m.TargetRegion(name="westus")))
    assert (regions.value.status_code, regions.value.error.code) == (400, "InvalidParameter")
    with pytest.raises(ResourceNotFoundError) as parent:
        a_definition(client, group, f"{unique}.none")
    assert parent.value.error.code == "ParentResourceNotFound"
    with pytest.raises(ResourceNotFoundError) as nowhere:
        a_gallery(client, f"{group}-none", f"{unique}.2")
    assert nowhere.value.error.code == "ResourceGroupNotFound"
    with client_of(emulator, "not.a.token") as stranger, pytest.raises(ClientAuthenticationError):
        stranger.galleries.get(group, unique)


def test_a_credential_of_azure_identity(emulator: RunningEmulator, group: str, unique: str) -> None:
    """Both libraries unmodified: the secret is exchanged for a token, and the token gives access."""
    credential = ClientSecretCredential(
        emulator.tenant,
        emulator.client_id,
        emulator.client_secret,
        authority=emulator.endpoint,
        disable_instance_discovery=True,
        connection_verify=str(emulator.ca),
    )
    client = ComputeManagementClient(
        credential,
        emulator.subscription,
        base_url=emulator.endpoint,
        credential_scopes=[f"{emulator.endpoint}/.default"],
        connection_verify=str(emulator.ca),
        polling_interval=0,
    )
    with credential, client:
        assert a_gallery(client, group, unique).name == unique
