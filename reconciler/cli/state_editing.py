"""What commands that edit the state share: a backup first, waiting for a lease, a question, and how they report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from reconciler.cli.applying import Manner, confirmed, require_an_answer
from reconciler.cli.session import Exit, Session
from reconciler.views.output_format import DEFAULT, load_format

if TYPE_CHECKING:
    from reconciler.engine import Engine
    from reconciler.reporting import Reporter

Addresses = Annotated[list[str], typer.Argument(metavar="ADDRESS...", help="Addresses of recorded objects.")]


@contextmanager
def editing(session: Session, command: str, lock_timeout_s: float = 0.0) -> Iterator[Engine]:
    """The engine for an edit of the state, which is backed up first."""
    from reconciler.maintenance.backups import back_up_before

    with session.engine(lock_reporter(session)) as engine:
        engine.lock_timeout_s = lock_timeout_s
        backup = back_up_before(engine, command)
        try:
            yield engine
        except BaseException:
            if backup:  # nothing was edited, so it would only push out a backup that is of use
                (engine.directory / backup).unlink(missing_ok=True)
            raise


def lock_reporter(session: Session) -> Reporter:
    """Says on stderr what the command waits for."""
    from reconciler.reporting import Reporter
    from reconciler.views.terminal.lines import paragraph

    class Waiting(Reporter):
        def waiting(self, message: str) -> None:
            session.errors.lines(paragraph(message, session.errors.width))

    return Waiting()


def require_approval(*, approved: bool) -> None:
    """Raises: ReconcilerError if approval is needed and there is no one to ask."""
    require_an_answer(Manner(approved, load_format(DEFAULT), verbose=False))


def ask(session: Session, sentences: Iterable[str], question: str, *, approved: bool) -> bool:
    """Shows what is about to be done, and whether it may be done."""
    say(session, sentences)
    return approved or confirmed(question)


def say(session: Session, sentences: Iterable[str]) -> int:
    """Writes sentences, a paragraph each. Returns: the exit code for success."""
    from reconciler.views.terminal.lines import paragraph

    output = session.output
    output.lines([line for sentence in sentences for line in paragraph(sentence, output.width)])
    return Exit.DONE


def unchanged(session: Session) -> int:
    """Says that the question was answered with no. Returns: the exit code for that."""
    say(session, ["Nothing was changed."])
    return Exit.ERROR
