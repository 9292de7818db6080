"""Pieces of Markdown with all values escaped: names and messages come from strangers, and comments are public.

The dialect is that of GitHub and GitLab: CommonMark with tables and some HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from reconciler.views.terminal.escaping import printable
from reconciler.views.terminal.lines import Line, Span

_MARKUP = "\\`*_{}[]<>&|~^"
_REFERENCES = "@#!$%"
"""What starts a mention, a reference to an issue or a formula, even as an entity; alone in an element it does not."""

_ESCAPES = {
    **{character: f"&#{ord(character)};" for character in _MARKUP},
    **{character: f"<span>{character}</span>" for character in _REFERENCES},
}
_LINKS = ((re.compile("://"), "&#58;//"), (re.compile(r"\b(www)\.", re.IGNORECASE), r"\1&#46;"))


def escape(text: str) -> str:
    """`text` on one line, shown as it is: no markup, link, mention or table column in it takes effect."""
    escaped = "".join(_ESCAPES.get(character, character) for character in printable(_on_one_line(text)))
    for pattern, broken in _LINKS:
        escaped = pattern.sub(broken, escaped)
    return escaped


def _on_one_line(text: str) -> str:
    return text.replace("\r\n", " ").replace("\n", " ").replace("\t", " ")


def code(text: str) -> str:
    """`text` as code, where forges look for no mentions, links or emoji; blank text stays blank."""
    return f"<code>{escape(text)}</code>" if text.strip() else ""


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A table of cells that are Markdown already; nothing if there are no rows."""
    lines = [f"| {' | '.join(cells)} |" for cells in rows]
    if lines:
        yield f"| {' | '.join(headings)} |"
        yield f"| {' | '.join('---' for _ in headings)} |"
        yield from lines
        yield ""


def folded(summary: str, lines: Iterable[str]) -> Iterator[str]:
    """Lines that are hidden until `summary` is clicked; nothing if there are no lines. The last one must be blank."""
    shown = list(lines)
    if shown:
        yield from (f"<details><summary>{escape(summary)}</summary>", "", *shown, "</details>", "")


def markdown_lines(texts: Iterable[str]) -> Iterator[Line]:
    """The texts as lines of output, without the blank ones at the end."""
    blank = 0
    for text in texts:
        if text:
            yield from ((),) * blank
            yield (Span(text),)
        blank = 0 if text else blank + 1
