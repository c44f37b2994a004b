"""What a client that leaves a group leaves behind, and takes along."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.identity.tenants import departures
from domain.ports.directory import NodeVersions

POOL, OLD, NEW, LEAVER = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4)

Versions = tuple[int, int]
versions = st.tuples(st.integers(0, 1000), st.integers(0, 1000))


def figure(nodes: list[NodeVersions], *shown: UUID) -> int:
    """The version of a figure: of nodes, and of groups with all that stands under them."""
    return sum(
        node.version + node.departed_version
        for node in nodes
        if node.account_id in shown or node.parent_id in shown
    )


def tree(
    old: Versions, new: Versions, leaver: Versions, members: list[Versions]
) -> list[NodeVersions]:
    return [
        NodeVersions(OLD, POOL, POOL, *old),
        NodeVersions(NEW, POOL, POOL, *new),
        NodeVersions(LEAVER, OLD, POOL, *leaver),
        *(NodeVersions(UUID(int=100 + i), OLD, POOL, *each) for i, each in enumerate(members)),
    ]


def moved(nodes: list[NodeVersions], *, under: UUID) -> list[NodeVersions]:
    left = [each for each in nodes if OLD in (each.account_id, each.parent_id)]
    departed = departures(left, LEAVER, OLD)
    after = [
        replace(each, departed_version=departed.get(each.account_id, each.departed_version))
        for each in nodes
    ]
    return [replace(each, parent_id=under) if each.account_id == LEAVER else each for each in after]


@given(versions, versions, versions, st.lists(versions, max_size=4), st.sampled_from([NEW, POOL]))
def test_no_figures_version_falls_when_a_client_leaves_a_group(
    old: Versions, new: Versions, leaver: Versions, members: list[Versions], to: UUID
) -> None:
    before = tree(old, new, leaver, members)
    after = moved(before, under=to)
    assert figure(after, OLD) >= figure(before, OLD)
    assert figure(after, NEW) >= figure(before, NEW)
    assert figure(after, LEAVER) >= figure(before, LEAVER)
    everything = {each.account_id for each in before}
    assert figure(after, *everything) >= figure(before, *everything)
    # The client's own view shows it with the group that it is in.
    assert figure(after, LEAVER, NEW if to == NEW else LEAVER) >= figure(before, LEAVER, OLD)


@given(versions, versions)
def test_a_provider_account_of_its_own_leaves_nothing_in_a_group_that_never_held_it(
    group: Versions, owned: Versions
) -> None:
    nodes = [NodeVersions(OLD, POOL, POOL, *group), NodeVersions(LEAVER, None, LEAVER, *owned)]
    assert departures(nodes, LEAVER, OLD) == {LEAVER: owned[1] + sum(group)}
