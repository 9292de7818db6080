"""What is read of a project is limited; whatever is too much is an error that says where and what to do."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from support.manifest_files import load_manifest
from support.projects.oversized import LIMITED, MIB, OVERSIZED, write_project

from reconciler.manifests.diagnostics import Diagnostic
from reconciler.manifests.errors import ManifestError
from reconciler.manifests.kinds.inheritance import MOST_REGIONS
from reconciler.manifests.parsing.budget import (
    LARGEST_PROJECT,
    MOST_DOCUMENTS,
    MOST_LINES,
    MOST_REPEATED,
    MOST_VALUES,
    MOST_VALUES_IN_DOCUMENT,
    Budget,
    OverBudget,
)
from reconciler.manifests.parsing.documents import build_documents, replace_values
from reconciler.manifests.problems import MOST_PROBLEMS
from reconciler.manifests.words import nearest, suggestion

CPU_S = 10
MEMORY = 1024 * MIB


@pytest.mark.parametrize("name", OVERSIZED)
def test_every_project_ends_within_time_and_memory(name: str, tmp_path: Path) -> None:
    """In a process of its own with limits of the system: it ends by itself, with a sentence that is no bug."""
    write_project(tmp_path / "p", name)
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "reconciler", "--project", str(tmp_path / "p"), "validate"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_limited,
    )
    assert ended.returncode in (0, 1), ended
    said = f"{ended.stdout}{ended.stderr}"
    assert "This is a bug" not in said
    assert said.startswith("error:" if ended.returncode else "Valid: "), said[:300]
    assert len(said) < MIB
    if name in LIMITED:
        assert LIMITED[name] in said


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))


def problems(text: str, values: dict[str, str] | None = None) -> list[str]:
    found = build_documents("a.yaml", text, values or {}, Budget())[1]
    return [f"{problem.position}: {problem.summary}" for problem in found]


def test_values_in_a_document() -> None:
    listed = "x:\n" + "- a\n" * (MOST_VALUES_IN_DOCUMENT - 2)
    assert problems(listed) == []
    line = MOST_VALUES_IN_DOCUMENT
    assert problems(listed + "- a\n") == [f"a.yaml:{line}:3: the document has more than 100,000 values"]


def test_values_of_all_documents() -> None:
    budget = Budget(values=MOST_VALUES - 3)
    found = build_documents("a.yaml", "[a, b]\n---\nc\n", None, budget)[1]
    assert [str(problem.position) for problem in found] == ["a.yaml:3:1"]
    assert "1,000,000 values" in found[0].summary
    assert budget.spent


def test_an_alias_counts_what_it_repeats() -> None:
    budget = Budget(values=MOST_VALUES - 9)
    text = "x: &a [a, b]\ny: *a\nz: *a\n"
    found = build_documents("a.yaml", text, None, budget)[1]
    assert [str(problem.position) for problem in found] == ["a.yaml:3:4"]


def test_anchors_within_anchors_are_counted_once() -> None:
    budget = Budget()
    assert build_documents("a.yaml", f"x: {''.join(f'&a{n} [' for n in range(30))}a{']' * 30}\n", None, budget)[1] == []
    assert budget.values == 32


def test_what_values_and_aliases_repeat() -> None:
    budget = Budget(repeated=MOST_REPEATED - 10)
    assert replace_values("${values.v}${values.v}", {"v": "x" * 5}, budget) == "x" * 10
    with pytest.raises(OverBudget, match="expand to more than 8 MiB"):
        replace_values("${values.v}", {"v": "x"}, budget)
    budget = Budget(repeated=MOST_REPEATED - 5)
    found = build_documents("a.yaml", "a: &x abcde\nb: *x\nc: *x\n", None, budget)[1]
    assert [str(problem.position) for problem in found] == ["a.yaml:3:4"]


def test_documents_and_bytes_and_lines() -> None:
    with pytest.raises(OverBudget, match="50,000 documents"):
        Budget(documents=MOST_DOCUMENTS).document()
    with pytest.raises(OverBudget, match="32 MiB"):
        Budget(size=LARGEST_PROJECT).file(b"x")
    with pytest.raises(OverBudget, match="1,000,000 lines"):
        Budget(lines=MOST_LINES).file(b"\n")


def test_reading_of_a_file_stops_after_many_problems_and_says_so() -> None:
    found = problems("a: !x y\n" * 1_000)
    assert len(found) == 201
    assert found[-1].endswith("the rest of this file is not read")


def diagnostics(folder: Path, text: str, project: str = "") -> tuple[Diagnostic, ...]:
    (folder / "manifests").mkdir(exist_ok=True)
    (folder / "reconciler.yaml").write_text(f"project: p\nprovider: {{type: local, root: r}}\n{project}")
    (folder / "manifests" / "a.yaml").write_text(text)
    with pytest.raises(ManifestError) as caught:
        load_manifest(folder)
    return caught.value.diagnostics


def test_problems_of_one_document_are_cut(tmp_path: Path) -> None:
    keys = "".join(f"k{number}: 1\n" for number in range(5_000))
    found = diagnostics(tmp_path, f"kind: Gallery\nname: a\nlocation: eastus\n{keys}")
    assert len(found) == 101
    assert any("and 4,900 more problems in this document" in one.summary for one in found)


def test_problems_of_rules_are_cut(tmp_path: Path) -> None:
    version = "kind: ImageVersion\nimage: g/d\nname: 1.0.{}\nsource: {{file: a.img}}\n"
    found = diagnostics(tmp_path, "---\n".join(version.format(number) for number in range(MOST_PROBLEMS + 200)))
    assert found[-1].summary == "and at least 1 more problems"


def test_regions_of_all_versions(tmp_path: Path) -> None:
    regions = [f"region{number}" for number in range(2_001)]
    gallery = "kind: Gallery\nname: g\nlocation: region0\n---\n"
    definition = (
        "kind: ImageDefinition\ngallery: g\nname: d\nosType: Linux\nosState: Generalized\n"
        "identifier: {publisher: p, offer: o, sku: s}\n"
    )
    version = "---\nkind: ImageVersion\nimage: g/d\nname: 1.0.{}\nsource: {{file: a}}\ntargetRegions: ['@all']\n"
    text = gallery + definition + "".join(version.format(number) for number in range(100))
    found = diagnostics(tmp_path, text, f"regionSets: {{all: [{', '.join(regions)}]}}\n")
    assert [one.summary for one in found] == [
        f"the versions have more than {MOST_REGIONS:,} target regions, counted to this one"
    ]
    assert str(found[0].address) == "g/d/1.0.99"


def test_of_very_many_words_the_neighbours_are_compared() -> None:
    words = sorted(f"image-{number:06}" for number in range(50_000))
    assert nearest("image-03141", words).startswith("image-03")
    assert suggestion("image-03141", words).endswith("and 49,980 more")


@pytest.mark.parametrize("text", ["\\x85", "\\x9b", "\\u2028", "\\u2029", "\\u202e", "\\u2066", "\\x1b", "\\x7f"])
def test_characters_that_no_string_may_hold(text: str) -> None:
    (found,) = problems(f'a: b\nc: "x{text}y"\n')
    assert found.startswith("a.yaml:2:4: ")
    assert "a character that is not allowed" in found


@pytest.mark.parametrize("text", ["zero\u200dwidth", "\u200emark", "a\u00a0b", "\U0001f600", "line\\nbreak", "tab\\t"])
def test_characters_that_languages_need(text: str) -> None:
    assert problems(f'a: "{text}"\n') == []
