"""CRC-32C (Castagnoli), which is not in Python's standard library."""

from __future__ import annotations

_POLYNOMIAL = 0x82F63B78
_table: list[int] = []


def crc32c(content: bytes) -> int:
    """The checksum of `content`. Source: RFC 3720, appendix B.4."""
    if not _table:
        _table.extend(_entry(number) for number in range(256))
    table, remainder = _table, 0xFFFFFFFF
    for byte in content:
        remainder = table[(remainder ^ byte) & 0xFF] ^ (remainder >> 8)
    return remainder ^ 0xFFFFFFFF


def _entry(number: int) -> int:
    for _ in range(8):
        number = (number >> 1) ^ (_POLYNOMIAL if number & 1 else 0)
    return number
