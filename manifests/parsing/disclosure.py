"""What errors may show of a file: everything of a manifest and of the project file, nothing of any other file.

A pattern can name any file of the project, such as one with a token that a CI job has left there. Until it is known
that a file is a manifest, its errors say where they are, and nothing of what is written there.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from functools import cache

from reconciler.manifests.parsing.files import PROJECT_FILE
from reconciler.manifests.problems import Problem
from reconciler.manifests.words import nearest

_ALIKE = 0.8
_CANDIDATES = 20
_VALUE_OF_KIND = re.compile(r"""^[ \t{-]*["']?kind["']?[ \t]*:[ \t]*["']?([A-Za-z]{1,40})\b""", re.MULTILINE)
_PROJECT_KEY = re.compile(r"""^[ \t{]*["']?(?:project|providers?)["']?[ \t]*:""", re.MULTILINE)


def may_be_shown(name: str, text: str) -> bool:
    """Whether the file `name` is the project file, or a manifest: it has a document of a known kind, or of one that is
    nearly spelled so. An absolute name is that of settings, which whoever runs a command has named."""
    if os.path.isabs(name):
        return True
    if name == PROJECT_FILE:
        return bool(_PROJECT_KEY.search(text))
    found: dict[str, None] = {}
    for match in _VALUE_OF_KIND.finditer(text):
        found[match[1].lower()] = None
        if len(found) > _CANDIDATES:
            break
    return any(nearest(word, _kinds(), _ALIKE) for word in found)


def without_content(problem: Problem) -> Problem:
    """The same problem with nothing of what is written in the file: messages quote that, and nothing else."""
    said = f"{problem.summary}{problem.detail}"
    if "'" not in said and '"' not in said:
        return problem
    if problem.origin.file == PROJECT_FILE:
        summary, detail = "this is not a project file", "write at least: project: NAME and a provider"
    else:
        summary = "this is not a manifest: no document in it has a known kind"
        detail = f"begin each document with kind: one of {', '.join(_kinds())}; or keep this file out of `manifests`"
    return replace(problem, summary=summary, detail=detail)


@cache
def _kinds() -> tuple[str, ...]:
    from reconciler.manifests.kinds.registry import document_kinds

    return tuple(document_kinds())
