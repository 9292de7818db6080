"""The Markdown of a comment: what it shows, and that no value in it can act as markup."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from support.worlds import inputs_of

from reconciler.applying.apply import ApplyResult
from reconciler.drift.report import Drift, DriftKind, DriftReport
from reconciler.manifests.address import Address
from reconciler.manifests.diagnostics import Position, error
from reconciler.manifests.errors import ManifestError, ReconcilerError
from reconciler.planning.actions import AttributeChange
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.planning.planner import make_plan
from reconciler.planning.sources import SourceCheck, SourceStatus
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.protocol import SourceFacts
from reconciler.views.markdown_text import code, escape, folded, table
from reconciler.views.output_format import load_format
from reconciler.views.terminal.escaping import printable
from reconciler.views.terminal.lines import text_of
from reconciler.views.text.heading import Heading

MARKDOWN = load_format("markdown")
HEADING = Heading("default", {"default": "local"}, 7, 1)
V1 = "corp/web/1.0.0"
WORLD: dict[str, dict[str, Any]] = {"corp": {}, "corp/web": {}, V1: {}, f"{V1}@eastus": {}, f"{V1}@westus": {}}
FORGE = MarkdownIt("gfm-like", {"linkify": False})
"""What code forges read: CommonMark with HTML and tables."""

HOSTILE = (
    "a|b",
    "`a`",
    "<script>",
    "**a**",
    "_a_",
    "[a](http://b)",
    "a\nb",
    "@all",
    "#1",
    "$x$",
    "</code>",
    "&lt;",
    "\\|",
)
HOSTILE_TEXT = st.one_of(st.text(), st.lists(st.sampled_from(HOSTILE)).map("".join))


def text(page: str) -> str:
    """What a reader sees."""
    return html.unescape(re.sub(r"<[^>]+>", "", FORGE.render(page)))


def test_published_content_is_shown_in_full() -> None:
    digest = "0123456789abcdef" * 4
    check = SourceCheck(SourceStatus.NEW, SourceFacts(512, 512, "raw", "id-1"), digest=ContentDigest(plain=digest))
    page = plan_page(make_plan(inputs_of(WORLD, {}, {}, sources={V1: {"os": check}})))
    assert f"| <code>images/a.raw</code> | <code>{digest}</code> |" in page


def plan_page(plan: Plan, *, verbose: bool = False) -> str:
    return "\n".join(text_of(line) for line in MARKDOWN.plan(plan, HEADING, 100, verbose=verbose))


@given(HOSTILE_TEXT)
def test_a_value_is_shown_as_it_is(value: str) -> None:
    page = "\n".join(table(("one", "two"), [[code(value), escape(value)]]))
    shown = FORGE.render(page)
    assert set(re.findall(r"</?(\w+)", shown)) <= {"table", "thead", "tbody", "tr", "th", "td", "code", "span"}
    assert shown.count("<td>") == 2
    visible = " ".join(printable(" ".join(value.split("\n")).replace("\t", " ")).split())
    assert " ".join(text(page).split()) == f"one two {visible} {visible}".strip().replace("  ", " ")


@given(HOSTILE_TEXT)
def test_nobody_is_mentioned_and_nothing_is_linked(value: str) -> None:
    written = escape(f"{value}@ann #1 https://a.example www.a.example")
    words = html.unescape(re.sub(r"<[^>]+>", "\0", written))
    assert not re.search(r"[@#!$]\w", words)
    assert "://" not in written
    assert "www." not in written.lower()


def test_what_is_folded_opens_on_a_click() -> None:
    page = "\n".join(folded("More <b>", table(("one",), [["1"]])))
    assert page.startswith("<details><summary>More &#60;b&#62;</summary>\n\n")
    assert "<table>" in FORGE.render(page)
    assert list(folded("More", [])) == []


def test_a_plan_is_a_table_with_danger_first() -> None:
    changed = {**WORLD, V1: {"hostCaching": "None"}, "corp": {"description": "new", "tags": {"team": "images"}}}
    page = plan_page(make_plan(inputs_of(changed, WORLD)))
    lines = page.splitlines()
    assert lines[0].startswith("### Plan: 1 update")
    assert "1 blocked" in lines[0]
    blocked, updated = (next(at for at, line in enumerate(lines) if word in line) for word in ("blocked**", "~ update"))
    assert lines.index("| action | resource | details |") < blocked < updated
    assert lines[blocked].startswith("| **! blocked** | <code>corp/web/1.0.0</code> |")
    assert "hostCaching" in lines[blocked]
    assert "--allow-replace" in lines[blocked]
    assert page.index("tags") > page.index("<details><summary>Details</summary>") > page.index("description")


def test_no_changes_are_one_sentence() -> None:
    assert plan_page(make_plan(inputs_of(WORLD, WORLD))).splitlines() == [
        "### Plan: no changes",
        "",
        "5 objects match the manifests (environment default).",
    ]


def test_where_latest_moves_is_a_table() -> None:
    page = plan_page(make_plan(inputs_of(WORLD, {}, {})))
    moves = "<code>eastus, westus none -&#62; 1.0.0</code>"
    assert f"| definition | latest |\n| --- | --- |\n| <code>corp/web</code> | {moves} |" in page


def test_regions_are_not_mentions() -> None:
    page = plan_page(make_plan(inputs_of(WORLD, {}, {})))
    assert not re.search(r"@\w", page)
    assert "@eastus  @westus" in text(page)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_strangers_do_nothing(name: str) -> None:
    drift = Drift(Address("corp"), DriftKind.CHANGED, (AttributeChange(name, name, "b", True),), (name,), name)
    report = DriftReport("l", 7, 1, (drift,), (Drift(Address(name), DriftKind.UNMANAGED, object_id=name),))
    problem = error(name, name, address=Address(name), position=Position(name, 1))
    failed = ApplyResult({}, ((Address(name), ReconcilerError(name, name)),))
    plan = Plan((), 0, (), "l", 7, "m", PlanOptions(), errors=(problem,), unreachable=((Address("corp"), name),))
    heading = Heading(name, {name: name}, 7)
    sections = [
        *MARKDOWN.plan(plan, heading, 100),
        *MARKDOWN.drift(report, heading, 100, unmanaged=True),
        *MARKDOWN.result(failed, 1, 100),
        *MARKDOWN.error(ReconcilerError(name, name), 100),
        *MARKDOWN.error(ManifestError([problem]), 100),
        *MARKDOWN.latest(name, {name: name}),
    ]
    shown = FORGE.render("\n".join(text_of(line) for line in sections))
    ours = {
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
        "code",
        "span",
        "strong",
        "br",
        "p",
        "h3",
        "details",
        "summary",
    }
    assert set(re.findall(r"</?(\w+)", shown)) <= ours
    assert shown.count("</code>") == shown.count("<code>")
    assert " ".join(printable(" ".join(name.split())).split()) in html.unescape(re.sub(r"<[^>]+>", "", shown))
