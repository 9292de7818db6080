"""`reconciler schema`: the JSON Schema of manifests, for editors."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from reconciler.cli.session import Exit

ORDER = 110


def register(app: typer.Typer) -> None:
    app.command("schema")(schema)


def schema(
    project_file: Annotated[
        bool, typer.Option("--project-file", help="Print the schema of reconciler.yaml instead.")
    ] = False,
    settings_file: Annotated[
        bool, typer.Option("--settings-file", help="Print the schema of the settings file instead.")
    ] = False,
) -> int:
    """Print the JSON Schema of manifests, for editors."""
    from reconciler.manifests.schema import json_schema as schemas
    from reconciler.views.terminal.output import write_document

    if project_file and settings_file:
        raise typer.BadParameter("--project-file and --settings-file contradict each other")
    wanted = schemas.json_schema
    if project_file or settings_file:
        wanted = schemas.project_schema if project_file else schemas.settings_schema
    write_document(sys.stdout, json.dumps(wanted(), indent=2) + "\n")
    return Exit.DONE
