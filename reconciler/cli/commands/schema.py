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
) -> int:
    """Print the JSON Schema of manifests, for editors."""
    from reconciler.manifests.schema.json_schema import json_schema, project_schema
    from reconciler.views.terminal.output import write

    write(sys.stdout, json.dumps(project_schema() if project_file else json_schema(), indent=2) + "\n")
    return Exit.DONE
