"""The versions of figures when clients move between groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.identity.clients import departures
from domain.identity.ports import Node

POOL, ONE, TWO, LONER = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=9)
MEMBERS = [UUID(int=100 + i) for i in range(3)]

# The member that moves, and its new parent: a group, or the pool.
moves = st.lists(
    st.tuples(st.sampled_from(MEMBERS), st.sampled_from([ONE, TWO, POOL])), min_size=1, max_size=60
)
versions = st.lists(st.integers(0, 1000), min_size=7, max_size=7)


def figure(nodes: Sequence[Node], group_id: UUID) -> int:
    return sum(
        each.version + each.departed_version
        for each in nodes
        if group_id in (each.account_id, each.parent_id)
    )


def figures(nodes: Sequence[Node]) -> dict[UUID, int]:
    """The figure that each reader sees: a supervisor its group, an admin everything."""
    seen = {group: figure(nodes, group) for group in (ONE, TWO)}
    for node in nodes:
        if node.account_id in (*MEMBERS, LONER):
            own = node.version + node.departed_version
            seen[node.account_id] = own if node.parent_id == POOL else seen[node.parent_id or POOL]
    return seen | {POOL: sum(each.version + each.departed_version for each in nodes)}


def tree(start: Sequence[int]) -> list[Node]:
    places = [(POOL, None), (ONE, POOL), (TWO, POOL), (LONER, POOL)]
    places += [(MEMBERS[0], ONE), (MEMBERS[1], ONE), (MEMBERS[2], TWO)]
    return [
        Node(node, parent, POOL, version, 0)
        for (node, parent), version in zip(places, start, strict=True)
    ]


def moved(nodes: list[Node], mover_id: UUID, to: UUID) -> list[Node]:
    home = next(each.parent_id for each in nodes if each.account_id == mover_id)
    departed = departures(
        nodes,
        mover_id,
        left_id=home if home != POOL else None,
        joined_id=to if to != POOL else None,
        pool_id=POOL,
    )
    return [
        replace(
            each,
            parent_id=to if each.account_id == mover_id else each.parent_id,
            departed_version=departed.get(each.account_id, each.departed_version),
        )
        for each in nodes
    ]


@given(versions, moves)
def test_no_version_decreases_when_clients_move(
    start: list[int], journey: list[tuple[UUID, UUID]]
) -> None:
    nodes = tree(start)
    for mover_id, to in journey:
        home = next(each.parent_id for each in nodes if each.account_id == mover_id)
        if to == home:
            continue
        before, nodes = figures(nodes), moved(nodes, mover_id, to)
        after = figures(nodes)
        assert all(after[each] >= before[each] for each in before)
        # Their balances have changed, and the client that moved sees another group.
        changed = {mover_id, POOL} | ({home, to} - {POOL})
        assert all(after[each] > before[each] for each in changed if each is not None)


@given(versions, moves)
def test_a_move_adds_at_most_one_to_the_largest_version(
    start: list[int], journey: list[tuple[UUID, UUID]]
) -> None:
    nodes = tree(start)
    largest = max(figures(nodes).values())
    for mover_id, to in journey:
        if any(each.account_id == mover_id and each.parent_id == to for each in nodes):
            continue
        nodes, largest = moved(nodes, mover_id, to), largest + 1
    assert max(figures(nodes).values()) <= largest


@given(*[st.integers(0, 1000)] * 4)
def test_a_move_of_a_client_with_its_own_provider_account_changes_no_group(
    one: int, two: int, owned: int, pool: int
) -> None:
    nodes = [
        Node(POOL, None, POOL, pool, 0),
        Node(ONE, POOL, POOL, one, 0),
        Node(TWO, POOL, POOL, two, 0),
        Node(LONER, None, LONER, owned, 7),
    ]
    out = departures(nodes, LONER, left_id=ONE, joined_id=None, pool_id=POOL)
    assert out == {LONER: 7 + one}
    across = departures(nodes, LONER, left_id=ONE, joined_id=TWO, pool_id=POOL)
    assert across == {LONER: 7 + max(one - two, 0)}
