"""Projects of at most 32 MiB that would take too long or too much memory, each by a cause of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

MIB = 2**20
_HEAD = "project: big\nprovider: {type: local, root: regions}\n"
_GALLERY = "kind: Gallery\nname: {}\nlocation: eastus\n"

Project = tuple[str, dict[str, str]]
"""What is added to the project file, and the manifests by name."""


def write_project(folder: Path, name: str) -> None:
    """Writes the project called `name`, a key of OVERSIZED, into `folder`."""
    added, manifests = OVERSIZED[name]()
    (folder / "manifests").mkdir(parents=True)
    (folder / "reconciler.yaml").write_text(added if added.startswith("project:") else _HEAD + added)
    for file, text in manifests.items():
        (folder / "manifests" / file).write_text(text)


def _one(text: str) -> Project:
    return "", {"a.yaml": text}


def _described(text: str) -> str:
    return f"kind: Gallery\nname: a\nlocation: eastus\ndescription: {text}\n"


def _long_value() -> Project:
    return f"values: {{v: {'x' * 20_000}}}\n", {"a.yaml": _described("${values.v}" * 10_000)}


def _long_value_in_documents() -> Project:
    text = "---\n".join(_described("${values.v}" * 10_000) for _ in range(30))
    return f"values: {{v: {'x' * 20_000}}}\n", {"a.yaml": text}


def _many_references() -> Project:
    return f"values: {{v: {'x' * 2_000}}}\n", {"a.yaml": _described("${values.v}" * 100_000)}


def _values_in_scalars() -> Project:
    entries = "".join("- ${values.v}\n" for _ in range(1_000_000))
    return f"values: {{v: {'x' * 2_000}}}\n", {"a.yaml": f"kind: Gallery\nname: a\nx:\n{entries}"}


def _values_in_project_file() -> Project:
    patterns = ", ".join('"${values.v}"' for _ in range(100_000))
    return f"values: {{v: {'x' * 100_000}}}\nmanifests: [{patterns}]\n", {}


def _values_in_settings() -> Project:
    settings = ", ".join(f'k{number}: "{"${values.v}" * 100}"' for number in range(10_000))
    added = f"project: big\nprovider: {{type: local, root: regions, {settings}}}\nvalues: {{v: {'x' * 20_000}}}\n"
    return added, {"a.yaml": _GALLERY.format("a")}


def _nested_anchors() -> Project:
    def entry(number: int) -> str:
        opened = "".join(f"&a{number}x{level} [" for level in range(38))
        return f"k{number}: {opened}{','.join('1' * 1_000)}{']' * 38}\n"

    return _one("".join(entry(number) for number in range(2_000)))


def _laughs() -> Project:
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]")
    return _one("\n".join(lines))


def _aliases_in_documents() -> Project:
    document = f"kind: Gallery\nname: a\nx: &a [{','.join('1' * 99)}]\ny: [{','.join(['*a'] * 90)}]\n"
    return _one("---\n".join([document] * 5_000))


def _laughs_in_files() -> Project:
    document = f"kind: Gallery\nname: a\nx: &a [{','.join('1' * 99)}]\ny: [{','.join(['*a'] * 90)}]\n"
    return "", {f"a{number}.yaml": document for number in range(5_000)}


OVERSIZED: dict[str, Callable[[], Project]] = {
    "a long value in one string": _long_value,
    "a long value in 30 documents": _long_value_in_documents,
    "100,000 references to a value": _many_references,
    "a value in a million strings": _values_in_scalars,
    "values in the project file": _values_in_project_file,
    "values in settings": _values_in_settings,
    "nested anchors": _nested_anchors,
    "aliases of aliases": _laughs,
    "aliases in every document": _aliases_in_documents,
    "aliases in every file": _laughs_in_files,
    "2,000,000 documents": lambda: _one("--- a\n" * 2_000_000),
    "200,000 documents": lambda: _one("--- a\n" * 200_000),
    "5,000,000 empty documents": lambda: _one("---\n" * 5_000_000),
    "200,000 documents of an unknown kind": lambda: _one("kind: Galery\n---\n" * 200_000),
    "100,000 documents without a name": lambda: _one("kind: Gallery\n---\n" * 100_000),
    "200,000 unknown keys": lambda: _one(
        _GALLERY.format("a") + "".join(f"key{number}: 1\n" for number in range(200_000))
    ),
    "2,000,000 unknown keys": lambda: _one(
        _GALLERY.format("a") + "".join(f"k{number}: 1\n" for number in range(2_000_000))
    ),
    "unknown keys in every document": lambda: _one(
        "---\n".join(_GALLERY.format("a") + "".join(f"k{n}: 1\n" for n in range(100)) for _ in range(5_000))
    ),
    "unknown keys in the project file": lambda: ("".join(f"key{n}: 1\n" for n in range(200_000)), {}),
    "unknown settings": lambda: (
        f"project: big\nprovider: {{type: local, root: r, {', '.join(f'k{n}: 1' for n in range(200_000))}}}\n",
        {"a.yaml": _GALLERY.format("a")},
    ),
    "1,000,000 equal keys": lambda: _one(_GALLERY.format("a") + "k: 1\n" * 1_000_000),
    "200,000 tags": lambda: _one(_GALLERY.format("a") + "tags:\n" + "".join(f"  t{n}: 1\n" for n in range(200_000))),
    "deep brackets": lambda: _one("[" * 30_000_000),
    "deep braces": lambda: _one("{a: " * 5_000_000),
    "deep block sequences": lambda: _one("- " * 10_000_000 + "a"),
    "a long string": lambda: _one(_described("x" * 30_000_000)),
    "a long quoted string": lambda: _one(_described('"' + "\\u00e9" * 5_000_000 + '"')),
    "a long name": lambda: _one(f"kind: Gallery\nname: {'x' * 30_000_000}\nlocation: eastus\n"),
    "a long kind": lambda: _one(f"kind: {'x' * 30_000_000}\n"),
    "a long key": lambda: _one(f'"{"x" * 900}": 1\n? {"y" * 30_000_000}\n: 1\n'),
    "a long location": lambda: _one(f"kind: Gallery\nname: a\nlocation: {'x' * 30_000_000}\n"),
    "long digits": lambda: _one(f"kind: ImageVersion\nimage: g/d\nname: 1.0.{'1' * 30_000_000}\nsource: {{file: a}}\n"),
    "a long line": lambda: _one(
        "# " + "x" * 30_000_000 + "\n" + _described("{"),
    ),
    "30,000,000 lines, and a problem": lambda: _one("\n" * 30_000_000 + "kind: Galery\n"),
    "comments": lambda: _one("#\n" * 15_000_000 + _GALLERY.format("a")),
    "8,000,000 list members": lambda: _one(_GALLERY.format("a") + "x:\n" + "- a\n" * 8_000_000),
    "a flow list": lambda: _one(f"x: [{'a,' * 15_000_000}]"),
    "empty list members": lambda: _one("x:\n" + "-\n" * 15_000_000),
    "2,000,000 anchors": lambda: _one("x:\n" + "".join(f"- &a{n} b\n" for n in range(2_000_000))),
    "a tag on every value": lambda: _one("x:\n" + "- !a b\n" * 4_000_000),
    "1,000,000 values": lambda: (
        "values:\n" + "".join(f"  v{n}: x\n" for n in range(1_000_000)),
        {"a.yaml": _GALLERY.format("a")},
    ),
    "an undeclared value in every string, of 500,000": lambda: (
        "values:\n" + "".join(f"  v{n}: x\n" for n in range(500_000)),
        {"a.yaml": "kind: Gallery\nx:\n" + "- ${values.w}\n" * 500_000},
    ),
    "open references": lambda: ("values: {v: x}\n", {"a.yaml": _described("'" + "${" * 15_000_000 + "'")}),
    "60,000 galleries": lambda: _one(
        "".join(f"---\nkind: Gallery\nname: a{n}\nlocation: eastus\n" for n in range(60_000))
    ),
    "700,000 galleries": lambda: _one(
        "".join(f"--- {{kind: Gallery, name: a{n}, location: a}}\n" for n in range(700_000))
    ),
    "400,000 definitions": lambda: _one(
        _GALLERY.format("g")
        + "".join(f"--- {{kind: ImageDefinition, gallery: g, name: d{n}, osType: Linux}}\n" for n in range(400_000))
    ),
    "300,000 versions": lambda: _one(
        "".join(f"--- {{kind: ImageVersion, image: g/d, name: 1.0.{n}}}\n" for n in range(300_000))
    ),
    "300,000 moves in a chain": lambda: _one(
        "".join(f"--- {{kind: Moved, from: g{n}, to: g{n + 1}}}\n" for n in range(300_000))
    ),
    "400,000 removals": lambda: _one("".join(f"--- {{kind: Removed, address: g{n}}}\n" for n in range(400_000))),
    "49,000 galleries": lambda: _one(
        "".join(f"---\nkind: Gallery\nname: a{n}\nlocation: eastus\n" for n in range(49_000))
    ),
    "49,000 definitions": lambda: _one(
        _GALLERY.format("g")
        + "".join(
            f"--- {{kind: ImageDefinition, gallery: g, name: d{n}, osType: Linux, osState: Generalized, "
            f"identifier: {{publisher: p, offer: o, sku: s{n}}}}}\n"
            for n in range(49_000)
        )
    ),
    "49,000 definitions with a problem": lambda: _one(
        "".join(f"--- {{kind: ImageDefinition, gallery: g, name: d{n}, osTipe: Linux}}\n" for n in range(49_000))
    ),
    "49,000 versions in 4 regions": lambda: _one(
        _definition() + _versions(49_000, "targetRegions: [eastus, westus, northeurope, westeurope]\n")
    ),
    "49,000 versions of nothing": lambda: _one(_versions(49_000, "")),
    "49,000 versions in a set of 4 that is not declared": lambda: _one(
        _definition() + _versions(49_000, "targetRegions: ['@none']\n")
    ),
    "49,000 versions with tags": lambda: _one(
        _definition() + _versions(49_000, "tags: {a: b, c: d, e: f, g: h, i: j, k: l, m: n, o: p, q: r, s: t}\n")
    ),
    "49,000 moves in a chain": lambda: _one(
        "".join(f"--- {{kind: Moved, from: g{n}, to: g{n + 1}}}\n" for n in range(49_000))
    ),
    "49,000 moves": lambda: _one("".join(f"--- {{kind: Moved, from: g{n}, to: h{n}}}\n" for n in range(49_000))),
    "49,000 removals": lambda: _one("".join(f"--- {{kind: Removed, address: g{n}}}\n" for n in range(49_000))),
    "49,000 equal galleries": lambda: _one(
        "".join("---\nkind: Gallery\nname: a\nlocation: eastus\n" for n in range(49_000))
    ),
    "900,000 values": lambda: _one(
        "".join(f"--- {{kind: Gallery, name: a{n}, location: b, x: [{'1,' * 90_000}]}}\n" for n in range(10))
    ),
    "990,000 lines, and a problem": lambda: _one("#\n" * 990_000 + "kind: Galery\n"),
    "a region set in every version": lambda: _regions(20_000, 500),
    "regions in every version": lambda: _regions(1_000, 2_000),
    "a million regions": lambda: _regions(1, 1_000_000),
    "a set of a million regions": lambda: _region_set(),
    "20,000 files": lambda: ("", {f"a{n}.yaml": _GALLERY.format(f"a{n}") for n in range(20_000)}),
    "20,000 files that are wrong": lambda: ("", {f"a{n}.yaml": "kind: Galery\n" for n in range(20_000)}),
    "files of 30 MiB": lambda: ("", {f"a{n}.yaml": "# " + "x" * 30 * MIB + "\n" for n in range(8)}),
    "tabs": lambda: _one("\t" * 30_000_000),
    "quotes that never end": lambda: _one("x: '" + "a\n" * 10_000_000),
    "a plain string of many lines": lambda: _one("x: a\n" + " b\n" * 8_000_000),
    "folded lines": lambda: _one("x: >\n" + "  b\n\n" * 5_000_000),
    "secrets that are none": lambda: _one(_described("{'" + "://a:" * 5_000_000 + "': 1}")),
    "inherited defaults": lambda: _defaults(),
    "environments": lambda: (
        "environments:\n" + "".join(f"  e{n}: {{values: {{v: x}}}}\n" for n in range(500_000)),
        {"a.yaml": _GALLERY.format("a")},
    ),
    "manifest patterns": lambda: (f"manifests: [{', '.join(['manifests'] * 1_000_000)}]\n", {}),
}
"""What the project is made of -> how it is made."""

LIMITED = {
    "a long value in one string": "expand to more than 8 MiB",
    "a long value in 30 documents": "expand to more than 8 MiB",
    "100,000 references to a value": "expand to more than 8 MiB",
    "nested anchors": "more than 100,000 values",
    "aliases of aliases": "aliases in this file expand",
    "2,000,000 documents": "more than 1,000,000 lines",
    "200,000 documents": "more than 50,000 documents",
    "200,000 unknown keys": "more than 100,000 values",
    "deep braces": "more than 40 levels",
    "a flow list": "more than 100,000 values",
    "a region set in every version": "more than 200,000 target regions",
    "files of 30 MiB": "larger than 32 MiB",
}
"""What is said of some of them."""


def _definition(more: str = "") -> str:
    return (
        f"{_GALLERY.format('g')}---\nkind: ImageDefinition\ngallery: g\nname: d\nosType: Linux\nosState: Generalized\n"
        f"architecture: x64\nhyperVGeneration: V2\nidentifier: {{publisher: p, offer: o, sku: s}}\n{more}"
    )


def _versions(number: int, more: str) -> str:
    return "".join(
        f"---\nkind: ImageVersion\nimage: g/d\nname: 1.0.{n}\nsource: {{file: a.img}}\n{more}" for n in range(number)
    )


def _regions(versions: int, regions: int) -> Project:
    sets = f"regionSets:\n  all: [{', '.join(f'region{n}' for n in range(regions))}]\n"
    return sets, {"a.yaml": _definition() + _versions(versions, "location: region0\ntargetRegions: ['@all']\n")}


def _region_set() -> Project:
    listed = ", ".join(f"{{name: r{n}}}" for n in range(1_000_000))
    return "", {"a.yaml": _definition() + _versions(1, f"targetRegions: [{listed}]\n")}


def _defaults() -> Project:
    tags = "".join(f"    t{n}: {'x' * 200}\n" for n in range(15))
    return "", {"a.yaml": _definition(f"versionDefaults:\n  tags:\n{tags}") + _versions(100_000, "")}
