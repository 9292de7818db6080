"""Moves rename the state as a whole, before anything is planned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

import pytest

from reconciler.manifests.address import Address
from reconciler.manifests.manifest import Move
from reconciler.manifests.resource import Origin
from reconciler.manifests.values import canonical_json
from reconciler.naming.moves import Moves, plan_moves, touched, write_of
from reconciler.naming.object_names import ObjectNames
from reconciler.state.records import Intent, Record, State

BASE = ("corp", "corp/web", "corp/web/1.0.0", "corp/web/1.0.0@eastus")


def record(address: str, named: str = "", **attributes: object) -> Record:
    parsed = Address.parse(address)
    return Record(
        parsed,
        "default",
        f"id:{named or address}",
        canonical_json(attributes),
        "digest",
        "print",
        dependencies=(parsed.parent,) if parsed.parent else (),
        named=Address.parse(named) if named else None,
    )


def state_of(*records: Record, intents: tuple[Intent, ...] = ()) -> State:
    return State("lineage-1", 7, "test", {r.address: r for r in records}, {i.address: i for i in intents})


def moves(pairs: Mapping[str, str]) -> list[Move]:
    return [Move(Address.parse(a), Address.parse(b), Origin("m.yaml", 1)) for a, b in pairs.items()]


def move(state: State, pairs: Mapping[str, str]) -> tuple[State, Moves]:
    return plan_moves(state, moves(pairs))


def names(state: State) -> dict[str, str]:
    """Address -> the name of its object."""
    return {str(address): str(record.named or address) for address, record in state.records.items()}


def test_a_renamed_record_keeps_the_name_of_its_object() -> None:
    after, _ = move(state_of(*map(record, BASE)), {"corp/web": "corp/front"})
    assert names(after) == {
        "corp": "corp",
        "corp/front": "corp/web",
        "corp/front/1.0.0": "corp/web/1.0.0",
        "corp/front/1.0.0@eastus": "corp/web/1.0.0@eastus",
    }
    again, _ = move(after, {"corp/front": "corp/site"})
    assert names(again)["corp/site"] == "corp/web"
    back, _ = move(again, {"corp/site": "corp/web"})
    assert back == state_of(*map(record, BASE))


@pytest.mark.parametrize(
    "pairs",
    [
        {"corp": "team", "corp/web": "team/front"},
        {"corp/web": "team/front", "corp": "team"},
        {"corp": "team", "team/web": "team/front"},
        {"team/web": "team/front", "corp": "team"},
    ],
)
def test_a_gallery_and_a_definition_in_it_are_renamed_together(pairs: Mapping[str, str]) -> None:
    after, done = move(state_of(*map(record, BASE)), pairs)
    assert not done.refused
    assert names(after)["team/front/1.0.0"] == "corp/web/1.0.0"
    assert ObjectNames.of(after).name(Address.parse("team/front/2.0.0")) == Address.parse("corp/web/2.0.0")


def test_what_was_built_from_a_renamed_version_says_so() -> None:
    disks = {"0": {"source": {"version": "corp/web/1.0.0"}}, "1": {"source": {"file": "data.raw"}}, "2": {}}
    child = record("labs/app/1.0.0", source={"version": "corp/web/1.0.0"}, dataDisks=disks)
    state = state_of(*map(record, BASE), record("labs"), record("labs/app"), child)
    after, done = move(state, {"corp/web": "corp/front"})
    found = after.records[child.address].attributes
    assert found["source"] == {"version": "corp/front/1.0.0"}
    assert found["dataDisks"] == {**disks, "0": {"source": {"version": "corp/front/1.0.0"}}}
    assert done.rewritten == {child.address}
    assert touched(state, done.renames) == {"corp", "labs"}


def test_dependencies_follow() -> None:
    child = record("labs/app/1.0.0")
    dependent = Record(child.address, "default", "id", "{}", "d", "f", dependencies=(Address.parse("corp/web/1.0.0"),))
    after, _ = move(state_of(*map(record, BASE), dependent), {"corp": "team"})
    assert after.records[child.address].dependencies == (Address.parse("team/web/1.0.0"),)


def test_the_journal_moves_too() -> None:
    """What was being created keeps the name it was begun under, although it has no record yet."""
    version = Address.parse("corp/web/1.0.0")
    begun = Intent(version, version, "default", "create", '{"source":{"version":"corp/web/0.9.0"}}', "d", "r", "t")
    state = state_of(record("corp"), record("corp/web"), record("corp/web/0.9.0"), intents=(begun,))
    after, done = move(state, {"corp/web": "corp/front"})
    (intent,) = after.intents.values()
    assert (str(intent.address), str(intent.unit), intent.named) == ("corp/front/1.0.0", "corp/front/1.0.0", version)
    assert json.loads(intent.canonical) == {"source": {"version": "corp/front/0.9.0"}}
    assert done.renames[version] == intent.address
    assert ObjectNames.of(after).name(intent.address) == version


def test_the_write_makes_the_state_the_renamed_one() -> None:
    begun = Intent(Address.parse("corp/web/2.0.0"), Address.parse("corp/web/2.0.0"), "p", "create", "{}", "", "r", "")
    state = state_of(*map(record, BASE), record("labs"), intents=(begun,))
    after, done = move(state, {"corp/web": "corp/front", "corp": "team"})
    write = write_of(state, done.renames)
    records = dict(state.records)
    for address in write.forget:
        del records[address]
    records |= {each.address: each for each in write.put_records}
    assert records == dict(after.records)
    assert write.clear_intents == (begun.address,)
    assert Address.parse("labs") not in {each.address for each in write.put_records}


def test_two_definitions_change_names() -> None:
    """By way of `state mv`: documents cannot say it."""
    state = state_of(record("corp"), record("corp/a"), record("corp/b"))
    renames = MappingProxyType({Address("corp", "a"): Address("corp", "b"), Address("corp", "b"): Address("corp", "a")})
    write = write_of(state, renames)
    assert {str(each.address): str(each.named) for each in write.put_records} == {
        "corp/a": "corp/b",
        "corp/b": "corp/a",
    }
    assert write.forget == ()


def test_a_move_that_was_made_does_nothing() -> None:
    after, _ = move(state_of(*map(record, BASE)), {"corp/web": "corp/front"})
    again, done = move(after, {"corp/web": "corp/front"})
    assert again is after
    assert done == Moves()


@pytest.mark.parametrize(
    ("pairs", "says"),
    [
        ({"corp/web": "corp/other"}, "corp/other is recorded already, and is another object than corp/web"),
        ({"corp/web": "labs/web"}, "corp/web cannot become labs/web: its object stays in the gallery that it is in"),
        ({"corp": "labs"}, "labs is recorded already"),
        ({"corp/web": "none/web"}, "its object stays in the gallery"),
        ({"corp": "team", "corp/web": "labs/web"}, "its object stays in the gallery"),
    ],
)
def test_moves_that_cannot_be_made(pairs: Mapping[str, str], says: str) -> None:
    state = state_of(*map(record, BASE), record("corp/other"), record("labs"))
    after, done = move(state, pairs)
    assert after is state
    assert not done.renames
    assert any(says in refused.why for refused in done.refused)
    assert all(refused.remedy for refused in done.refused)
