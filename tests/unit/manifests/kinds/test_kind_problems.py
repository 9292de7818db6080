"""What each kind of document refuses, with place and remedy."""

from __future__ import annotations

import pytest


def only(diagnostics):
    assert len(diagnostics) == 1, [str(diagnostic) for diagnostic in diagnostics]
    return diagnostics[0]


@pytest.mark.parametrize(
    ("document", "address", "place", "says", "remedy"),
    [
        ("kind: Galery\n", None, "7:1", "unknown kind 'Galery'", "did you mean 'Gallery'?"),
        ("kind: [x]\n", None, "7:1", "kind must be a string", "Gallery"),
        ("name: x\n", None, "7:1", "has no kind", "ImageDefinition"),
        ("- x\n", None, "7:1", "must be a mapping, not a list", "kind: KIND"),
        ("hello\n", None, "7:1", "must be a mapping, not a string", "kind: KIND"),
        (
            "kind: Gallery\nname: a\nlocaton: x\nlocation: b\n",
            "a",
            "9:1",
            "unknown key 'locaton'",
            "did you mean 'location'?",
        ),
        ("kind: Gallery\nname: a\n", "a", "7:1", "location: is missing", "add it"),
        ("kind: Gallery\nname: a\nlocation: [b]\n", "a", "9:1", "must be a region name, not a list", ""),
        ("kind: Gallery\nname: a\nlocation: '!'\n", "a", "9:1", "not a region name", "East US"),
        ("kind: Gallery\nname: a\nlocation: b\ntags: x\n", "a", "10:1", "must be a mapping, not a string", ""),
        ("kind: Gallery\nname: a\nlocation: b\ntags: {a: [b]}\n", "a", "10:8", "must be a string, not a list", ""),
        ("kind: Gallery\nname: a-b\nlocation: b\n", "a-b", "8:1", "not a valid gallery name", "no '-'"),
        ("kind: Gallery\nname: a_\nlocation: b\n", "a_", "8:1", "not a valid gallery name", "ending with a letter"),
    ],
)
def test_gallery_problems(problems, document, address, place, says, remedy):
    found = only(problems("kind: Gallery\nname: corp\nlocation: x\n\n\n", document))
    assert str(found.position) == f"manifests/a.yaml:{place}"
    assert says in found.summary
    assert remedy in found.detail
    assert (str(found.address) if found.address else None) == address
    assert found.line


@pytest.mark.parametrize(
    ("old", "new", "place", "says", "remedy"),
    [
        ("osType: Linux", "osType: Linx", "8:1", "osType: 'Linx' is not allowed", "did you mean 'Linux'?"),
        ("osState: Generalized\n", "", "5:1", "osState: is missing", "add it"),
        ("sku: 24.10", "sku: 'a b'", "10:49", "identifier.sku: 'a b' is not allowed", "not ending in '.'"),
        ("sku: 24.10", "sku: 'a.'", "10:49", "identifier.sku", "not ending in '.'"),
        ("offer: Ubuntu", f"offer: {'x' * 65}", "10:34", "too long: 65 characters", "at most 64"),
        ("name: ubuntu", "name: -x", "7:1", "not a valid image definition name", "starting and ending"),
        ("name: ubuntu", "name: latest", "7:1", "not a valid image definition name", ""),
        ("osType", "recommended: {memory: {min: x}}\nosType", "8:24", "'x' is not a whole number", "decimal digits"),
        ("osType", "recommended: {memory: {min: 010}}\nosType", "8:24", "'010' is not", "leading zeros"),
        ("osType", "recommended: {memory: {min: 1.0}}\nosType", "8:24", "'1.0' is not a whole", "decimal"),
        ("osType", "recommended: {memory: {min: 5000000000}}\nosType", "8:24", "out of range", "2147483647"),
        ("osType", "recommended: {vCPUs: {min: 4, max: 2}}\nosType", "8:15", "min 4 is greater than max 2", "exceed"),
        ("osType", "endOfLifeDate: tomorrow\nosType", "8:1", "'tomorrow' is not a date", "2030-01-31"),
        ("osType", "endOfLifeDate: 2030-02-30\nosType", "8:1", "not a date in the calendar", "check"),
        ("osType", "endOfLifeDate: 0001-01-01T00:00:00+14:00\nosType", "8:1", "not a date in the calendar", ""),
        ("osType", "features: [{name: SecurtyType, value: x}]\nosType", "8:13", "not a known", "'SecurityType'"),
        ("osType", "features: [{name: SecurityType, value: Trusted}]\nosType", "8:12", "not allowed", "TrustedLaunch"),
        ("osType", "allowUpdateImage: yes\nosType", "8:1", "'yes' is neither true nor false", "true, false"),
        (
            "osType",
            "features: [{name: IsHibernateSupported, value: true}, {name: ishibernatesupported, value: false}]\nosType",
            "8:1",
            "two entries have the same name, IsHibernateSupported",
            "merge them",
        ),
    ],
)
def test_definition_problems(problems, base, old, new, place, says, remedy):
    found = only(problems(base[0], base[1].replace(old, new, 1)))
    assert says in found.summary
    assert remedy in found.detail
    assert str(found.position) == f"manifests/a.yaml:{place}"


@pytest.mark.parametrize(
    ("old", "new", "says", "remedy"),
    [
        ("name: 1.0.0", "name: 1.0", "'1.0' is not a version number", "did you mean 1.0.0?"),
        ("name: 1.0.0", "name: 1", "'1' is not a version number", "did you mean 1.0.0?"),
        ("name: 1.0.0", "name: v1.2.3", "'v1.2.3' is not a version number", "did you mean 1.2.3?"),
        ("name: 1.0.0", "name: 1.0.0.4", "'1.0.0.4' is not a version number", "did you mean 1.0.0?"),
        ("name: 1.0.0", "name: 01.0.0", "'01.0.0' is not a version number", "did you mean 1.0.0?"),
        ("name: 1.0.0", "name: 1.0.2147483648", "is not a version number", "did you mean 1.0.2147483647?"),
        ("name: 1.0.0", f"name: {'9' * 5000}.0.0", "is not a version number", "three whole numbers"),
        ("name: 1.0.0", "name: latest", "'latest' is not a version number", "Major.Minor.Patch"),
        ("image: corp/ubuntu", "image: corp", "'corp' is not a valid address", "GALLERY/DEFINITION"),
        (
            "{file: images/ubuntu.vhd}",
            "{file: a, disk: b}",
            "source: names more than one: file, disk",
            "exactly one of file",
        ),
        ("{file: images/ubuntu.vhd}", "{}", "source: is empty", "exactly one of file"),
        ("{file: images/ubuntu.vhd}", "x.vhd", "source: must be a mapping, not a string", "keys: file"),
        ("{file: images/ubuntu.vhd}", "{file: ''}", "source.file: '' is not allowed", "relative to this file"),
        ("{file: images/ubuntu.vhd}", "{fiel: a}", "unknown key 'fiel'", "did you mean 'file'?"),
        ("{file: images/ubuntu.vhd}", "{vhd: {uri: https://a/b}}", "source.vhd.storageAccount: is missing", ""),
        ("{file: images/ubuntu.vhd}", "{version: corp/ubuntu}", "is not a valid address", "GALLERY/DEFINITION/latest"),
        ("source", "targetRegions: [eastus=1=2]\nsource", "'eastus=1=2' is not a target region", "count before"),
        ("source", "targetRegions: [eastus=x=2]\nsource", "is not a target region", "count before"),
        ("source", "targetRegions: [a=1=b=c]\nsource", "is not a target region", "REGION[=COUNT][=STORAGE]"),
        ("source", "targetRegions: [eastus=101]\nsource", "targetRegions[0].replicas: 101 is out", "1 to 100"),
        ("source", "targetRegions: [eastus=0]\nsource", "targetRegions[0].replicas: 0 is out", "1 to 100"),
        ("source", "targetRegions: [eastus=-1]\nsource", "targetRegions[0].replicas: -1 is out", "1 to 100"),
        ("source", "targetRegions: [eastus=Premum_LRS]\nsource", "'Premum_LRS' is not allowed", "'Premium_LRS'?"),
        ("source", "targetRegions: [[a]]\nsource", "targetRegions[0]: is not a target region", "REGION"),
        ("source", "targetRegions: ['@']\nsource", "'@' names no region set", "@NAME"),
        ("source", "targetRegions: [{replicas: 1}]\nsource", "targetRegions[0].name: is missing", ""),
        ("source", "replicaCount: 0\nsource", "replicaCount: 0 is out of range", "1 to 100"),
        (
            "source",
            "dataDisks: [{lun: 1, source: {file: a}}, {lun: 1, source: {file: b}}]\nsource",
            "two entries have the same lun, 1",
            "its own lun",
        ),
        ("source", "dataDisks: [{lun: 1, source: {vm: a}}]\nsource", "unknown key 'vm'", "allowed: file"),
        ("source", "lifecycle: {onRemove: keep}\nsource", "'keep' is not allowed", "delete, retain"),
        ("source", "lifecycle: {ignoreChanges: ['a b']}\nsource", "'a b' is not allowed", "tags.owner"),
    ],
)
def test_version_problems(problems, base, old, new, says, remedy):
    found = problems(*base[:2], base[2].replace(old, new, 1))[0]
    assert says in found.summary
    assert remedy in found.detail
    assert found.position.line > 10


def test_a_signature_is_refused_and_never_shown(problems, base):
    source = "{vhd: {uri: 'https://a/b.vhd?sv=2020&sig=c2VjcmV0', storageAccount: ACCOUNT}}"
    found = only(problems(*base[:2], base[2].replace("{file: images/ubuntu.vhd}", source.replace("ACCOUNT", ACCOUNT))))
    assert "no shared access signature" in found.detail.replace("no query, ", "")
    assert "c2VjcmV0" not in str(found)
    assert "sig=***" in found.line


def ids(count: int) -> str:
    """As many different ids of subscriptions or tenants."""
    return ", ".join(f"{number:08}-0000-0000-0000-000000000000" for number in range(count))


ACCOUNT = f"/subscriptions/{ids(1)}/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/a"
INFO = "publisherUri: a, publisherContact: b, eula: c"


@pytest.mark.parametrize(
    ("sharing", "says"),
    [
        ("permissions: Community", "requires communityGalleryInfo"),
        (
            f"permissions: Groups, communityGalleryInfo: {{{INFO}, publicNamePrefix: contoso}}",
            "community galleries only",
        ),
        (f"groups: {{Subscriptions: [{ids(1)}]}}", "directly shared galleries only"),
        (f"permissions: Groups, groups: {{Subscriptions: [{ids(31)}]}}", "31 subscriptions"),
        (f"permissions: Groups, groups: {{AADTenants: [{ids(6)}]}}", "6 tenants are too many"),
        (f"permissions: Community, communityGalleryInfo: {{{INFO}, publicNamePrefix: x-y}}", "'x-y' is not allowed"),
    ],
)
def test_sharing_problems(problems, sharing, says):
    found = only(problems(f"kind: Gallery\nname: corp\nlocation: x\nsharing: {{{sharing}}}\n"))
    assert says in found.summary
    assert found.position.line == 4


def test_identities_must_fit_their_type(problems):
    found = only(problems("kind: Gallery\nname: corp\nlocation: x\nidentity: {type: UserAssigned}\n"))
    assert "do not match" in found.summary


def test_all_problems_come_at_once_in_file_order(problems):
    found = problems("kind: Gallery\nname: a-\nlocation: '?'\nfoo: 1\n", "kind: Nothing\n", "a: b\na: c\n")
    places = [(one.position.line, one.position.column) for one in found]
    assert places == sorted(places)
    assert len(found) == 6
