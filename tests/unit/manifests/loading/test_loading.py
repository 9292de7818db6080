"""Files and YAML: everything that is wrong before a document has a kind."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest
from support.manifest_files import load_manifest

from reconciler.manifests.address import Address
from reconciler.manifests.errors import ManifestError
from reconciler.manifests.parsing import events
from reconciler.manifests.parsing.files import LARGEST_FILE

GALLERY = "kind: Gallery\nname: corp\nlocation: East US\n"


def only(diagnostics):
    assert len(diagnostics) == 1, [str(diagnostic) for diagnostic in diagnostics]
    return diagnostics[0]


def test_scalars_reach_text_as_written(load, base):
    gallery, definition, version = base
    manifest = load(gallery + "tags: {a: no, b: 0755, c: 1.10, d: 1e3, e: 2020-01-01, f: ''}\n", definition, version)
    assert manifest.resources[Address("corp")].attributes["tags"] == {
        "a": "no", "b": "0755", "c": "1.10", "d": "1e3", "e": "2020-01-01", "f": "",
    }  # fmt: skip
    assert manifest.resources[Address("corp", "ubuntu")].attributes["identifier"]["sku"] == "24.10"


def test_a_key_without_a_value_is_not_set(load):
    manifest = load(GALLERY + "description:\ntags: {a: ~, b: null, c: 'null'}\n")
    attributes = manifest.resources[Address("corp")].attributes
    assert "description" not in attributes
    assert attributes["tags"] == {"c": "null"}


def test_empty_documents_and_files_count_for_nothing(load):
    assert list(load("", GALLERY, "# only a comment\n", "~\n").resources) == [Address("corp")]
    assert not load("").resources


def test_duplicate_key(problems):
    found = only(problems(GALLERY + "location: West US\n"))
    assert str(found.position) == "manifests/a.yaml:4:1"
    assert found.line == "location: West US"
    assert "duplicate key 'location'" in found.summary
    assert "keep one" in found.detail


@pytest.mark.parametrize("value", ["~", "a"])
def test_duplicate_key_without_a_value(problems, value):
    found = only(problems(GALLERY + f"tags: {{a: ~, a: {value}}}\n"))
    assert str(found.position) == "manifests/a.yaml:4:14"


def test_tags_and_merge_keys_are_not_understood(problems):
    found = problems(GALLERY + "description: !!str x\ntags: {<<: {a: b}, c: !mine d}\n")
    assert [(one.position.line, one.position.column) for one in found] == [(4, 14), (5, 8), (5, 23)]
    assert "merge keys" in found[1].summary


def test_keys_must_be_plain_strings(problems):
    found = problems(GALLERY + "? [a]\n: b\ntags: {'${values.x}': c}\n")
    assert ["plain string" in one.summary for one in found] == [True, True]


def test_aliases_repeat_a_value(load):
    manifest = load(GALLERY + "tags: {a: &x hello, b: *x}\n")
    assert manifest.resources[Address("corp")].attributes["tags"] == {"a": "hello", "b": "hello"}


def test_alias_bomb(problems):
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    found = only(problems("\n".join(lines) + "\n"))
    assert "expand to too many values" in found.summary
    assert "10,000" in found.detail
    assert found.position.line == 5


def test_alias_within_its_own_anchor(problems):
    assert any("undefined alias" in found.summary for found in problems(GALLERY + "tags: &a [*a]\n"))


def test_nesting_depth(problems):
    found = only(problems("a: " + "[" * 100 + "]" * 100))
    assert "40 levels" in found.summary
    assert found.position.line == 1


def test_syntax_error_keeps_the_other_problems(problems, tmp_path):
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "b.yaml").write_text("kind: Gallery\nname: b\n\tlocation: x\n")
    found = problems("kind: Galery\n")
    assert [str(one.position) for one in found] == ["manifests/a.yaml:1:1", "manifests/b.yaml:3:1"]
    assert "not valid YAML" in found[1].summary
    assert "spaces, not tabs" in found[1].detail


def test_invalid_utf8(problems):
    found = only(problems(GALLERY.encode() + b"description: gr\xfc\xdfe\n"))
    assert str(found.position) == "manifests/a.yaml:4:16"
    assert "not UTF-8 text: byte 0xfc" in found.summary
    assert "save the file as UTF-8" in found.detail


def test_utf16_is_named(problems):
    assert "UTF-16" in only(problems(GALLERY.encode("utf-16"))).detail


def test_byte_order_mark_is_fine(load):
    assert load(GALLERY.encode("utf-8-sig")).resources


@pytest.mark.parametrize("junk", [b"\0\0\0", b"conectix\0\x01", b"a: \x07b\n"])
def test_binary_nonsense(problems, junk):
    found = only(problems(junk))
    assert "not valid YAML" in found.summary
    assert "binary" in found.detail


def test_control_characters_in_quoted_text(problems):
    found = only(problems(GALLERY + 'description: "a\\0b"\n'))
    assert str(found.position) == "manifests/a.yaml:4:14"


def test_fifty_megabytes_of_nonsense(problems, tmp_path):
    (tmp_path / "manifests").mkdir()
    with (tmp_path / "manifests" / "big.yaml").open("wb") as file:
        file.truncate(50 * 2**20)
    found = only(problems(GALLERY))
    assert str(found.position) == "manifests/big.yaml"
    assert "too large: 50 MiB" in found.summary
    assert f"{LARGEST_FILE // 2**20} MiB" in found.detail


def test_directory_where_a_file_should_be(problems, tmp_path):
    (tmp_path / "manifests" / "folder.yaml").mkdir(parents=True)
    found = only(problems(GALLERY))
    assert str(found.position) == "manifests/folder.yaml"
    assert "is a folder, not a file" in found.summary
    assert "rename the folder" in found.detail


def test_directory_named_in_the_project(problems, tmp_path):
    (tmp_path / "x.yaml").mkdir()
    found = only(problems(GALLERY, project="project: p\nprovider: {type: local, root: r}\nmanifests: [x.yaml]\n"))
    assert "is a folder" in found.summary


def test_pipe_where_a_file_should_be(problems, tmp_path):
    (tmp_path / "manifests").mkdir()
    os.mkfifo(tmp_path / "manifests" / "pipe.yaml")
    assert "not a regular file" in only(problems(GALLERY)).summary


def test_dangling_link(problems, tmp_path):
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests" / "gone.yaml").symlink_to("nowhere.yaml")
    assert "cannot be read: No such file" in only(problems(GALLERY)).summary


def test_files_folders_and_globs(load, tmp_path):
    for name in ("one/deep/a.yml", "two/b.yaml", "two/no.txt", "one/.hidden/c.yaml"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"kind: Gallery\nname: {path.stem}\nlocation: eastus\n")
    (tmp_path / "one" / "loop").symlink_to(tmp_path / "one")
    project = "project: p\nprovider: {type: local, root: r}\nmanifests: [one, 'two/*', manifests/a.yaml]\n"
    manifest = load(GALLERY, project=project)
    assert [str(address) for address in manifest.resources] == ["a", "b", "corp"]
    assert manifest.resources[Address("a")].origin.file == "one/deep/a.yml"


@pytest.mark.parametrize(
    ("pattern", "says"), [("nowhere", "does not exist"), ("*.yml", "no .yaml or .yml file matches")]
)
def test_pattern_without_files(problems, pattern, says):
    found = only(
        problems(
            GALLERY, project=f"# first\nproject: p\nprovider: {{type: local, root: r}}\nmanifests: ['{pattern}']\n"
        )
    )
    assert says in found.summary
    assert str(found.position) == "reconciler.yaml:4:13"


def test_values_are_replaced_in_any_scalar(load):
    project = "project: p\nprovider: {type: local, root: r}\nvalues: {owner: platform, count: 3}\n"
    manifest = load(GALLERY + "tags: {a: 'is ${values.owner}', b: '$${values.owner}'}\n", project=project)
    assert manifest.resources[Address("corp")].attributes["tags"] == {"a": "is platform", "b": "${values.owner}"}


@pytest.mark.parametrize(
    ("text", "says", "remedy"),
    [
        ("${values.ownr}", "unknown value 'ownr'", "did you mean 'owner'?"),
        ("${owner}", "is not a valid reference", "${values.NAME}"),
        ("${values.owner", "is not a valid reference", "${values.NAME}"),
    ],
)
def test_unknown_values(problems, text, says, remedy):
    project = "project: p\nprovider: {type: local, root: r}\nvalues: {owner: platform}\n"
    found = only(problems(GALLERY + f"description: '{text}'\n", project=project))
    assert says in found.summary
    assert remedy in found.detail
    assert str(found.position) == "manifests/a.yaml:4:14"


def test_order_and_files_never_matter(load, base, tmp_path):
    gallery, definition, version = base
    more = [version.replace("1.0.0", f"1.0.{number}") for number in range(1, 12)]
    documents = [gallery, definition, version, *more]
    first = load(*documents)
    random.Random(1).shuffle(documents)
    (tmp_path / "manifests" / "b.yaml").write_text(documents.pop())
    second = load(*documents)
    assert first.digest == second.digest
    assert list(first.resources) == list(second.resources)
    versions = [address.version for address in first.resources if address.region == "" and address.version]
    assert versions == [f"1.0.{number}" for number in range(12)]


def test_the_digest_changes_with_anything_declared(load, base):
    gallery, definition, version = base
    digests = {
        load(*base).digest,
        load(gallery + "description: x\n", definition, version).digest,
        load(gallery, definition, version + "lifecycle: {protect: true}\n").digest,
        load(gallery, definition, version + "targetRegions: [eastus=2]\n").digest,
        load(*base, "kind: Removed\naddress: corp/old\n").digest,
        load(*base, "kind: Removed\naddress: corp/old\ndestroy: true\n").digest,
        load(*base, "kind: Moved\nfrom: corp/old\nto: corp/ubuntu\n").digest,
    }
    assert len(digests) == 7


def test_without_the_c_parser_the_same_comes_out(load, base, monkeypatch):
    expected = load(*base)
    monkeypatch.setitem(__import__("sys").modules, "yaml._yaml", None)
    source: Any = events.event_source("a")
    assert type(source.__self__).__name__ == "SafeLoader"
    assert load(*base).digest == expected.digest


def test_lines_are_those_of_the_first_key(load, base):
    manifest = load("# comment\n\n" + base[0], *base[1:])
    assert manifest.resources[Address("corp")].origin.line == 3
    assert manifest.resources[Address("corp", "ubuntu")].origin.line == 7


def test_many_problems_are_cut(problems):
    found = problems(*["kind: Galery\n"] * 1500)
    assert len(found) == 1001
    assert found[-1].summary == "and 500 more problems"


def test_unreadable_file(tmp_path, load):
    load(GALLERY)
    os.chmod(tmp_path / "manifests" / "a.yaml", 0)
    if os.geteuid() == 0:  # root reads everything: the nearest thing is a link into itself
        (tmp_path / "manifests" / "a.yaml").unlink()
        (tmp_path / "manifests" / "a.yaml").symlink_to("a.yaml")
    with pytest.raises(ManifestError) as caught:
        load_manifest(Path(tmp_path))
    assert "cannot be read" in str(caught.value)
