"""A plan as people see it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from support.worlds import inputs_of

from reconciler.latest import LatestChange
from reconciler.manifests.address import Address
from reconciler.manifests.diagnostics import Position, error, warning
from reconciler.planning.actions import Action, AttributeChange, Cause, Reason, ResourceChange
from reconciler.planning.plan import Plan, PlanOptions
from reconciler.planning.planner import make_plan
from reconciler.planning.sources import SourceCheck, SourceStatus
from reconciler.providers.content_digest import ContentDigest
from reconciler.providers.protocol import SourceFacts
from reconciler.views.terminal.lines import text_of
from reconciler.views.text.heading import Heading, heading_line
from reconciler.views.text.plan import plan_lines
from reconciler.views.text.plan_rows import MOST_ROWS

V1, V2 = "corp/ubuntu/1.0.0", "corp/ubuntu/2.0.0"
WORLD: dict[str, dict[str, Any]] = {"corp": {}, "corp/ubuntu": {}, V1: {}, f"{V1}@eastus": {}, f"{V1}@westus": {}}
HEADING = Heading("default", {"default": "local"}, 7, 1)


def shown(plan: Plan, *, width: int = 110, verbose: bool = False) -> list[str]:
    return [text_of(line) for line in plan_lines(plan, HEADING, width, verbose=verbose)]


def empty(**values: Any) -> Plan:
    return replace(Plan((), 0, (), "lineage-1", 7, "m", PlanOptions()), **values)


def test_no_changes_is_one_line() -> None:
    assert shown(make_plan(inputs_of(WORLD, WORLD))) == [
        "No changes. 5 objects match the manifests (environment default).",
    ]


def test_everything_new() -> None:
    world = {**WORLD, f"{V1}@eastus": {"replicas": 2}}
    assert shown(make_plan(inputs_of(world, {}, {}))) == [
        "environment default · provider local · 1 gallery · state serial 7",
        "",
        " + create   corp               eastus",
        " + create   corp/ubuntu        Linux Generalized V2 x64",
        " + create   corp/ubuntu/1.0.0  @eastus x2  @westus  3 copies, 1.5 KiB",
        "",
        "   latest   corp/ubuntu  eastus, westus none -> 1.0.0",
        "",
        " 5 create · 0 unchanged · 1.5 KiB to copy",
    ]


def test_a_new_version_shows_the_content_that_it_publishes() -> None:
    digest = "0123456789abcdef" * 4
    check = SourceCheck(SourceStatus.NEW, SourceFacts(512, 512, "raw", "id-1"), digest=ContentDigest(plain=digest))
    plan = make_plan(inputs_of(WORLD, {}, {}, sources={V1: {"os": check}}))
    rows = [" ".join(text.split()) for text in shown(plan)]
    assert "sha256 0123456789abcdef… images/a.raw" in rows
    assert any(digest in text for text in shown(plan, verbose=True))
    unread = SourceCheck(SourceStatus.NEW, SourceFacts(512, 512, "disk", "id-1"), identity="/disks/os etag=7")
    plan = make_plan(inputs_of(WORLD, {}, {}, sources={V1: {"os": unread}}))
    assert any("/disks/os etag=7" in text for text in shown(plan))


def test_an_update_of_a_region_has_its_own_row() -> None:
    """It does not follow from the update of what it is in: each says what becomes what."""
    changed: dict[str, Any] = {
        "corp": {"tags": {"team": "images"}},
        V1: {"excludeFromLatest": True},
        f"{V1}@eastus": {"replicas": 2},
    }
    lines = shown(make_plan(inputs_of({**WORLD, **changed}, WORLD)))
    assert [" ".join(text.split()) for text in lines if text.startswith(" ~ update")] == [
        "~ update corp tags + team=images",
        "~ update corp/ubuntu/1.0.0 excludeFromLatest false -> true",
        "~ update corp/ubuntu/1.0.0@eastus replicas 1 -> 2 1 copy, 512 B",
    ]


def test_danger_comes_first() -> None:
    """A published version's source changes, one is removed, one excluded from latest, one is new."""
    recorded = {**WORLD, V2: {}, f"{V2}@eastus": {}}
    desired: dict[str, Any] = {
        "corp": {"tags": {"team": "images"}},
        "corp/ubuntu": {},
        V1: {"hostCaching": "None"},
        f"{V1}@eastus": {"excludeFromLatest": True},
        f"{V1}@westus": {},
        "corp/ubuntu/3.0.0": {},
        "corp/ubuntu/3.0.0@eastus": {},
    }
    lines = shown(make_plan(inputs_of(desired, recorded, options=PlanOptions(allow_loss=(V2,)))))
    labels = [text.split()[1] for text in lines if text[:3].strip() in {"!", "±", "-", "~", "+"} and text[1] != " "]
    order = ["blocked", "replace", "delete", "update", "create", "latest"]
    assert labels == sorted(labels, key=order.index)
    assert {"blocked", "delete", "update", "create"} <= set(labels)
    assert any("hostCaching  (not set) -> None" in text for text in lines)
    assert any("--allow-replace corp/ubuntu/1.0.0" in text for text in lines)
    assert any(text.endswith("removed from the manifests, with 1 region, 1 copy") for text in lines)


def test_a_change_of_a_field_names_its_place() -> None:
    change = ResourceChange(
        Address.parse(V1),
        Action.UPDATE,
        Reason.ATTRIBUTES,
        "default",
        changes=(
            AttributeChange("excludeFromLatest", False, True, True, "", Position("manifests/u.yaml", 40, 3)),
            AttributeChange("tags.a", "one", None, True),
        ),
    )
    assert shown(empty(changes=(change,)))[2:4] == [
        " ~ update   corp/ubuntu/1.0.0  excludeFromLatest  false -> true  manifests/u.yaml:40",
        "                               tags.a             one -> (not set)",
    ]


def test_what_a_deleted_container_holds_is_counted() -> None:
    lines = shown(make_plan(inputs_of({}, WORLD, options=PlanOptions(destroy=True))))
    assert lines[2] == " - delete   corp  with 1 definition, 1 version, 2 regions, 2 copies"
    assert lines[-1] == " 5 delete · 0 unchanged"


def test_latest_that_moves_back_stands_out_and_comes_first() -> None:
    latest = (
        LatestChange(Address("corp", "a"), "eastus", "1.0.0", "1.0.1"),
        LatestChange(Address("corp", "b"), "eastus", "1.0.10", "1.0.9"),
        LatestChange(Address("corp", "b"), "westus", "1.0.10", None),
    )
    change = ResourceChange(Address("corp"), Action.CREATE, Reason.NEW, "default")
    lines = shown(empty(changes=(change,), latest=latest))
    assert lines[4:6] == [
        " ! latest   corp/b  eastus 1.0.10 -> 1.0.9 · westus 1.0.10 -> none  moves back",
        "   latest   corp/a  eastus 1.0.0 -> 1.0.1",
    ]


def test_a_cause_is_named() -> None:
    cause = Cause(Address("base", "u", "1.0.0"), Action.REPLACE, Reason.TAINTED)
    change = ResourceChange(Address.parse(V1), Action.REPLACE, Reason.CONTAINER, "default", causes=(cause,))
    assert any("because of replace base/u/1.0.0: tainted" in text for text in shown(empty(changes=(change,))))


def test_errors_and_warnings_show_place_line_and_caret() -> None:
    fault = error(
        "endOfLifeDate has passed",
        "set a date in the future",
        address=Address.parse(V1),
        position=Position("manifests/u.yaml", 12, 18),
        line="  endOfLifeDate: 2001-01-01",
    )
    lines = shown(empty(errors=(fault,), warnings=(warning("ends soon"),)))
    assert lines[0] == "warning: ends soon"
    at = lines.index("error: endOfLifeDate has passed")
    assert lines[at + 1 : at + 5] == [
        "  at manifests/u.yaml:12:18 corp/ubuntu/1.0.0",
        "    | endOfLifeDate: 2001-01-01",
        "    |                ^",
        "    set a date in the future",
    ]
    assert lines[-1] == " 1 error · 0 unchanged"


def test_what_is_unknown_is_grouped_by_reason() -> None:
    why = "the directory of region westus is not there"
    unreachable = tuple((Address("corp", "u", "1.0.0", f"r{number}"), why) for number in range(40))
    lines = shown(empty(unreachable=unreachable))
    assert lines[2] == f" ? unknown  corp/u/1.0.0@r0 and 39 more  {why}"
    assert lines[-1] == " 40 unknown · 0 unchanged"


def many_creations(galleries: int, versions: int) -> tuple[ResourceChange, ...]:
    addresses = [
        Address(f"g{gallery:02}", "d", f"1.0.{version}") for gallery in range(galleries) for version in range(versions)
    ]
    return tuple(ResourceChange(address, Action.CREATE, Reason.NEW, "default") for address in addresses)


def test_very_many_rows_are_grouped_by_gallery() -> None:
    plan = empty(changes=many_creations(5, 600))
    lines = shown(plan)
    assert lines[2] == " + create   g00/…  600 versions"
    assert len(lines) < 12
    assert len(shown(plan, verbose=True)) > 3000


def test_one_gallery_is_grouped_by_definition() -> None:
    assert shown(empty(changes=many_creations(1, 600)))[2] == " + create   g00/d/…  600 versions"


def test_very_many_groups_are_counted() -> None:
    lines = shown(empty(changes=many_creations(100, 2)))
    assert any(f"… and {100 - MOST_ROWS} more galleries (-v shows all)" in text for text in lines)


def test_updates_in_a_group_say_which_fields() -> None:
    item = AttributeChange("tags.owner", "a", "b", True)
    changes = tuple(
        ResourceChange(Address(gallery, f"d{number}"), Action.UPDATE, Reason.ATTRIBUTES, "default", changes=(item,))
        for gallery in ("g1", "g2")
        for number in range(20)
    )
    lines = shown(empty(changes=changes))
    assert lines[2:4] == [" ~ update   g1/…  20 definitions", "                  tags.owner (20)"]


def test_several_providers_are_named() -> None:
    heading = Heading("prod", {"default": "local", "lab": "libvirt"}, 3, 2)
    assert text_of(heading_line(heading)) == (
        "environment prod · providers local, libvirt (lab) · 2 galleries · state serial 3"
    )


def test_a_narrow_terminal_is_readable() -> None:
    for text in shown(make_plan(inputs_of(WORLD, {}, {})), width=40)[1:-1]:
        assert len(text) <= 40


def test_copies_of_unknown_size_are_still_counted() -> None:
    change = ResourceChange(Address.parse(f"{V1}@eastus"), Action.CREATE, Reason.NEW, "default", copies=2)
    assert shown(empty(changes=(change,)))[2].split("  ")[-1] == "2 copies"
