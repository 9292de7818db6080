"""`reconciler validate`: whether the manifests are valid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from reconciler.cli import options
from reconciler.cli.session import Exit, reading_session
from reconciler.manifests.errors import ManifestError
from reconciler.views.output_format import DEFAULT

if TYPE_CHECKING:
    from reconciler.engine import Engine
    from reconciler.views.validation import Validation


ORDER = 20


def register(app: typer.Typer) -> None:
    app.command("validate")(validate)


def validate(context: typer.Context, format_name: options.Format = DEFAULT, json: options.Json = False) -> int:
    """Load all manifests and report every error.

    Reads nothing else: neither the state, nor objects, nor images.

    Exit codes: 0 valid, 1 invalid.
    """
    session = reading_session(context)
    output_format = options.output_format(format_name, json=json)
    output = session.output_for(output_format)
    with session.engine() as engine:
        validation = _validation(engine, raises=output_format.interactive)
        output.lines(output_format.validation(validation, output.width))
    return Exit.DONE if validation.valid else Exit.ERROR


def _validation(engine: Engine, *, raises: bool) -> Validation:
    """What the manifests declare, or their errors. Raises: ManifestError if that is wanted, for stderr."""
    from reconciler.views.validation import invalid_manifest, valid_manifest

    try:
        return valid_manifest(engine.validate())
    except ManifestError as error:
        if raises:
            raise
        return invalid_manifest(error)
