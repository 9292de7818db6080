"""A program that was taken over tries to leave the jail: refused by every wall alone that claims to hold it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest
from unit.providers.image_files.jail.standing import LIMITS, SECRET, Place, answers, place

from reconciler.providers.image_files.jail import landlock
from reconciler.providers.image_files.jail.terms import Limits, Wall
from reconciler.providers.image_files.jail.walls import sentence, walls

ABI = landlock.abi()
TCP = {Wall.LANDLOCK} if ABI >= 4 else set()
SCOPES = {Wall.LANDLOCK} if ABI >= 6 else set()

REFUSED_BY: dict[str, set[Wall]] = {
    "read_file": {Wall.LANDLOCK},
    "list_folder": {Wall.LANDLOCK},
    "write_beside": {Wall.LANDLOCK},
    "write_source": {Wall.LANDLOCK},
    "rename_file": {Wall.LANDLOCK, Wall.SECCOMP},
    "connect_tcp": {Wall.SECCOMP, Wall.NAMESPACES} | TCP,
    "send_udp": {Wall.SECCOMP, Wall.NAMESPACES},
    "connect_abstract": {Wall.SECCOMP, Wall.NAMESPACES} | SCOPES,
    "connect_unix": {Wall.SECCOMP},
    "fork": {Wall.SECCOMP},
    "signal_parent": {Wall.SECCOMP} | SCOPES,
}
"""Attack -> the walls each of which refuses it. Without any of them it works, which shows that it is a real attack."""

ALWAYS = ["see_environment", "dump_core", "allocate", "open_many"]
COMBINATIONS = [
    set(Wall),
    *(set(Wall) - {wall} for wall in Wall),
    *({wall} for wall in Wall),
    set(),
]


def named(walls: Collection[Wall]) -> str:
    return "+".join(wall.value for wall in Wall if wall in walls) or "none"


@pytest.fixture
def around(tmp_path: Path) -> Iterator[Place]:
    with place(tmp_path) as found:
        yield found


@pytest.mark.parametrize("raised", COMBINATIONS, ids=named)
def test_each_wall_holds_without_the_others(around: Place, raised: set[Wall]) -> None:
    result = around.attack(*REFUSED_BY, *ALWAYS, walls=raised)

    assert result.code == 0, result
    assert result.standing <= raised
    told = answers(result)
    refused = {attack for attack, answer in told.items() if answer != "done"}
    assert refused == {attack for attack, by in REFUSED_BY.items() if by & result.standing} | set(ALWAYS), told
    assert (SECRET in result.output) == (Wall.LANDLOCK not in result.standing)
    assert (around.folder / "beside").exists() == (Wall.LANDLOCK not in result.standing)
    assert around.was_reached() == (Wall.SECCOMP not in result.standing)


def test_with_all_walls_nothing_gets_out(around: Place) -> None:
    result = around.attack(*REFUSED_BY, *ALWAYS, "trace_parent", "unshare_user", "open_ring", "remove_file")

    if result.standing >= {Wall.LANDLOCK, Wall.SECCOMP}:
        assert "done" not in answers(result).values()
    assert not around.was_reached()
    assert (around.folder / "image").read_text() == "an image"


def test_the_kernel_of_today_has_a_wall_of_each_kind_or_says_which_not() -> None:
    standing = walls()
    text = sentence(standing)

    for wall, words in {
        Wall.LANDLOCK: "no Landlock",
        Wall.SECCOMP: "no filter",
        Wall.NAMESPACES: "no network namespace",
    }.items():
        assert (words in text) == (wall not in standing)
    assert "limits of memory" in text
    assert (ABI > 0) == (Wall.LANDLOCK in standing)


@pytest.mark.parametrize("missing", Wall)
def test_the_sentence_says_what_is_missing(missing: Wall) -> None:
    standing = walls(set(Wall) - {missing})

    assert missing not in standing
    assert standing == walls() - {missing}
    assert sentence(standing) != sentence(standing | {missing})


@pytest.mark.parametrize(
    ("attack", "by"),
    [("execute_other", {Wall.LANDLOCK, Wall.SECCOMP}), ("execute_itself", {Wall.SECCOMP})],
)
@pytest.mark.parametrize("raised", COMBINATIONS, ids=named)
def test_no_other_program_is_started(around: Place, raised: set[Wall], attack: str, by: set[Wall]) -> None:
    result = around.attack(attack, "fork", walls=raised)

    if Wall.SECCOMP in result.standing:
        assert result.signal == "SIGSYS"
    elif by & result.standing:
        assert "denied" in answers(result)[attack]
    else:
        assert answers(result) == {}, "it became the other program"


def test_nothing_is_gained_by_being_root(around: Place) -> None:
    """Root's process may not be traced or looked into by its own child, even without a wall."""
    result = around.attack("trace_parent", walls=())

    if os.geteuid() == 0:
        assert "not permitted" in answers(result)["trace_parent"]


def test_threads_are_counted_where_users_are_not_root(around: Place) -> None:
    limits = Limits(LIMITS.memory * 4, LIMITS.processor_s, LIMITS.file_size, LIMITS.time_s, threads=20)
    result = around.attack("start_threads", limits=limits, threads=30)

    counted = os.geteuid() != 0 and Wall.NAMESPACES in result.standing
    assert (answers(result)["start_threads"] == "done") != counted
