"""The program `reconciler`: its commands, the options that all share, and what becomes of errors."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from reconciler import __version__
from reconciler.cli.commands import (
    apply,
    destroy,
    drift,
    emulator,
    graph,
    init,
    latest,
    plan,
    schema,
    show,
    state,
    validate,
    vm,
)
from reconciler.cli.failures import exit_code_of, tell
from reconciler.cli.session import Exit, Session, colors_wanted
from reconciler.views.terminal.output import write

COMMANDS = (init, validate, plan, apply, destroy, drift, show, graph, latest, state, schema, emulator, vm)
_WITH_VALUE = ("--project", "--environment")
_FLAGS = ("--debug", "--no-color")
_CLICK_ERROR: type[Exception] = typer.BadParameter.__mro__[2]
"""What every mistake in the use of a command derives from; typer has no public name for it in all versions."""
_EPILOG = (
    "--project, --environment, --debug and --no-color may also stand after the command. Exit codes: 0 done, or nothing "
    "to do; 1 an error; 2 changes are pending (plan --detailed-exitcode) or drift was found (drift); 3 a provider did "
    "not answer; 130 interrupted."
)


def build() -> typer.Typer:
    """The program with all its commands."""
    app = typer.Typer(
        name="reconciler",
        help="Makes VM image galleries what the manifests say.",
        epilog=_EPILOG,
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback()(_common)
    for command in COMMANDS:
        command.register(app)
    return app


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"reconciler {__version__}")
        raise typer.Exit


def _common(
    context: typer.Context,
    project: Annotated[str, typer.Option(metavar="DIR", help="The folder with reconciler.yaml.")] = ".",
    environment: Annotated[
        str, typer.Option(metavar="NAME", envvar="RECONCILER_ENVIRONMENT", help="An environment of the project.")
    ] = "",
    no_color: Annotated[bool, typer.Option("--no-color", help="Plain text, as with NO_COLOR.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where in the program an error comes from.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    context.obj = Session(Path(project), environment or None, colors_wanted(no_color=no_color), debug)


def shared_first(arguments: Sequence[str]) -> list[str]:
    """The arguments with the options that all commands share before the command, wherever they stood."""
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
    return [*shared, *others]


def run(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit code; whatever goes wrong is told."""
    words = shared_first(arguments)
    session = Session(Path(), color=colors_wanted(no_color="--no-color" in words), debug="--debug" in words)
    try:
        code = build()(words, prog_name="reconciler", standalone_mode=False)
    except _CLICK_ERROR as error:
        return _misused(error)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  the last stop: a sentence, not a traceback
        tell(error, session, json="--json" in words)
        return exit_code_of(error)
    return int(code or 0)


def _misused(error: Exception) -> int:
    """A mistake in the use of the command line; 2, which is usual for it elsewhere, means something else here."""
    show = getattr(error, "show", None)
    if show:
        show()
    return Exit.ERROR


_COLLECT_EVERY = 200_000
"""New objects between two garbage collections: a run makes many that live to its end and few cycles."""


def main() -> NoReturn:
    """The console script."""
    gc.set_threshold(_COLLECT_EVERY)
    code = run(sys.argv[1:])
    write(sys.stdout, "")
    sys.exit(code)


if __name__ == "__main__":
    main()
