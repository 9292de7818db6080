"""`Limits`: how long a download waits, and how often it tries again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """`silence_s`: how long to wait for a connection, and for each byte. In every `window_s` a server must send `least`
    bytes, or it is asked again. `tries` in a row may bring less than `worth` bytes; between them it waits `pause_s`,
    doubled each time, up to `longest_pause_s`. `redirects`: how many may follow one another."""

    silence_s: float = 60.0
    window_s: float = 120.0
    least: int = 128 << 10
    tries: int = 6
    worth: int = 16 << 20
    pause_s: float = 1.0
    longest_pause_s: float = 60.0
    redirects: int = 5
