"""Addresses and dependencies as texts in rows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.stores import record

from reconciler.manifests.address import Address
from reconciler.state.rows import (
    decode_address,
    decode_dependencies,
    decode_records,
    encode_dependencies,
    encode_record,
)

names = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?", fullmatch=True)
addresses = st.lists(names, min_size=1, max_size=4).map(lambda parts: Address(*parts))


@given(addresses)
def test_addresses_come_back(address: Address) -> None:
    assert decode_address(str(address)) == Address.parse(str(address)) == address


@given(st.lists(addresses))
def test_dependencies_come_back_in_order(dependencies: list[Address]) -> None:
    assert decode_dependencies(encode_dependencies(dependencies)) == tuple(dependencies)


@pytest.mark.parametrize("text", ["", "a/", "a/b/c/d", "a/b/c/d@r", "a@r", "a/b@r"])
def test_what_parse_refuses_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        Address.parse(text)
    with pytest.raises(ValueError, match="is not an address"):
        decode_address(text)


def test_equal_dependencies_are_kept_once() -> None:
    regions = [record(f"corp/ubuntu/1.0.0@{region}", "corp/ubuntu/1.0.0") for region in ("eastus", "westus")]
    east, west = decode_records(encode_record(region) for region in regions).values()
    assert (east, west) == tuple(regions)
    assert east.dependencies is west.dependencies
