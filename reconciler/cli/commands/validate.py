"""`reconciler validate`: whether the manifests can be used."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from reconciler.cli import options
from reconciler.cli.session import Exit, Session, session_of
from reconciler.manifests.errors import ManifestError

if TYPE_CHECKING:
    from reconciler.manifests.manifest import Manifest


def register(app: typer.Typer) -> None:
    app.command("validate")(validate)


def validate(context: typer.Context, json: options.Json = False) -> int:
    """Load all manifests and tell every fault.

    Looks at nothing else: neither state nor objects nor images.

    Exit codes: 0 they can be used, 1 they cannot.
    """
    session = session_of(context)
    with session.engine() as engine:
        if json:
            return _as_json(engine.validate)
        _show(engine.validate(), session)
    return Exit.DONE


def _as_json(load: Callable[[], Manifest]) -> Exit:
    from reconciler.views.formats.json_lines import validate_event, write_event
    from reconciler.views.text.manifest import kind_counts

    try:
        manifest = load()
    except ManifestError as error:
        write_event(sys.stdout, validate_event({}, error.diagnostics, valid=False))
        return Exit.ERROR
    write_event(sys.stdout, validate_event(kind_counts(manifest), manifest.warnings, valid=True))
    return Exit.DONE


def _show(manifest: Manifest, session: Session) -> None:
    from reconciler.views.text.manifest import manifest_lines

    output = session.output
    output.lines(manifest_lines(manifest, output.width))
