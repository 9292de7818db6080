"""`make fuzz-images`: mutated disk images against the recogniser, and against QEMU."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from fuzz_images.campaign import Campaign, as_text


def main() -> int:
    """The exit code: 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="make fuzz-images ARGS=", description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutant; each has its own seed")
    parser.add_argument("--mutants", type=int, default=100_000)
    parser.add_argument("--comparisons", type=int, default=2_000, help="accepted mutants that QEMU opens as well")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        campaign = Campaign(Path(folder))
        campaign.run(chosen.first, chosen.mutants, chosen.comparisons)
    sys.stdout.write(as_text(campaign))
    return 1 if campaign.failures else 0


if __name__ == "__main__":
    sys.exit(main())
