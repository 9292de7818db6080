"""Leases: the right to write to some galleries, for one run at a time.

A lease has one row for each of its galleries. Expiry does not end a lease, it lets the next run take it over: a run
that slept past its expiry continues if no other run took over. A takeover gets a greater fencing number, and writes
under a number that is no longer in the rows are refused. A process that has ended cannot come back, so its lease may be
taken over at once where that is known, which is on the same computer. The next lease taken removes what it left.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from reconciler.manifests.address import Address
from reconciler.state.database import Database
from reconciler.state.errors import LockHeld, StaleWrite
from reconciler.state.store import Lease, LeaseInfo

_SLACK_S = 5.0
"""How far two clocks may differ before one of them is called wrong."""

_FORGOTTEN_AFTER_S = 24 * 3600.0
_END_OF_TIME_S = 253402300799.0  # in the year 9999

_RANDOM_BITS = 16


@dataclass(frozen=True, slots=True)
class GalleryLease:
    """The `Lease` of SQL stores: a fencing number and the galleries it covers."""

    fence: int
    galleries: frozenset[str]
    ttl_s: float = 60.0


def take(
    database: Database, galleries: Iterable[str], holder: str, ttl_s: float, now: float, above: int = 0
) -> GalleryLease:
    """A lease on all of `galleries`, or on none. Call it in a write transaction. Raises: LockHeld."""
    wanted = frozenset(galleries)
    _remove_dead(database, now)
    _refuse_held(database, wanted, now)
    ((last,),) = database.execute("SELECT fence FROM meta")
    fence = next_fence(max(int(last), above))
    database.execute("UPDATE meta SET fence = ?", (fence,))
    process = this_process()
    database.execute_many("DELETE FROM leases WHERE gallery = ?", [(gallery,) for gallery in sorted(wanted)])
    database.execute_many(
        "INSERT INTO leases (gallery, fence, holder, process, since, heartbeat, expires, ttl_s)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [(gallery, fence, holder, process, now, now, now + ttl_s, ttl_s) for gallery in sorted(wanted)],
    )
    return GalleryLease(fence, wanted, ttl_s)


def next_fence(last: int) -> int:
    """A fence above `last`, which no other run has: two copies of one state would otherwise give out the same ones."""
    return ((last >> _RANDOM_BITS) + 1 << _RANDOM_BITS) + int.from_bytes(os.urandom(2))


def _remove_dead(database: Database, now: float) -> None:
    """Removes what runs left that have certainly ended, and what expired so long ago that no one can come back."""
    rows = database.execute("SELECT DISTINCT fence, process, expires FROM leases")
    dead = {fence for fence, process, expires in rows if has_ended(process) or expires < now - _FORGOTTEN_AFTER_S}
    database.execute_many("DELETE FROM leases WHERE fence = ?", [(fence,) for fence in sorted(dead)])


def _refuse_held(database: Database, wanted: frozenset[str], now: float) -> None:
    """Raises: LockHeld."""
    for held in held_leases(database, now):
        if held.gallery in wanted and not held.expired:
            raise LockHeld(
                f"gallery '{held.gallery}' is being changed by {held.holder}, since {held.since}",
                _wrong_clock(held) if held.in_future else _patience(held),
                holder=held.holder,
                since=held.since,
                expires=held.expires,
            )


def _patience(held: LeaseInfo) -> str:
    return (
        "Wait for that run to end and try again, or let the command wait: --lock-timeout SECONDS. "
        f"If the run died, its lease expires at {held.expires} and the next run takes over where it stopped."
    )


def _wrong_clock(held: LeaseInfo) -> str:
    return (
        f"Its lease expires at {held.expires}, later than any lease taken by now could: the clock here, or that of the "
        f"computer it was taken on, is wrong. Correct it; and if that run has ended: reconciler state unlock "
        f"{held.gallery}"
    )


def held_leases(database: Database, now: float) -> tuple[LeaseInfo, ...]:
    """Every lease that was not given back, by gallery; those of processes that have ended are left out."""
    columns = "gallery, fence, holder, process, since, expires, ttl_s"
    return tuple(
        LeaseInfo(
            gallery,
            int(fence),
            holder,
            iso(since),
            iso(expires),
            expired=expires <= now,
            in_future=expires > now + ttl_s + _SLACK_S,
            running=is_running(process),
        )
        for gallery, fence, holder, process, since, expires, ttl_s in database.execute(
            f"SELECT {columns} FROM leases ORDER BY gallery"  # noqa: S608 - a constant
        )
        if not has_ended(process)
    )


def break_off(database: Database, gallery: str) -> tuple[str, ...]:
    """Ends the lease on `gallery` with everything else that it covers; returns the galleries, sorted."""
    fences = [fence for (fence,) in database.execute("SELECT fence FROM leases WHERE gallery = ?", (gallery,))]
    freed: list[str] = []
    for fence in fences:
        freed += [name for (name,) in database.execute("SELECT gallery FROM leases WHERE fence = ?", (fence,))]
        database.execute("DELETE FROM leases WHERE fence = ?", (fence,))
    return tuple(sorted(freed))


def put_off(database: Database, lease: Lease, now: float) -> None:
    """Restarts the lease's time. Call it in a write transaction. Raises: StaleWrite."""
    require(database, lease)
    database.execute("UPDATE leases SET heartbeat = ?, expires = ? + ttl_s WHERE fence = ?", (now, now, lease.fence))


def give_back(database: Database, lease: Lease) -> None:
    """Ends the lease, or what is left of it."""
    database.execute("DELETE FROM leases WHERE fence = ?", (lease.fence,))


def require(database: Database, lease: Lease) -> None:
    """Raises: StaleWrite unless every gallery of `lease` is still held under its number."""
    held = {gallery for (gallery,) in database.execute("SELECT gallery FROM leases WHERE fence = ?", (lease.fence,))}
    lost = sorted(lease.galleries - held)
    if lost:
        raise StaleWrite(
            f"the lease on {_quoted(lost)} was lost to another run, so this one can no longer record anything",
            "Run the command again once the other run has ended: it recovers what this one had started.",
        )


def require_covered(lease: Lease, addresses: Iterable[Address]) -> None:
    """Raises: StaleWrite when `lease` does not cover the gallery of an address."""
    outside = sorted({address.gallery for address in addresses} - lease.galleries)
    if outside:
        raise StaleWrite(f"nothing was written: the lease does not cover {_quoted(outside)}. This is a bug.")


def iso(seconds: float) -> str:
    """`seconds` since 1970 as people read it, in UTC and to the second; the last moment there is for any later one."""
    seconds = min(max(seconds, 0.0), _END_OF_TIME_S)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def this_process() -> str:
    """Identifies this process among all that ever ran under this kernel; empty where the system does not show it."""
    try:
        return f"{_system()} {os.getpid()} {_start_time(os.getpid())}"
    except OSError:
        return ""


def has_ended(process: str) -> bool:
    """Whether the process that `this_process` identified is certainly gone. False in doubt, as on another computer."""
    return _runs(process) is False


def is_running(process: str) -> bool:
    """Whether the process that `this_process` identified is certainly still running. False in doubt."""
    return _runs(process) is True


def _runs(process: str) -> bool | None:
    """Whether a process is running; None where that cannot be known."""
    parts = process.split()
    if len(parts) != 4:
        return None
    pid = int(parts[2])
    try:
        if " ".join(parts[:2]) != _system():
            return None
        os.kill(pid, 0)
        return _start_time(pid) == parts[3]
    except ProcessLookupError:
        return False
    except OSError:
        return None


def _system() -> str:
    """The running kernel, and the PID namespace that this process is in."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    return f"{boot} {Path('/proc/self/ns/pid').readlink()}"


def _start_time(pid: int) -> str:
    """When `pid` started, in clock ticks since boot; `ended` for one that only waits for its parent to collect it."""
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    return "ended" if fields[0] in "ZX" else fields[19]


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
