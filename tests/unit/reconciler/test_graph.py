"""Order, cycles and edges, on graphs drawn in the docstrings."""

from __future__ import annotations

import random

import pytest
from support.worlds import inputs_of

from reconciler.errors import Cycle, ReferenceCycle
from reconciler.graph import Edge, OrderedGraph, check_references, resource_graph
from reconciler.manifests.address import Address


def graph_of(*pairs: str) -> OrderedGraph[str]:
    graph = OrderedGraph[str](lambda name: name)
    for pair in pairs:
        first, second = pair.split(">")
        graph.connect(first, second)
    return graph


def test_order_is_by_what_comes_first_then_by_name() -> None:
    """b -> a, c -> a, d"""
    graph = graph_of("b>a", "c>a")
    graph.add("d")
    assert graph.order() == ("b", "c", "a", "d")


def test_order_does_not_depend_on_the_order_of_insertion() -> None:
    """a -> b -> d, a -> c -> d, e -> d"""
    pairs = ["a>b", "b>d", "a>c", "c>d", "e>d"]
    orders = set()
    for seed in range(10):
        random.Random(seed).shuffle(pairs)
        orders.add(graph_of(*pairs).order())
    assert orders == {("a", "b", "c", "e", "d")}


def test_cycle_of_steps_is_a_bug() -> None:
    """a -> b -> a"""
    with pytest.raises(ValueError, match="This is a bug"):
        graph_of("a>b", "b>a").order()


def test_following_and_waiting() -> None:
    """a -> c, b -> c"""
    graph = graph_of("a>c", "b>c")
    assert graph.following("a") == ("c",)
    assert graph.waits_for("c") == 2
    assert "a" in graph
    assert len(graph) == 3


def test_resources_contain_and_refer() -> None:
    """corp -> ubuntu -> 1.0.0 -> @eastus, and 1.0.0 -> 2.0.0 by reference"""
    first, second = "corp/ubuntu/1.0.0", "corp/ubuntu/2.0.0"
    world = {"corp": {}, "corp/ubuntu": {}, first: {}, f"{first}@eastus": {}, second: {"source": {"version": first}}}
    edges = list(resource_graph(inputs_of(world, {}).manifest.resources).edges())
    assert [(str(a), str(b), edge) for a, b, edge in edges] == [
        ("corp", "corp/ubuntu", Edge.CONTAINS),
        ("corp/ubuntu", first, Edge.CONTAINS),
        ("corp/ubuntu", second, Edge.CONTAINS),
        (first, f"{first}@eastus", Edge.CONTAINS),
        (first, second, Edge.REFERS),
    ]


def test_a_cycle_names_every_member_from_the_smallest() -> None:
    """a/x/2 -> a/x/1 -> b/x/1 -> a/x/2"""
    one, two, other = Address("a", "x", "1.0.0"), Address("a", "x", "2.0.0"), Address("b", "x", "1.0.0")
    with pytest.raises(ReferenceCycle) as caught:
        check_references([(two, one), (one, other), (other, two)])
    assert caught.value.cycles == (Cycle((one, other, two)),)
    assert "a/x/1.0.0 -> b/x/1.0.0 -> a/x/2.0.0 -> a/x/1.0.0" in caught.value.message


def test_every_cycle_is_reported_with_all_its_members() -> None:
    """1 -> 2 -> 1, 3 -> 4 -> 5 -> 3, 4 -> 6 -> 4, 7 -> 7, and 2 -> 3 and 6 -> 8, which are in no cycle"""
    versions = {number: Address("a", "x", f"{number}.0.0") for number in range(1, 9)}
    edges = [(1, 2), (2, 1), (2, 3), (3, 4), (4, 5), (5, 3), (4, 6), (6, 4), (7, 7), (6, 8)]
    with pytest.raises(ReferenceCycle) as caught:
        check_references([(versions[first], versions[then]) for first, then in edges])
    assert [cycle.members for cycle in caught.value.cycles] == [
        tuple(versions[number] for number in numbers) for numbers in [(1, 2), (3, 4, 5, 6), (7,)]
    ]
    assert "\n  a/x/3.0.0 -> a/x/4.0.0 -> a/x/5.0.0 -> a/x/3.0.0, and with them a/x/6.0.0" in caught.value.message
    assert "\n  a/x/7.0.0 -> a/x/7.0.0" in caught.value.message


def test_what_comes_after_a_node() -> None:
    """a -> b -> d, a -> c -> d -> e, x -> e"""
    graph = graph_of("a>b", "b>d", "a>c", "c>d", "d>e", "x>e")
    assert graph.descendants("a") == ("b", "c", "d", "e")
    assert graph.descendants("c") == ("d", "e")
    assert graph.descendants("e") == ()


def test_no_references_need_no_graph() -> None:
    check_references([])
    check_references([(Address("a", "x", "1.0.0"), Address("a", "x", "2.0.0"))])
