"""The phrases that the project does not use, and where they are: `python -m support.words [PATH...]` lists them."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.paths import ROOT

PAGE = ROOT / "docs/contributing/words.md"
FOLDERS = ("manifests", "providers", "reconciler", "state")


@dataclass(frozen=True)
class Finding:
    """A phrase and where it is."""

    path: Path
    line: int
    phrase: str

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.phrase}"


def avoided() -> tuple[str, ...]:
    """The phrases in the second table of the page on words."""
    table = PAGE.read_text("utf-8").partition("## How things are said")[2]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| ")]
    return tuple(phrase for row in rows for phrase in re.findall(r"`([^`]+)`", row[2]))


def findings(path: Path) -> Iterator[Finding]:
    """Every avoided phrase in a file: in the strings and comments of a program, in all of a document."""
    pattern = re.compile("|".join(rf"\b{re.escape(phrase)}\b" for phrase in avoided()).replace(r"\ ", r"\s+"), re.I)
    for line, text in _texts(path):
        for found in pattern.finditer(text):
            yield Finding(path, line + text.count("\n", 0, found.start()), " ".join(found[0].split()))


def product_files() -> Iterator[Path]:
    """The programs of the product and the documents about it, but not the page of words itself."""
    yield ROOT / "README.md"
    for folder in FOLDERS:
        yield from (path for path in _below(ROOT / folder) if path.suffix in (".py", ".sh", ".md"))
    yield from (path for path in _below(ROOT / "docs") if path.suffix == ".md" and path != PAGE)


def _below(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink() and path.name != "__pycache__":
            yield from _below(path)
        elif path.is_file():
            yield path


def _texts(path: Path) -> Iterator[tuple[int, str]]:
    """(first line, text) of what people read in a file."""
    content = path.read_text("utf-8")
    if path.suffix != ".py":
        yield 1, content
        return
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(content).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def main(arguments: list[str]) -> int:
    wanted = [Path(argument).resolve() for argument in arguments]
    chosen = [path for path in product_files() if not wanted or any(path.is_relative_to(one) for one in wanted)]
    found = [finding for path in chosen for finding in findings(path)]
    for finding in found:
        sys.stdout.write(f"{finding}\n")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
