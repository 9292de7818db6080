"""The rules between documents, one test for each way to break one."""

from __future__ import annotations

import pytest

INFO = "{publisherUri: a, publisherContact: b, eula: c, publicNamePrefix: contoso}"
COMMUNITY = f"sharing: {{permissions: Community, communityGalleryInfo: {INFO}}}\n"
GROUPS = "sharing: {permissions: Groups}\n"
GROUP = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg"
SETS = f"{GROUP}/providers/Microsoft.Compute/diskEncryptionSets"
KEYS = f"encryption: {{osDiskImage: {{diskEncryptionSetId: {SETS}/des}}}}"


def only(diagnostics):
    assert len(diagnostics) == 1, [str(diagnostic) for diagnostic in diagnostics]
    return diagnostics[0]


def version(number: str, source: str, *lines: str) -> str:
    return f"kind: ImageVersion\nimage: corp/ubuntu\nname: {number}\nsource: {source}\n" + "".join(
        f"{line}\n" for line in lines
    )


@pytest.mark.parametrize("name", ["corp", "CORP"])
def test_duplicate_address_also_by_case(problems, base, name):
    found = only(problems(*base, f"kind: Gallery\nname: {name}\nlocation: x\n"))
    assert found.summary == f"{name} is declared twice"
    assert "first declared at manifests/a.yaml:1" in found.detail
    assert found.line == f"name: {name}"


def test_same_publisher_offer_and_sku_in_a_gallery(problems, base):
    second = base[1].replace("name: ubuntu", "name: other").replace("Contoso", "CONTOSO")
    found = only(problems(*base, second))
    assert "corp/ubuntu has the same publisher, offer and sku" in found.summary
    assert "declared at manifests/a.yaml:5" in found.detail
    assert found.line.startswith("identifier:")


def test_the_same_triplet_in_another_gallery_is_fine(load, base):
    load(*base, "kind: Gallery\nname: two\nlocation: x\n", base[1].replace("gallery: corp", "gallery: two"))


@pytest.mark.parametrize(
    ("document", "says", "line"),
    [
        (0, "the gallery 'corpp' is not declared", "gallery: corpp"),
        (1, "the image definition 'corp/ubunto' is not declared", "image: corp/ubunto"),
    ],
)
def test_dangling_parents(problems, base, document, says, line):
    extra = [
        base[1].replace("gallery: corp", "gallery: corpp"),
        base[2].replace("corp/ubuntu", "corp/ubunto").replace("1.0.0", "2.0.0"),
    ]
    found = only(problems(*base, extra[document]))
    assert found.summary == says
    assert found.line == line
    assert f"did you mean '{'corp' if document == 0 else 'corp/ubuntu'}'?" in found.detail


def test_children_of_a_faulty_parent_are_not_dangling(problems, base):
    found = only(problems(base[0] + "foo: 1\n", *base[1:]))
    assert "unknown key 'foo'" in found.summary


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("corp/nothing/latest", "image definition 'corp/nothing' is not declared"),
        ("corp/empty/latest", "corp/empty has no version to be its latest"),
    ],
)
def test_dangling_sources(problems, base, named, says):
    empty = base[1].replace("name: ubuntu", "name: empty").replace("Ubuntu", "Empty")
    found = only(problems(*base, empty, version("2.0.0", f"{{version: {named}}}")))
    assert says in found.summary
    assert found.line.startswith("source:")
    assert str(found.address) == "corp/ubuntu/2.0.0"


def test_home_region_missing(problems, base):
    found = only(problems(*base[:2], base[2] + "targetRegions: [westus, northeurope]\n"))
    assert found.summary == "the home region eastus is not among the target regions"
    assert "westus, northeurope" in found.detail
    assert found.line == "targetRegions: [westus, northeurope]"


def test_home_region_missing_in_defaults_points_there(problems, base):
    found = only(problems(base[0], base[1] + "versionDefaults: {targetRegions: [westus]}\n", base[2]))
    assert found.line == "versionDefaults: {targetRegions: [westus]}"


def test_same_region_under_two_spellings(problems, base):
    found = only(problems(*base[:2], base[2] + "targetRegions:\n- East US\n- westus\n- eastus=2\n"))
    assert found.summary == "the region eastus is listed twice"
    assert found.line == "- eastus=2"
    assert found.position.column == 3
    assert "keep one" in found.detail


def test_same_region_through_a_set(problems, base):
    project = "project: p\nprovider: {type: local, root: r}\nregionSets: {us: [eastus, westus]}\n"
    found = only(problems(*base[:2], base[2] + "targetRegions: [West US, '@us']\n", project=project))
    assert found.summary == "the region westus is listed twice"


def test_a_problem_in_defaults_is_told_once(problems, base):
    defaults = "versionDefaults: {targetRegions: [eastus, East US]}\n"
    assert only(problems(base[0], base[1] + defaults, base[2], base[2].replace("1.0.0", "1.0.1")))


def test_unknown_region_set(problems, base):
    project = "project: p\nprovider: {type: local, root: r}\nregionSets: {europe: [eastus]}\n"
    found = only(problems(*base[:2], base[2] + "targetRegions: ['@europ']\n", project=project))
    assert found.summary == "unknown region set 'europ'"
    assert "did you mean 'europe'?" in found.detail


def test_unknown_provider(problems, base):
    found = only(problems(base[0] + "provider: defalt\n", *base[1:]))
    assert found.summary == "unknown provider 'defalt'"
    assert "did you mean 'default'?" in found.detail


def test_no_default_provider(problems, base):
    found = only(problems(*base, project="project: p\nproviders: {lab: {type: local, root: r}}\n"))
    assert "has no default" in found.summary
    assert "lab" in found.detail


def test_storage_type_or_strategy(problems, base):
    both = "storageAccountType: Premium_LRS\nstorageAccountStrategy: DefaultStandard_LRS\n"
    assert "are mutually exclusive" in only(problems(*base[:2], base[2] + both)).summary


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("targetRegions: [eastus, westus]", "one target region"),
        ("targetRegions: [eastus=2]", "one replica"),
        ("replicaCount: 2", "one replica"),
        ("targetRegions: [{name: eastus, additionalReplicaSets: [{storageAccountType: Premium_LRS}]}]", "additional"),
    ],
)
def test_shallow_rules(problems, base, lines, says):
    found = only(problems(*base[:2], base[2] + f"replicationMode: Shallow\n{lines}\n"))
    assert says in found.summary
    assert "or use Full" in found.detail


def test_shallow_without_keys(problems, base):
    lines = ("replicationMode: Shallow", f"targetRegions: [{{name: eastus, {KEYS}}}]")
    assert "no encryption keys" in only(problems(*base[:2], version("1.0.0", "{disk: a}", *lines))).summary


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("dataDisks: [{lun: 0, source: {disk: b}}]", "dataDisks cannot be used with"),
        ("hostCaching: None", "hostCaching"),
    ],
)
def test_one_source_style(problems, base, line, says):
    found = only(problems(*base[:2], version("1.0.0", "{managedImage: a}", line)))
    assert says in found.summary
    assert "has its own disks" in found.detail


def test_distinct_sources(problems, base):
    disks = "dataDisks: [{lun: 0, source: {file: b}}, {lun: 1, source: {file: ./B}}, {lun: 2, source: {file: x/../a}}]"
    found = problems(*base[:2], version("1.0.0", "{file: a}", disks))
    assert [one.summary for one in found] == [
        "lun 1 has the same source as lun 0",
        "lun 2 has the same source as the OS disk",
    ]


@pytest.mark.parametrize("value", ["TrustedLaunch", "TrustedLaunchSupported", "ConfidentialVM"])
def test_security_types_need_generation_2(problems, base, value):
    lines = f"hyperVGeneration: V1\nfeatures: [{{name: SecurityType, value: {value}}}]\n"
    found = only(problems(base[0], base[1] + lines))
    assert found.summary == f"SecurityType {value} requires hyperVGeneration V2"
    assert "Standard" in found.detail


@pytest.mark.parametrize("sharing", [GROUPS, COMMUNITY])
def test_enforcing_security_types_are_private(problems, base, sharing):
    found = only(problems(base[0] + sharing, base[1] + "features: [{name: SecurityType, value: ConfidentialVM}]\n"))
    assert "private galleries only" in found.summary
    assert "ConfidentialVmSupported" in found.detail


def test_supported_security_types_may_be_shared(load, base):
    load(base[0] + GROUPS, base[1] + "features: [{name: SecurityType, value: TrustedLaunchSupported}]\n")


def test_encryption_in_all_regions_or_none(problems, base):
    regions = f"targetRegions: [{{name: eastus, {KEYS}}}, westus]"
    found = only(problems(*base[:2], version("1.0.0", "{disk: a}", regions)))
    assert found.summary == "westus has no key for the OS disk, but other regions have one"
    assert found.position.column > 60


def test_encrypted_luns_exist(problems, base):
    keys = f"encryption: {{dataDiskImages: [{{lun: 3, diskEncryptionSetId: {SETS}/d}}]}}"
    found = only(problems(*base[:2], version("1.0.0", "{disk: a}", f"targetRegions: [{{name: eastus, {keys}}}]")))
    assert "lun 3 is encrypted" in found.summary
    assert "none" in found.detail


@pytest.mark.parametrize("source", ["{file: a}", "{version: corp/ubuntu/1.0.0}", "{communityGalleryImage: a}"])
def test_what_can_be_encrypted(problems, base, source):
    found = only(problems(*base, version("2.0.0", source, f"targetRegions: [{{name: eastus, {KEYS}}}]")))
    assert "cannot be encrypted" in found.summary


def test_encrypted_versions_are_no_sources(problems, base):
    encrypted = version("1.0.0", "{disk: a}", f"targetRegions: [{{name: eastus, {KEYS}}}]")
    found = only(problems(*base[:2], encrypted, version("2.0.0", "{version: corp/ubuntu/1.0.0}")))
    assert found.summary == "corp/ubuntu/1.0.0 is encrypted with customer-managed keys and cannot be a source"


@pytest.mark.parametrize("sharing", [GROUPS, COMMUNITY])
def test_shared_galleries_hold_nothing_encrypted(problems, base, sharing):
    encrypted = version("1.0.0", "{disk: a}", f"targetRegions: [{{name: eastus, {KEYS}}}]")
    assert "cannot contain encrypted versions" in only(problems(base[0] + sharing, base[1], encrypted)).summary


def test_direct_sharing_keeps_the_home_region(problems, base):
    found = only(problems(base[0] + GROUPS, base[1], base[2] + "location: westus\n"))
    assert "not that of the directly shared gallery: eastus" in found.summary


def test_direct_sharing_may_replicate_elsewhere(load, base):
    load(base[0] + GROUPS, base[1], base[2] + "targetRegions: [eastus, westus]\n")


def test_community_galleries_are_in_one_region(problems, base):
    found = problems(base[0] + COMMUNITY, base[1] + "location: westus\n", base[2] + "location: westus\n")
    assert [str(one.address) for one in found] == ["corp/ubuntu", "corp/ubuntu/1.0.0"]
    assert "the gallery's location, eastus" in found[0].summary


def test_community_galleries_have_no_plans(problems, base):
    assert "marketplace plan" in only(problems(base[0] + COMMUNITY, base[1] + "purchasePlan: {name: x}\n")).summary


@pytest.mark.parametrize(
    ("paths", "says", "remedy"),
    [
        ("ignoreChanges: [tag.owner]", "'tag.owner' is not an attribute of this image version", "did you mean 'tags'?"),
        ("ignoreDrift: [{attribute: osType}]", "'osType' is not an attribute", "replicaCount"),
        ("ignoreChanges: [restore]", "'restore' is not an attribute", ""),
        ("ignoreChanges: [targetRegions]", "as a whole cannot be ignored", "targetRegions.replicas"),
    ],
)
def test_lifecycle_paths(problems, base, paths, says, remedy):
    found = only(problems(*base[:2], base[2] + f"lifecycle: {{{paths}}}\n"))
    assert says in found.summary
    assert remedy in found.detail


@pytest.mark.parametrize(
    ("source", "target", "says"),
    [
        ("corp/ubuntu", "corp/ubuntu", "moved to itself"),
        ("corp/ubuntu", "corp/other", "corp/ubuntu is still declared"),
        ("corp/old", "corp/nothing", "corp/nothing is not declared"),
        ("corp/old", "corp/ubuntu/1.0.0", "corp/old is an image definition"),
        ("corp/ubuntu/1.0.0@eastus", "corp/ubuntu/1.0.0@westus", "cannot be renamed"),
        ("corp/old/1.0", "corp/ubuntu/1.0.0", "'1.0' is not a version number"),
        ("corp//x", "corp/ubuntu", "is not a valid address"),
    ],
)
def test_moves_that_make_no_sense(problems, base, source, target, says):
    other = base[1].replace("name: ubuntu", "name: other").replace("Ubuntu", "Other")
    found = only(problems(*base, other, f"kind: Moved\nfrom: {source}\nto: {target}\n"))
    assert says in found.summary
    assert found.detail
    assert found.line.startswith(("from:", "to:"))


def test_moves_do_not_chain(problems, base):
    found = problems(*base, "kind: Moved\nfrom: corp/a\nto: corp/b\n", "kind: Moved\nfrom: corp/b\nto: corp/ubuntu\n")
    assert only(found).summary == "corp/b is moved as well"


@pytest.mark.parametrize(
    ("second", "says"), [("corp/a", "corp/a is moved from twice"), ("corp/b", "corp/ubuntu is moved to twice")]
)
def test_an_address_is_moved_once(problems, base, second, says):
    first = "kind: Moved\nfrom: corp/a\nto: corp/ubuntu\n"
    found = problems(*base, first, f"kind: Moved\nfrom: {second}\nto: corp/ubuntu\n")
    assert says in [one.summary for one in found]


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("corp/ubuntu", "corp/ubuntu is still declared"),
        ("corp/ubuntu/1.0.0@East US", "corp/ubuntu/1.0.0@eastus is still declared"),
        ("corp/old", "corp/old is both moved and removed"),
    ],
)
def test_removals_that_make_no_sense(problems, base, address, says):
    moved = "kind: Moved\nfrom: corp/old\nto: corp/ubuntu\n"
    assert only(problems(*base, moved, f"kind: Removed\naddress: {address}\n")).summary == says


def test_removed_twice(problems, base):
    removed = "kind: Removed\naddress: corp/old\n"
    assert only(problems(*base, removed, removed)).summary == "corp/old is removed twice"


def test_end_of_life_in_the_past_is_a_warning(load, base):
    manifest = load(base[0], base[1] + "endOfLifeDate: 2090-01-01\n", base[2] + "endOfLifeDate: 2020-01-31\n")
    (found,) = manifest.warnings
    assert str(found.address) == "corp/ubuntu/1.0.0"
    assert str(found.position) == "manifests/a.yaml:13"
    assert found.severity == "warning"
    assert "2020-01-31 has passed" in found.summary
