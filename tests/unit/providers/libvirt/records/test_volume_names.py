"""Names of volumes: by convention, with a number only if the name is taken, and parsed unambiguously."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.manifests.address import Address
from reconciler.providers.errors import ProviderError
from reconciler.providers.libvirt.records.volume_names import VolumeName, choose_name

DAY = date(2026, 3, 9)
VERSION = Address.parse("corp/ubuntu-lts/1.0.3")


def test_names_follow_the_convention() -> None:
    assert choose_name(VERSION, "os", DAY, ()) == "corp-ubuntu-lts-1.0.3-os-2026-03-09"
    assert choose_name(VERSION, "data-7", DAY, ()) == "corp-ubuntu-lts-1.0.3-datadisk-7-2026-03-09"
    assert choose_name(VERSION._replace(region="eastus"), "os", DAY, ()) == choose_name(VERSION, "os", DAY, ())


def test_a_number_is_added_only_if_the_name_is_taken() -> None:
    taken: list[str] = []
    for _ in range(101):
        taken.append(choose_name(VERSION, "os", DAY, taken))
    assert taken[1:3] == ["corp-ubuntu-lts-1.0.3-os-2026-03-09-01", "corp-ubuntu-lts-1.0.3-os-2026-03-09-02"]
    assert taken[100] == "corp-ubuntu-lts-1.0.3-os-2026-03-09-100"
    assert len(set(taken)) == len(taken)


@pytest.mark.parametrize(
    "name",
    [
        "corp-ubuntu-1.0.3",
        "corp-ubuntu-1.0.3-os",
        "corp-ubuntu-1.0.3-os-2026-13-09",
        "corp-ubuntu-1.0.3-os-2026-03-09-1",
        "corp-ubuntu-1.0.3-datadisk-2026-03-09",
        "corp-ubuntu-1.0-os-2026-03-09",
        "ubuntu-os-2026-03-09",
        "corp-ubuntu-1.0.3-os-2026-03-09.qcow2",
        ".reconciler~corp~ubuntu~1.0.3~eastus.000001.json",
    ],
)
def test_other_names_are_not_parsed(name: str) -> None:
    assert VolumeName.parse(name) is None


GALLERIES = st.from_regex(r"[A-Za-z0-9](?:[A-Za-z0-9._]{0,6}[A-Za-z0-9])?", fullmatch=True)
DEFINITIONS = st.from_regex(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,20}[A-Za-z0-9])?", fullmatch=True)
TRAPS = st.sampled_from(["a-1.0.0-os-2026-03-09", "os", "1.0.0", "x-datadisk-3", "a-1.0.0"])
VERSIONS = st.tuples(*[st.integers(0, 2**31 - 1)] * 3).map(lambda parts: "{}.{}.{}".format(*parts))
DISKS = st.just("os") | st.integers(0, 1023).map("data-{}".format)


@given(
    version=st.builds(Address, GALLERIES, DEFINITIONS | TRAPS, VERSIONS, st.just("")),
    disk=DISKS,
    day=st.dates(),
    number=st.integers(0, 200),
)
def test_a_name_is_parsed_back_as_it_was_made(version: Address, disk: str, day: date, number: int) -> None:
    name = VolumeName(version, disk, day, number)
    assert VolumeName.parse(str(name)) == name


@pytest.mark.parametrize("address", ["my-corp/ubuntu/1.0.3", "corp/ubuntu/latest", "corp/a~b/1.0.3"])
def test_an_ambiguous_name_is_refused(address: str) -> None:
    with pytest.raises(ProviderError, match="is ambiguous as the name of a volume"):
        choose_name(Address.parse(address), "os", DAY, ())
