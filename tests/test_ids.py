"""Ids are opaque, typed, sortable, and have one spelling."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import ids
from domain.errors import NotFound
from domain.ids import Kind, new_id

uuids = st.uuids()
kinds = st.sampled_from(Kind)


@given(kinds, uuids)
def test_an_id_is_read_back(kind: Kind, key: UUID) -> None:
    assert ids.decode(kind, ids.encode(kind, key)) == key


@given(uuids, uuids)
def test_ids_sort_like_their_uuids(one: UUID, other: UUID) -> None:
    assert (one < other) == (ids.to_base32(one) < ids.to_base32(other))


@given(st.text(max_size=40))
def test_an_id_is_read_in_one_spelling_only(text: str) -> None:
    key = ids.find(Kind.SEND, text)
    assert key is None or ids.encode(Kind.SEND, key) == text


def test_the_ends_of_the_range_are_read() -> None:
    for key in (UUID(int=0), UUID(int=2**128 - 1)):
        assert ids.from_base32(ids.to_base32(key)) == key


@pytest.mark.parametrize(
    "spoil",
    [
        lambda id: id.upper(),
        lambda id: id.replace("snd_", "msg_"),
        lambda id: id.replace("snd_", "snd"),
        lambda id: id.replace("snd_", ""),
        lambda id: id + "0",
        lambda id: id[:-1],
        lambda id: id + "\0",
        lambda id: f" {id}",
        lambda id: f"{id}\n",
        lambda id: id[:-1] + "o",
        lambda id: id[:-1] + "\ud800",
        lambda id: id[:-1] + "٣",
        lambda id: "snd_" + "z" * 26,
        lambda id: str(new_id()),
        lambda id: "",
    ],
)
def test_anything_else_is_not_found(spoil: object) -> None:
    assert callable(spoil)
    spoiled = spoil(ids.encode(Kind.SEND, new_id()))
    with pytest.raises(NotFound, match=r"No such send\."):
        ids.decode(Kind.SEND, spoiled)


def test_each_prefix_is_of_one_kind() -> None:
    prefixes = [kind.value for kind in Kind]
    assert len(set(prefixes)) == len(prefixes)
    assert all(prefix.isalpha() and len(prefix) == 3 for prefix in prefixes)


def test_each_kind_has_a_name_in_words() -> None:
    assert Kind.PROVIDER_ACCOUNT.word == "provider account"
