"""`reconciler state`: shows, edits, checks, backs up, moves and rebuilds the records, without touching objects.

Each file in this folder is one command, found by its `register`. They are loaded when the group is used: the help of
the program names only the group.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import typer
from typer.core import TyperGroup

ORDER = 100


class StateGroup(TyperGroup):
    """The commands of this folder, in the order of their ORDER."""

    def list_commands(self, ctx: Any) -> list[str]:
        self._load()
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        self._load()
        return super().get_command(ctx, cmd_name)

    def _load(self) -> None:
        if self.commands:
            return
        group = typer.Typer(context_settings=dict(self.context_settings), rich_markup_mode=None)
        group.callback()(lambda: None)
        modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
        for module in sorted(modules, key=lambda module: (module.ORDER, module.__name__)):
            module.register(group)
        self.commands = typer.main.get_group(group).commands


def register(app: typer.Typer) -> None:
    group = typer.Typer(cls=StateGroup, help="Show, edit and repair the records.", no_args_is_help=True)
    app.add_typer(group, name="state", rich_help_panel=None)
