"""The program `reconciler`: its commands, the options that they all share, and what happens to errors."""

from __future__ import annotations

import gc
import importlib
import io
import os
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from reconciler import __version__
from reconciler.cli import commands, options
from reconciler.cli.failures import exit_code_of, report
from reconciler.cli.guarding import one_command_only, require_in_bounds, runs_one_command
from reconciler.cli.interrupts import end_at_once, on_signals, stop_command
from reconciler.cli.session import Exit, Session, colors_wanted
from reconciler.manifests.installation import trusted_search_path
from reconciler.views.terminal.output import write

_WITH_VALUE = ("--project", "--environment", "--settings")
_FLAGS = ("--debug", "--no-color")
_CLICK_ERROR: type[Exception] = typer.BadParameter.__mro__[2]
"""The base of every error in using a command line; not all versions of typer have a public name for it."""
_EPILOG = (
    "--project, --environment, --settings, --debug and --no-color may also follow the command. Exit codes: 0 success, "
    "or nothing to do; 1 error; 2 changes pending (plan --detailed-exitcode) or drift found (drift); 3 provider "
    "unreachable; 130 interrupted."
)


def command_modules(name: str = "") -> list[ModuleType]:
    """A module for each file in `commands`, in the order of its ORDER: that of `--help`. Each has a `register`.

    Only the one called `name`, if there is one: whoever runs one command need not wait for all of them.
    """
    names = [module.name for module in pkgutil.iter_modules(commands.__path__)]
    wanted = [name] if name in names else names
    modules = [importlib.import_module(f"{commands.__name__}.{module}") for module in wanted]
    return sorted(modules, key=lambda module: (module.ORDER, module.__name__))


def build(command: str = "") -> typer.Typer:
    """The program with all its commands; with the one called `command` alone if there is one."""
    modules = command_modules(command)
    order = [module.__name__.rpartition(".")[2] for module in modules]
    app = typer.Typer(
        name="reconciler",
        cls=_group_in(order),
        help="Make VM image galleries match their manifests.",
        epilog=_EPILOG,
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback()(_common)
    for module in modules:
        module.register(app)
    return app


def _group_in(order: Sequence[str]) -> type[TyperGroup]:
    """A group that lists its commands in this order; typer would list those with commands of their own last."""

    class OrderedGroup(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - typer's
            return sorted(self.commands, key=order.index)

    return OrderedGroup


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"reconciler {__version__}")
        raise typer.Exit


def _common(
    context: typer.Context,
    project: Annotated[str, typer.Option(metavar="DIR", help="The folder that contains reconciler.yaml.")] = ".",
    environment: Annotated[
        str, typer.Option(metavar="NAME", envvar="RECONCILER_ENVIRONMENT", help="The environment to use.")
    ] = "",
    settings: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            envvar="RECONCILER_SETTINGS",
            help="What you trust beyond the project; without it ~/.config/reconciler/settings.yaml, if it exists.",
        ),
    ] = "",
    no_color: Annotated[bool, typer.Option("--no-color", help="Disable colours, like NO_COLOR.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with every error.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    if runs_one_command():
        os.environ["PATH"] = trusted_search_path(os.environ.get("PATH", os.defpath), Path(project))
    context.obj = Session(Path(project), environment or None, colors_wanted(no_color=no_color), debug, settings)


def shared_first(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The options that all commands share, wherever they were among the arguments; and the rest: a command and its
    arguments."""
    shared: list[str] = []
    others: list[str] = []
    waiting = list(arguments)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            others += [word, *waiting]
            break
        if word in _FLAGS or word.startswith(tuple(f"{name}=" for name in _WITH_VALUE)):
            shared.append(word)
        elif word in _WITH_VALUE:
            shared += [word, *waiting[:1]]
            waiting = waiting[1:]
        else:
            others.append(word)
    return shared, others


def run(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit code; whatever goes wrong is reported."""
    shared, others = shared_first(arguments)
    words = [*shared, *others]
    session = Session(Path(), color=colors_wanted(no_color="--no-color" in words), debug="--debug" in words)
    try:
        code = build(others[0] if others else "")(words, prog_name="reconciler", standalone_mode=False)
        require_in_bounds()
    except _CLICK_ERROR as error:
        return _misused(error)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  the last resort: a sentence, not a traceback
        report(error, session, options.format_in(words))
        return exit_code_of(error)
    return int(code or 0)


def _misused(error: Exception) -> int:
    """An error in using the command line: 1, as 2, the usual code for it, means that changes are pending."""
    from reconciler.views.terminal.output import write_document

    show = getattr(error, "show", None)
    if show:
        shown = io.StringIO()
        show(file=shown)
        write_document(sys.stderr, shown.getvalue())
    return Exit.ERROR


_COLLECT_EVERY = 200_000
"""New objects between two garbage collections: a run creates many that live to its end, and few cycles."""


def main() -> NoReturn:
    """Runs the command that the process was started with."""
    gc.set_threshold(_COLLECT_EVERY)
    one_command_only()
    on_signals(stop_command)
    code = run(sys.argv[1:])
    on_signals(end_at_once)
    write(sys.stdout, "")
    sys.exit(code)


if __name__ == "__main__":
    main()
