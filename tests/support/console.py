"""The commands that documents show: found in ```console blocks, run for real, and compared with what is shown.

A line that begins with `$ ` is a command; what follows, to the next one, is its output. A line `...` in the output
stands for any lines. What differs from run to run (times, digests, serials, names of people) is evened out on both
sides, and the order of lines does not count: regions are copied side by side. The commands of one block run in one
shell: what is exported stays so, and what is begun with `&` ends with the block.

A ```python or ```toml block that begins with a comment, `# PATH`, is a file of the project, written before the first
command. Beside a pyproject.toml its distribution is as good as installed: what Python runs finds its modules and its
entry points.

To bring documents up to date after the output has changed: make docs
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.libvirt.ssh import hosts_by_ssh

import reconciler.manifests.examples
from reconciler.manifests.examples.boot_image import write_boot_image

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\S+\.(?:py|toml))\n")
IMAGES = {"web-1.0.0.img": "raw", "web-1.1.0.img": "raw", "worker-1.0.0.vhd": "vhd"}
ANYTHING = "..."
TIMEOUT_S = 120
_VOLATILE = (
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|\+00:00)?"), "WHEN"),
    (re.compile(r"(?<=-)\d{4}-\d\d-\d\d\b"), "DAY"),
    (re.compile(r"\b\d+:\d{16,}:\d{16,}:\d+\b"), "FILE"),  # size, two times and inode, which may have few digits
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "ID"),
    (re.compile(r'"fence": \d+'), '"fence": N'),
    (re.compile(r"\b(?=[0-9a-f]*[0-9])[0-9a-f]{7,64}\b"), "ID"),
    (re.compile(r"\b\d+(\.\d+)? ?m?s\b"), "TIME"),
    (re.compile(r"\bserial \d+"), "serial N"),
    (re.compile(r'"fence": \d+'), '"fence": N'),
    (re.compile(r"(?<!\S)[\w.-]+@[\w.-]+"), "WHO"),
)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: its language, its text, and where it begins in the document, a line from 1."""

    language: str
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Step:
    """A command as shown, and the output shown for it."""

    command: str
    output: str


def blocks(document: str) -> Iterator[Block]:
    """The fenced blocks of a document, in order."""
    for match in FENCE.finditer(document):
        yield Block(match[1], match[2], document.count("\n", 0, match.start()) + 1)


def steps(block: Block) -> list[Step]:
    """The commands of a console block. Raises: ValueError when it does not begin with one."""
    if not block.text.startswith("$ "):
        raise ValueError(f"line {block.line}: a console block begins with a command, '$ ...'")
    shown = re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]
    return [Step(*_cut(text)) for text in shown]


def _cut(text: str) -> tuple[str, str]:
    """Command and output; a command goes on in the next line after a backslash."""
    lines = text.split("\n")
    end = next(number for number, line in enumerate(lines) if not line.endswith("\\"))
    return "\n".join(lines[: end + 1]), "\n".join(lines[end + 1 :])


def scratch_project(folder: Path) -> Path:
    """A copy of the quickstart in `folder`, its images made."""
    project = folder / "project"
    shutil.copytree(Path(reconciler.manifests.examples.__path__[0]) / "quickstart", project)
    (project / "images").mkdir()
    for name, format_name in IMAGES.items():
        write_boot_image(project / "images" / name, f"hello from {name[:-4]}", format=format_name)
    return project


def file_of(block: Block) -> str:
    """The path that a block is to be written to; empty when it is no file."""
    named = FILE.match(block.text) if block.language in ("python", "toml") else None
    return named[1] if named else ""


def write_files(document: str, project: Path) -> None:
    """Writes the files that a document shows into a project, and installs the distributions among them."""
    for block in blocks(document):
        path = project / file_of(block)
        if path != project:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
        if path.name == "pyproject.toml":
            _install(path)


def _install(description: Path) -> None:
    """Writes the metadata that an installer would, beside the modules."""
    declared = tomllib.loads(description.read_text())["project"]
    metadata = description.parent / f"{declared['name'].replace('-', '_')}-{declared['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {declared['name']}\nVersion: {declared['version']}\n"
    )
    groups = [
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in points.items())
        for group, points in declared["entry-points"].items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(groups))


def _installed(project: Path) -> str:
    """Where Python finds the distributions of a project that were installed."""
    return ":".join(str(path.parent) for path in project.glob("*/pyproject.toml"))


@contextmanager
def search_path(document: str) -> Iterator[str]:
    """PATH for the commands of a document. Those that speak of hosts, host1 and host2, find them by ssh."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    if any("qemu+ssh://" in block.text for block in blocks(document) if block.language == "console"):
        with hosts_by_ssh() as binaries:
            yield f"{binaries}:{path}"
    else:
        yield path


def run(commands: Sequence[str], project: Path, path: str) -> list[tuple[int, str]]:
    """Exit code and output, both streams as one, of each of the command lines, run one after another in `project`."""
    ended = f"ended-{secrets.token_hex(8)}"
    told = [f"{command}\nprintf '\\n%s %s\\n' {ended} $?\n" for command in commands]
    answer = subprocess.run(
        ["bash", "-c", f"trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n{''.join(told)}"],
        cwd=project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
        env={
            "PATH": path,
            "HOME": str(project.parent),
            "COLUMNS": "120",
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": _installed(project),
        },
    )
    pieces = re.split(rf"\n{ended} (\d+)\n", answer.stdout)
    return [(int(code), output) for output, code in zip(pieces[0::2], pieces[1::2], strict=False)]


def same(shown: str, real: str) -> bool:
    """Whether the output shown stands for the real one."""
    expected, said = Counter(steady(shown)), Counter(steady(real))
    return expected == said if ANYTHING not in expected else expected - Counter({ANYTHING: len(shown)}) <= said


def steady(text: str) -> list[str]:
    """The lines without what differs from run to run; blank ones and the width of gaps do not count."""
    for pattern, word in _VOLATILE:
        text = pattern.sub(word, text)
    lines = (" ".join(line.split()) for line in text.splitlines())
    return [line for line in lines if line]


def rewritten(document: str, project: Path, path: str) -> str:
    """The document with the output of its commands as it is now, as much before and after a `...` as is shown now."""

    def renew(match: re.Match[str]) -> str:
        if match[1] != "console":
            return match[0]
        shown = steps(Block("console", match[2], 0))
        answers = run([step.command for step in shown], project, path)
        lines = [line for step, (_, real) in zip(shown, answers, strict=True) for line in _renewed(step, real)]
        return "\n".join(["```console", *lines, "```"])

    return FENCE.sub(renew, document)


def _renewed(step: Step, real: str) -> list[str]:
    shown = step.output.rstrip("\n").splitlines()
    lines = shown if same(step.output, real) else _shortened(real.strip("\n").splitlines(), shown)
    return [f"$ {step.command}", *lines]


def _shortened(real: list[str], shown: list[str]) -> list[str]:
    if ANYTHING not in shown:
        return real
    before, after = shown.index(ANYTHING), shown[::-1].index(ANYTHING)
    return [*real[:before], ANYTHING, *real[len(real) - after :]]


def main(names: list[str]) -> None:
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(name)
            document = file.read_text()
            project = scratch_project(Path(folder))
            write_files(document, project)
            with search_path(document) as path:
                file.write_text(rewritten(document, project, path))


if __name__ == "__main__":
    main(sys.argv[1:])
