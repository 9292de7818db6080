"""What stops a command becomes a paragraph on stderr and an exit code; a traceback only where it was asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from reconciler.cli.session import Exit, Session
from reconciler.manifests.errors import ManifestError, ReconcilerError

if TYPE_CHECKING:
    from reconciler.views.terminal.lines import Line


def exit_code_of(error: BaseException) -> Exit:
    """The code that `error` ends a command with."""
    from reconciler.errors import Unreachable
    from reconciler.providers.errors import Unavailable

    if isinstance(error, KeyboardInterrupt):
        return Exit.INTERRUPTED
    return Exit.UNREACHABLE if isinstance(error, Unreachable | Unavailable) else Exit.ERROR


def tell(error: BaseException, session: Session, *, json: bool = False) -> None:
    """Says on stderr what happened and what to do about it; with `json`, as the last event on stdout, too."""
    told = _in_words(error)
    output = session.errors
    output.lines(_lines(told, output.width))
    if json:
        from reconciler.views.formats.json_lines import error_event, write_event

        write_event(sys.stdout, error_event(told))
    if session.debug:
        import traceback

        sys.stderr.writelines(traceback.format_exception(error))


def _in_words(error: BaseException) -> ReconcilerError:
    if isinstance(error, ReconcilerError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return ReconcilerError("interrupted")
    return _from_system(error) if isinstance(error, OSError) else _bug(error)


def _lines(error: ReconcilerError, width: int) -> Iterator[Line]:
    from reconciler.views.terminal.lines import BLANK, line
    from reconciler.views.text.diagnostics import diagnostics_lines, error_lines, summary_of_problems

    if isinstance(error, ManifestError):
        yield from diagnostics_lines(error.diagnostics, width)
        yield BLANK
        yield line(summary_of_problems(error.diagnostics))
    else:
        yield from error_lines(error, width)


def _from_system(error: OSError) -> ReconcilerError:
    where = f"{error.filename}: " if error.filename else ""
    return ReconcilerError(f"{where}{error.strerror or error}", "see that it exists, has room and may be used by you")


def _bug(error: BaseException) -> ReconcilerError:
    return ReconcilerError(
        f"{type(error).__name__}: {error}. This is a bug.",
        "Nothing is lost: what was done is recorded, and what was begun is in the journal. "
        "Run the command again with --debug, and report what it prints.",
    )
