"""An error that ends a command becomes a paragraph on stderr and an exit code; a traceback only with --debug."""

from __future__ import annotations

import sys

from reconciler.cli.session import Exit, Session
from reconciler.manifests.errors import ReconcilerError


def exit_code_of(error: BaseException) -> Exit:
    """The code that `error` ends a command with."""
    from reconciler.errors import Unreachable
    from reconciler.providers.errors import Unavailable

    if isinstance(error, KeyboardInterrupt):
        return Exit.INTERRUPTED
    return Exit.UNREACHABLE if isinstance(error, Unreachable | Unavailable) else Exit.ERROR


def report(error: BaseException, session: Session, format_name: str) -> None:
    """Writes to stderr what happened and what to do about it; a format for programs gets it on stdout as well."""
    from reconciler.views.output_format import load_format
    from reconciler.views.text.diagnostics import error_lines

    explained = _explained(error)
    session.errors.lines(error_lines(explained, session.errors.width))
    output_format = load_format(format_name)
    if not output_format.interactive:
        output = session.output_for(output_format)
        output.lines(output_format.error(explained, output.width))
    if session.debug:
        import traceback

        from reconciler.views.terminal.output import write_document

        write_document(sys.stderr, "".join(traceback.format_exception(error)))


def _explained(error: BaseException) -> ReconcilerError:
    if isinstance(error, ReconcilerError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return ReconcilerError("interrupted")
    return _from_system(error) if isinstance(error, OSError) else _bug(error)


def _from_system(error: OSError) -> ReconcilerError:
    where = f"{error.filename}: " if error.filename else ""
    return ReconcilerError(
        f"{where}{error.strerror or error}", "check that it exists, that you may use it, and that there is free space"
    )


def _bug(error: BaseException) -> ReconcilerError:
    return ReconcilerError(
        f"{type(error).__name__}: {error}. This is a bug.",
        "Nothing is lost: completed changes are recorded, and those that were started are in the journal. "
        "Run the command again with --debug, and report what it prints.",
    )
