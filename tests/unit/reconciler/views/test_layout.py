"""Lines, tables and numbers: what all human output is made of."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from reconciler.views.terminal.lines import Cell, Row, Span, line, paragraph, table, text_of
from reconciler.views.terminal.output import Output, write
from reconciler.views.terminal.units import human_bytes, plural, seconds_text, transition


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (8 << 30, "8.0 GiB"),
        ((1 << 20) - 1, "1.0 MiB"),
        (3 << 50, "3.0 PiB"),
    ],
)
def test_bytes(size: int, text: str) -> None:
    assert human_bytes(size) == text


def test_numbers_in_words() -> None:
    assert plural(1, "copy") == "1 copy"
    assert plural(2, "copy") == "2 copies"
    assert plural(1200, "gallery") == "1,200 galleries"
    assert plural(0, "region") == "0 regions"
    assert seconds_text(0.26) == "0.3 s"
    assert seconds_text(125) == "2 min 5 s"


@pytest.mark.parametrize(
    ("path", "before", "after", "shown"),
    [
        ("excludeFromLatest", False, True, ("false", "true")),
        ("tags.a", None, "x", ("(not set)", "x")),
        ("tags.a", "", "two words", ('""', '"two words"')),
        ("endOfLifeDate", "2030-01-01T00:00:00Z", "2031-01-01T00:00:00Z", ("2030-01-01", "2031-01-01")),
        ("source.sha256", "a" * 64, "b" * 64, ("aaaaaaaaaaaa…", "bbbbbbbbbbbb…")),
        ("source.sha256", "a" * 64, "it is gone", ("aaaaaaaaaaaa…", "it is gone")),
        ("source", {"file": "a"}, {"file": "b"}, ('{"file":"a"}', '{"file":"b"}')),
    ],
)
def test_values_before_and_after(path: str, before: object, after: object, shown: tuple[str, str]) -> None:
    assert transition(path, before, after) == shown


def test_long_values_are_cut_to_where_they_differ() -> None:
    before, after = transition("description", "same " * 40 + "one end", "same " * 40 + "another end")
    assert before != after
    assert before.startswith("…")
    assert len(before) <= 62
    assert "one end" in before
    assert "another" in after


ROWS = [
    Row("!", "blocked", "corp/a/1.0.0", [Cell("replace: source changed", "a.yaml:3"), Cell("publish 1.0.1 instead")]),
    Row("+", "create", "corp/longer/2.0.0", [Cell("@eastus x2  @westus", "4 copies, 8.0 GiB")]),
]


def test_a_table_aligns_its_columns() -> None:
    assert [text_of(shown) for shown in table(ROWS, 100)] == [
        " ! blocked  corp/a/1.0.0       replace: source changed  a.yaml:3",
        "                               publish 1.0.1 instead",
        " + create   corp/longer/2.0.0  @eastus x2  @westus      4 copies, 8.0 GiB",
    ]


def test_a_narrow_table_puts_details_below() -> None:
    assert [text_of(shown) for shown in table(ROWS, 50)] == [
        " ! blocked  corp/a/1.0.0",
        "    replace: source changed  a.yaml:3",
        "    publish 1.0.1 instead",
        " + create   corp/longer/2.0.0",
        "    @eastus x2  @westus  4 copies, 8.0 GiB",
    ]


@pytest.mark.parametrize("width", [20, 33, 47, 62, 80, 120])
def test_no_line_is_wider_than_it_may_be(width: int) -> None:
    prose = Row("~", "update", "corp/a", [Cell("some words that go on and on " * 5, "manifests/a.yaml:12")])
    shown = [text_of(part) for part in table([*ROWS, prose], width)]
    longest_word = len(" + create   corp/longer/2.0.0")
    assert max(map(len, shown)) <= max(width, longest_word)


def test_a_paragraph_keeps_breaks_and_indents() -> None:
    shown = [text_of(part) for part in paragraph("one two three four five six\n  second", 20, indent=2)]
    assert shown == ["  one two three four", "  five six", "    second"]


def test_not_a_terminal_is_plain() -> None:
    stream = io.StringIO()
    Output(stream).lines([line(Span("red", "danger"), " and plain  ")])
    assert stream.getvalue() == "red and plain\n"


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("color", [True, False])
def test_a_terminal_has_colours_unless_refused(color: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = FakeTerminal()
    Output(stream, color=color).lines([line(Span("red", "danger"), " [not markup] :smile:")])
    assert ("\x1b[" in stream.getvalue()) is color
    assert "[not markup] :smile:" in stream.getvalue()


def test_a_reader_that_left_is_not_an_error(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        write(stream, "nobody hears this\n")
        write(stream, "nor this\n")
    assert list(tmp_path.iterdir()) == []
