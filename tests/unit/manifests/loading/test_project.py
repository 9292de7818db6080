"""The project file and its environments."""

from __future__ import annotations

import pytest

from reconciler.manifests.errors import ManifestError
from reconciler.manifests.loading.project_loading import read_project

FULL = """\
project: corp-images
manifests: [manifests, more/*.yaml]
state: sqlite:///x.db
provider: {type: local, root: regions, regionNames: [East US, westus]}
providers: {lab: {type: libvirt, regions: {eastus: {uri: 'qemu:///system', pool: '${values.owner}1'}}}}
regionSets: {europe: [North Europe=2, westeurope]}
values: {owner: platform, tier: a}
environments:
  prod:
    state: postgresql://db/${values.owner}
    provider: {type: azure, subscription: 07550000-0000-0000-0000-000000000000, resourceGroup: 0755, timeoutMinutes: 30}
    values: {tier: b}
    regionSets: {us: [eastus]}
    manifests: [prod]
"""


@pytest.fixture
def project(tmp_path):
    def load(text, environment=None):
        (tmp_path / "reconciler.yaml").write_text(text)
        return read_project(tmp_path, environment)

    return load


@pytest.fixture
def problem(project):
    def only(text, environment=None):
        with pytest.raises(ManifestError) as caught:
            project(text, environment)
        (found,) = caught.value.diagnostics
        return found

    return only


def test_a_full_project(project, tmp_path):
    found = project(FULL)
    assert (found.name, found.directory, found.environment) == ("corp-images", tmp_path, "default")
    assert found.manifests == ("manifests", "more/*.yaml")
    assert found.state == "sqlite:///x.db"
    assert found.providers["default"].type == "local"
    assert found.providers["default"].settings == {"root": "regions", "regionNames": ["eastus", "westus"]}
    assert found.providers["lab"].settings == {
        "regions": {"eastus": {"uri": "qemu:///system", "pool": "platform1"}},
        "format": "qcow2",
        "definePools": False,
        "removeSource": False,
    }
    assert found.values == {"owner": "platform", "tier": "a"}
    assert found.region_sets == {"europe": ("North Europe=2", "westeurope")}


def test_an_environment_overrides(project):
    found = project(FULL, "prod")
    assert found.environment == "prod"
    assert found.state == "postgresql://db/platform"
    assert found.manifests == ("prod",)
    assert found.providers["default"].type == "azure"
    assert found.providers["default"].settings == {
        "subscription": "07550000-0000-0000-0000-000000000000",
        "resourceGroup": "0755",
        "endpoint": "https://management.azure.com",
        "timeoutMinutes": 30.0,
    }
    assert found.providers["lab"].type == "libvirt"
    assert found.values == {"owner": "platform", "tier": "b"}
    assert sorted(found.region_sets) == ["europe", "us"]


def test_the_least_project(project):
    found = project("project: p\nprovider: {type: local, root: r}\n")
    assert found.manifests == ("manifests",)
    assert found.state == "sqlite:///.reconciler/state.db"


def test_the_default_environment_can_be_declared(project):
    text = "project: p\nprovider: {type: local, root: r}\nenvironments: {default: {state: sqlite:///d.db}}\n"
    assert project(text).state == "sqlite:///d.db"
    assert project(text, "default").state == "sqlite:///d.db"


def test_no_project_file(tmp_path):
    with pytest.raises(ManifestError, match="reconciler init"):
        read_project(tmp_path)


def test_project_file_is_a_folder(tmp_path):
    (tmp_path / "reconciler.yaml").mkdir()
    with pytest.raises(ManifestError, match="is a folder, not a file"):
        read_project(tmp_path)


@pytest.mark.parametrize(
    ("text", "says", "remedy", "line"),
    [
        ("", "the project file is empty", "project: NAME", 0),
        ("- a\n", "must be a mapping, not a list", "project: NAME", 1),
        (
            "project: p\nprovider: {type: local, root: r}\n---\nkind: Gallery\n",
            "a second document",
            "files of their own",
            4,
        ),
        (
            "project: p\nprovider: {type: local, root: r}\nmanifest: [a]\n",
            "unknown key 'manifest'",
            "did you mean 'manifests'?",
            3,
        ),
        ("provider: {type: local, root: r}\n", "project: is missing", "add it", 1),
        ("project: p\n", "names no provider", "type: local", 1),
        ("project: p\nprovider: {root: x}\n", "provider.type: is missing", "add it", 2),
        ("project: p\nprovider: {type: local, rot: r}\n", "unknown key 'rot'", "did you mean 'root'?", 2),
        ("project: p\nproviders:\n  a: {type: lokal}\n", "providers.a.type: no backend of", "did you mean 'local'?", 3),
        ("project: p\nprovider: {type: '${values.a}'}\n", "unknown value 'a'", "declared values", 2),
        ("project: p\nprovider:\n  type: local\n  root: '${values.a}'\n", "unknown value 'a'", "declared", 4),
        ("project: p\nprovider: {type: local, root: r}\nmanifests: a\n", "must be a list, not a string", "", 3),
        (
            "project: p\nprovider: {type: local, root: r}\nproviders: {default: {type: local, root: s}}\n",
            "the same thing",
            "keep one",
            1,
        ),
        (
            "project: p\nprovider: {type: local, root: r}\nregionSets: {a: [eastus=1=2]}\n",
            "is not a target region",
            "count",
            3,
        ),
        (
            "project: p\nprovider: {type: local, root: r}\nregionSets: {a: [eastus=500]}\n",
            "is not a target region",
            "range",
            3,
        ),
        ("project: p\nprovider: {type: local, root: r}\nregionSets: {a: ['@b']}\n", "not a region name", "", 3),
        (
            "project: p\nprovider: {type: local, root: r}\nvalues: {a: [b]}\n",
            "values.a: must be a string, not a list",
            "",
            3,
        ),
        (
            "project: p\nprovider: {type: local, root: r}\nstate: 'x${values.a}'\n",
            "unknown value 'a'",
            "declared values",
            3,
        ),
        ("project: a b\nprovider: {type: local, root: r}\n", "'a b' is not allowed", "letters", 1),
        (
            "project: p\nprovider: {type: local, root: r}\nenvironments: {prod: {stat: y}}\n",
            "environments.prod.stat: unknown key 'stat'",
            "did you mean 'state'?",
            3,
        ),
    ],
)
def test_problems(problem, text, says, remedy, line):
    found = problem(text)
    assert says in found.summary
    assert remedy in found.detail
    assert (found.position.file, found.position.line) == ("reconciler.yaml", line)


def test_unknown_environment(problem):
    found = problem(FULL, "production")
    assert found.summary == "no environment is called 'production'"
    assert found.detail == "did you mean 'prod'? declared: default, prod"
    assert found.position.line == 8


def test_secrets_are_not_shown(problem):
    found = problem("project: p\nprovider: {type: local, password: hunter2, type: local}\n")
    assert "hunter2" not in str(found)
    found = problem("project: p\nprovider: {type: local, root: r}\nstat: postgresql://me:hunter2@db/x\n")
    assert "hunter2" not in str(found)
    assert "me:***@db" in found.line


def test_all_problems_of_the_file_and_of_settings_are_reported_at_once(project):
    text = """\
project: p
manifest: [a]
provider:
  type: local
  roots: '${values.where}'
providers:
  cloud: {type: azure, subscription: '${values.id}', timeoutMinutes: soon}
  other: {type: azur}
"""
    with pytest.raises(ManifestError) as caught:
        project(text)
    assert [(found.position.line, found.position.column, found.summary) for found in caught.value.diagnostics] == [
        (2, 1, "manifest: unknown key 'manifest'"),
        (5, 3, "unknown value 'where'"),
        (7, 3, "providers.cloud.resourceGroup: is missing"),
        (7, 24, "unknown value 'id'"),
        (7, 54, "providers.cloud.timeoutMinutes: 'soon' is not a number of 0 or more"),
        (8, 11, "providers.other.type: no backend of type 'azur' is installed"),
    ]


def test_an_environment_is_checked_when_it_is_chosen(project):
    text = "project: p\nprovider: {type: local, root: r}\nenvironments: {prod: {provider: {type: local, rot: s}}}\n"
    assert project(text).providers["default"].settings == {"root": "r"}
    with pytest.raises(ManifestError, match=r"environments\.prod\.provider\.rot: unknown key 'rot'"):
        project(text, "prod")


def test_values_are_replaced_before_settings_are_typed(project):
    text = """\
project: p
provider: {type: emulator, timeScale: '${values.scale}', storage: {container: 'images-${values.scale}'}}
values: {scale: 2}
"""
    settings = project(text).providers["default"].settings
    assert settings["timeScale"] == 2.0
    assert settings["storage"]["container"] == "images-2"
