"""The program, as `reconciler` and as `python -m reconciler`: ready for signals before it loads anything else."""

from reconciler.cli.interrupts import end_at_once, on_signals


def main() -> None:
    """Runs the command line, and exits with its code."""
    on_signals(end_at_once)
    from reconciler.cli.app import main as run_command

    run_command()


if __name__ == "__main__":
    main()
