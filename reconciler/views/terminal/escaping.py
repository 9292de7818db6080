"""Text of others made visible: nothing in it moves the cursor, reorders a line, or is a command to a log's reader.

`Output` applies it to every line and every document. A format that has a syntax of its own (JSON, Markdown, DOT,
Mermaid) escapes in that syntax first, with `printable` or `json_escaped`, so that nothing is left to do here.

Escaped are control characters (C0 and C1), characters that only affect the text around them (bidi, zero-width, tags),
line and paragraph separators, lone surrogates, and what Unicode has not assigned. Blanks of all widths stay.
"""

from __future__ import annotations

import re

_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_BLANKS = frozenset(" \u00a0\u1680\u202f\u205f\u3000") | {chr(code) for code in range(0x2000, 0x200B)}
_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u2800\u3164\uffa0") | {
    chr(code) for code in range(0xE0100, 0xE01F0)
}
"""Characters that are called printable and show nothing. Source: Default_Ignorable_Code_Point of Unicode."""

_FIRST = r"^(\s*):(?=:)"
"""GitHub runs lines that begin so, blanks left out. Source: actions/runner, ActionCommand.TryParseV2."""
_ANYWHERE = r"##(?=[\w.-]{0,40}\[)"
"""GitHub (`##[`), Azure DevOps (`##vso[`) and TeamCity (`##teamcity[`) look for these, the first two anywhere."""


def printable(text: str) -> str:
    """`text` on one line, with a visible escape such as \\u202e or \\x1b for what does not show or is not harmless."""
    if _harmless(text):
        return text
    return "".join(char if _shows(char) else _escape(char) for char in text)


def line_of_log(text: str) -> str:
    """`text` as a line that is also no command to a system that runs jobs and reads their logs."""
    text = printable(text)
    if "::" in text:
        text = re.sub(_FIRST, r"\1\\x3a", text)
    return re.sub(_ANYWHERE, r"#\\x23", text) if "##" in text else text


def lines_of_log(text: str) -> str:
    """Each line of `text`, which keeps its line breaks, as `line_of_log` makes it."""
    return "\n".join(map(line_of_log, text.split("\n")))


def json_escaped(text: str) -> str:
    """JSON on one line with the same values, in which nothing but ordinary characters is left."""
    if "##" in text:
        text = re.sub(_ANYWHERE, r"#\\u0023", text)
    if _harmless(text):
        return text
    return "".join(char if _shows(char) else _json_escape(char) for char in text)


def _harmless(text: str) -> bool:
    return text.isprintable() and (text.isascii() or _INVISIBLE.isdisjoint(text))


def _shows(char: str) -> bool:
    return (char.isprintable() and char not in _INVISIBLE) or char in _BLANKS


def _escape(char: str) -> str:
    code = ord(char)
    if code > 0xFFFF:
        return f"\\U{code:08x}"
    return _NAMED.get(char) or (f"\\u{code:04x}" if code > 0xFF else f"\\x{code:02x}")


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
