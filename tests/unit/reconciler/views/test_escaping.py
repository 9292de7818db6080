"""Text of others made visible, and JSON and graphs that stay what they are."""

from __future__ import annotations

import io
import json
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.graph import resource_graph
from reconciler.manifests.address import Address
from reconciler.views.graphs.dot import dot_text
from reconciler.views.graphs.mermaid import mermaid_text
from reconciler.views.json_events import event_text
from reconciler.views.terminal.escaping import json_escaped, line_of_log, lines_of_log, printable
from reconciler.views.terminal.lines import Span, line, paragraph, shown, text_of
from reconciler.views.terminal.output import Output, write_document

ANY_TEXT = st.text(st.characters(exclude_categories=()) | st.sampled_from(":#[\n\r\x1b\x9b\u2028\u202e\u200b v"))


def odd(text: str) -> list[str]:
    return [char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Cn", "Zl", "Zp", "Co")]


@pytest.mark.parametrize(
    ("text", "visible"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb\rc\td", "a\\nb\\rc\\td"),
        ("\x9b", "\\x9b"),
        ("\x85\u2028\u2029", "\\x85\\u2028\\u2029"),
        ("\u202e\u2066\u200b\ufeff", "\\u202e\\u2066\\u200b\\ufeff"),
        ("\U000e0041", "\\U000e0041"),
        ("\udcff", "\\udcff"),
        ("\u3164", "\\u3164"),
        ("Zürich 東京 \U0001f600 a\u00a0b …", "Zürich 東京 \U0001f600 a\u00a0b …"),
    ],
)
def test_escapes_are_visible(text: str, visible: str) -> None:
    assert printable(text) == visible


@pytest.mark.parametrize(
    ("text", "harmless"),
    [
        ("::error::x", "\\x3a:error::x"),
        ("  ::error::x", "  \\x3a:error::x"),
        ("\u3000::x", "\u3000\\x3a:x"),
        ("a ::error::x", "a ::error::x"),
        ("a ##[error]x", "a #\\x23[error]x"),
        ("##vso[task]", "#\\x23vso[task]"),
        ("###[x", "##\\x23[x"),
        ("## heading", "## heading"),
        ("std::vector", "std::vector"),
    ],
)
def test_no_line_is_a_command(text: str, harmless: str) -> None:
    assert line_of_log(text) == harmless


@settings(deadline=None)
@given(ANY_TEXT)
def test_nothing_odd_is_left(text: str) -> None:
    for written in lines_of_log(text).split("\n"):
        assert odd(written) == []
        assert not written.strip().startswith("::")
        assert not re.search(r"##[\w.-]{0,40}\[", written)
        assert line_of_log(written) == written
        written.encode()


@settings(deadline=None)
@given(st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=3))
def test_json_keeps_its_values(values: dict[str, str]) -> None:
    text = json_escaped(json.dumps(values, ensure_ascii=False))
    assert json.loads(text) == json.loads(json.dumps(values))
    assert odd(text) == []
    assert line_of_log(text) == text


def test_events_are_escaped_as_json() -> None:
    text = event_text({"type": "error", "message": "\x9b\u202e##[x] ü"})
    assert "\\u009b\\u202e#\\u0023[x] ü" in text


@settings(deadline=None)
@given(st.lists(st.builds(Span, ANY_TEXT, st.sampled_from(["", "danger"])), max_size=4))
def test_a_command_in_several_spans_is_none(spans: list[Span]) -> None:
    text = text_of(shown(tuple(spans)))
    assert odd(text) == []
    assert not text.strip().startswith("::")
    assert not re.search(r"##[\w.-]{0,40}\[", text)


def test_styles_are_kept_where_there_is_no_command() -> None:
    assert shown(line(Span("a", "danger"), "\n")) == (Span("a", "danger"), Span("\\n"))


def test_a_paragraph_breaks_only_at_line_feeds() -> None:
    lines = [text_of(each) for each in paragraph("a\u2028::b\r\nc\x85d\n::e", 80, 2)]
    assert lines == ["  a\\u2028::b", "  c\\x85d", "  ::e"]


def test_output_escapes_lines_and_documents() -> None:
    stream = io.StringIO()
    Output(stream).lines([line("a\n::b"), line("  ", Span("::c", "dim"))])
    write_document(stream, "::d\n\x1be\n")
    assert stream.getvalue() == "a\\n::b\n  \\x3a:c\n\\x3a:d\n\\x1be\n"


@settings(deadline=None)
@given(ANY_TEXT.filter(bool))
def test_graphs_hold_one_label_each(name: str) -> None:
    graph = resource_graph({})
    for text in (dot_text(graph, (Address(name),)), mermaid_text(graph, (Address(name),))):
        assert odd(text.replace("\n", "")) == []
        assert len(text.split("\n")) <= 6
