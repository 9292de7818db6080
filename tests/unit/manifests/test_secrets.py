"""What is a secret is never shown, and what is none is never changed."""

from __future__ import annotations

import ast
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.paths import ROOT
from support.words import FOLDERS

from reconciler.manifests.words import without_secrets

CANARY = "CANARY7x"
LEAKS = [
    f"machine internal.example login deploy password {CANARY}",
    f"machine a password {CANARY} login b",
    f"default login a password {CANARY}",
    f"  password {CANARY}",
    f"https://a.blob.example/x?SIG={CANARY}&se=1",
    f"https://a.blob.example/x?se=1&%73ig={CANARY}%2F",
    f"https://a.blob.example/x?%53%49%47={CANARY}",
    f"SharedKey={CANARY};x=1",
    f"DefaultEndpointsProtocol=https;AccountKey={CANARY}==;EndpointSuffix=x",
    f"Authorization: Bearer {CANARY}",
    f"Authorization: Basic {CANARY}==",
    f"curl -H 'Authorization: Bearer {CANARY}' url",
    f"the service answered Bearer {CANARY}.x_y-z",
    f"api_key: {CANARY}",
    f"apikey={CANARY}",
    f"X-Api-Key: {CANARY}",
    f"passwd: {CANARY}",
    f"token: '{CANARY} with {CANARY} blanks'",
    f'"password": "{CANARY} with {CANARY} blanks", "x": 1',
    f'password: "{CANARY}\\"{CANARY}"',
    f"password='{CANARY} {CANARY}",
    f'{{\\"password\\": \\"{CANARY} x\\"}}',
    f"{{'p': {{'clientSecret': '{CANARY}'}}}}",
    f"AZURE_CLIENT_SECRET={CANARY}",
    f"PGPASSWORD={CANARY} psql",
    f"aws_secret_access_key = {CANARY}",
    f"postgresql://u:{CANARY}@h/d",
    f"postgresql://u:{CANARY}/{CANARY}@h/d",
    f"a https://u:{CANARY}@h:80/x@y and ftp://v:{CANARY}@h",
    f"https://{CANARY}{CANARY}{CANARY}@h/x",
    f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n-----END RSA PRIVATE KEY-----",
    f"-----BEGIN PRIVATE KEY-----\\n{CANARY}",
    f"eyJ{CANARY}abc.eyJ{CANARY}abc.{CANARY}_sig",
]
ORDINARY = [
    "there is no token: the service does not answer",
    "while scanning for the next token: found character that cannot start any token",
    "the password can be in ~/.pgpass or PGPASSWORD",
    "https://localhost:8080/gallery/web/1.0.0@eastus",
    "postgresql://app@db.example/state",
    "corp/web/1.0.0@eastus",
    "Basic authentication is not supported",
    "ssh://host:22",
    "client-secret, token-key and ca.pem",
    "secrets: 3, tokens: 4",
    "export PGPASSWORD=$(cat file)",
    "password: ${values.password}",
    "at manifests/a.yaml:3:11",
    "a signature=no, design=yes",
]
REPEATED = [
    "://a:", "password ", "sig=", "a", "%73", "eyJ", "eyJ-", "-----BEGIN PRIVATE KEY-----", "Bearer ", "bearer:", "x:",
    "machine ", "'", '"', "a=", "://", "@", "://a@", 'token: "', '\\"', "\n", "password\n", " \t", "Basic a", "=:",
    "-----BEGIN ", "password='", "://a:b@", "a.", "token:", "%",
]  # fmt: skip


@pytest.mark.parametrize("text", LEAKS)
def test_a_secret_is_not_shown(text: str) -> None:
    shown = without_secrets(text)
    assert CANARY not in shown
    assert "***" in shown
    assert without_secrets(shown).count("***") == shown.count("***")


@pytest.mark.parametrize("text", LEAKS)
@settings(deadline=None, max_examples=20)
@given(before=st.text(alphabet="ab ,;\n", max_size=5), after=st.text(alphabet="ab ,;\n", max_size=5))
def test_a_secret_in_a_line_is_not_shown(text: str, before: str, after: str) -> None:
    if "password" not in text or "machine" in text:
        assert CANARY not in without_secrets(f"{before} {text} {after}")


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_message_stays(text: str) -> None:
    assert without_secrets(text) == text


def sentences() -> Iterator[str]:
    """Every string of the program that may be shown, and every paragraph of the documents."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if (ROOT / folder / path.relative_to(ROOT / folder)).resolve() == path:
                yield from _strings(ast.parse(path.read_text("utf-8")))
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        prose = re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        yield from (" ".join(paragraph.split()) for paragraph in prose.split("\n\n"))


def _strings(tree: ast.Module) -> Iterator[str]:
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "name" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


LINES_OF_PROGRAMS = ("NOPASSWD:", "secret = Path(", "[^")
"""Lines for other programs, which are never redacted: sudo's, an example in Python, patterns."""


def test_our_own_messages_and_documents_stay() -> None:
    every = [text for text in sentences() if not any(part in text for part in LINES_OF_PROGRAMS)]
    assert len(every) > 5_000
    assert [text for text in every if without_secrets(text) != text] == []


def test_the_time_is_proportional_to_the_length() -> None:
    program = (
        "import sys\nfrom reconciler.manifests.words import without_secrets\n"
        f"for text in {REPEATED!r}: without_secrets(text * (1_000_000 // len(text)))\n"
    )
    subprocess.run(
        [sys.executable, "-P", "-c", program],
        check=True,
        cwd=Path(__file__).parent,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (60, 60)),
    )
