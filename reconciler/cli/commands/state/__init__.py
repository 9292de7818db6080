"""`reconciler state`: shows, edits, checks, backs up, moves and rebuilds the records, without touching objects.

Each file in this folder is one command, found by its `register`.
"""

from __future__ import annotations

import importlib
import pkgutil

import typer

ORDER = 100


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="Show, edit and repair the records.", no_args_is_help=True)
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    for module in sorted(modules, key=lambda module: (module.ORDER, module.__name__)):
        module.register(group)
    app.add_typer(group, name="state", rich_help_panel=None)
