"""`python -m fuzz` from the folder `tests`, or `make fuzz`: lives random lives, and reports what broke a promise."""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from fuzz.campaign import Campaign, as_text


def main() -> int:
    options = parse_options()
    stopping: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda caught, _: stopping.append(caught))
    until = time.monotonic() + options.seconds if options.seconds else None
    campaign = Campaign(options.provider, options.directory, options.found, options.open, commands=options.commands)
    with campaign:
        for seed in range(options.seed, options.seed + options.count):
            if stopping or (until is not None and time.monotonic() > until):
                break
            campaign.live(seed, say)
    sys.stdout.write(as_text(campaign))
    return 1 if campaign.failures else 0


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def parse_options(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make fuzz ARGS=...", description=__doc__)
    parser.add_argument("--provider", choices=["local", "emulator", "libvirt"], default="local")
    parser.add_argument("--seed", type=int, default=1, help="that of the first life; each next one has the next (1)")
    parser.add_argument("--count", type=int, default=1000, help="how many lives at most (1000)")
    parser.add_argument("--seconds", type=float, help="start no more lives after so many seconds")
    parser.add_argument("--commands", action="store_true", help="kill and interrupt processes of the real command")
    parser.add_argument("--directory", type=Path, help="where to work: memory, if there is a folder for that")
    parser.add_argument(
        "--open", metavar="TEXT", action="append", default=[], help="count failures with these words as already known"
    )
    parser.add_argument("--found", type=Path, help="where tests of failures are written (none are)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
