"""Runs mutants through the recogniser, and a sample of those that it accepts through QEMU."""

from __future__ import annotations

import json
import random
import re
import resource
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from fuzz_images.mutating import Mutant, mutant
from fuzz_images.seeds import DRIVERS, seeds

from reconciler.providers.errors import SourceError
from reconciler.providers.image_files.formats.disk_format import DiskFormat
from reconciler.providers.image_files.formats.recognising import recognise

MOST_READ, LARGEST_READ = 260 << 20, 2 << 20
MOST_MEMORY = 256 << 20
_OPENED = re.compile(r'(?:open|openat)\([^"]*"([^"]+)"[^)]*\)\s+= \d+|(connect)\(')


@dataclass(slots=True)
class Campaign:
    """What was tried, and what was wrong with it; `compared` counts mutants that QEMU opened."""

    folder: Path
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    compared: int = 0
    most_read: int = 0

    def run(self, first: int, mutants: int, comparisons: int) -> None:
        """Tries `mutants` of them, from number `first` on; QEMU opens every one that is accepted until there are
        `comparisons`, those that still equal their seed left out."""
        found = seeds(self.folder)
        limit_memory()
        for number in range(first, first + mutants):
            chance = random.Random(number)
            seed = found[number % len(found)]
            made = mutant(seed, chance)
            accepted = self._recognised(number, made)
            if accepted and accepted.name in DRIVERS and self.compared < comparisons:
                self._compare(number, made, accepted)

    def _recognised(self, number: int, made: Mutant) -> DiskFormat | None:
        found = None
        try:
            found = recognise(made.read, made.size, "image")
            self.counts[f"{made.seed.name}: {found.name}"] += 1
        except SourceError as error:
            self.counts[f"{made.seed.name}: refused"] += 1
            if "bug" in str(error):
                self._failed(number, made, str(error))
        except Exception as error:  # noqa: BLE001
            self._failed(number, made, f"{type(error).__name__}: {error}")
        self.most_read = max(self.most_read, made.bytes_read)
        if made.bytes_read > MOST_READ or made.largest_read > LARGEST_READ:
            self._failed(number, made, f"{made.bytes_read} bytes read, {made.largest_read} at once")
        return found

    def _compare(self, number: int, made: Mutant, accepted: DiskFormat) -> None:
        image = self.folder / "mutant"
        made.write(image)
        self.compared += 1
        size, others = opened_by_qemu(image, DRIVERS[accepted.name])
        if size != accepted.virtual_size or others:
            self._failed(number, made, f"{accepted} of ours is {size} of QEMU's, which opened {sorted(others)}")

    def _failed(self, number: int, made: Mutant, why: str) -> None:
        self.failures.append(f"{number} ({made.seed.name}): {why}")


def as_text(campaign: Campaign) -> str:
    """The counts, the totals, and the first hundred failures, in lines."""
    rows = [f"{count:8} {name}" for name, count in sorted(campaign.counts.items())]
    refused = sum(count for name, count in campaign.counts.items() if name.endswith("refused"))
    mutants = sum(campaign.counts.values())
    totals = (
        f"{mutants} mutants, {mutants - refused} accepted, {campaign.compared} opened by QEMU, "
        f"at most {campaign.most_read} bytes read of one, {len(campaign.failures)} failures"
    )
    return "\n".join([*rows, totals, *campaign.failures[:100], ""])


def limit_memory() -> None:
    """From here on this process has 256 MiB more than now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MOST_MEMORY, resource.RLIM_INFINITY))


def opened_by_qemu(image: Path, driver: str) -> tuple[int | str, set[str]]:
    """The virtual size that QEMU finds, or its complaint; and what else than the image and the system's own files it
    opened or connected to. It is not asked to ignore backing files: an accepted image has none."""
    options = {"driver": driver, "file": {"driver": "file", "filename": str(image)}}
    if driver == "vpc":
        options["force_size_calc"] = "current_size"
    log = image.with_suffix(".strace")
    tracing = ["strace", "-f", "-qq", "-e", "trace=open,openat,connect", "-o", str(log)]
    command = ["qemu-img", "info", "--output=json", f"json:{json.dumps(options)}"]
    run = subprocess.run([*tracing, *command], capture_output=True, text=True, preexec_fn=_without_limit)
    others = {match[1] or match[2] for match in _OPENED.finditer(log.read_text(errors="replace"))}
    others = {path for path in others if path != str(image) and not path.startswith(_SYSTEM)}
    if run.returncode:
        return run.stderr.strip(), others
    return int(json.loads(run.stdout)["virtual-size"]), others


_SYSTEM = (
    "/lib",
    "/usr/",
    "/etc/ld.so",
    "/etc/ssl",
    "/etc/gnutls",
    "/etc/gcrypt",
    "/proc/",
    "/sys/",
    "/dev/null",
    "/dev/urandom",
)


def _without_limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
