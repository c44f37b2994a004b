"""Rows in the binary format of COPY arrive as they were."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from persistence import store
from persistence.copying import UUID_SIZE, Piece, encoded_rows, int2, int8, text, timestamptz, uuid

pytestmark = pytest.mark.usefixtures("connected")

CREATE = """
CREATE TEMPORARY TABLE copied (
    id uuid, owner uuid, text text, small int2, large int8, at timestamptz
) ON COMMIT DROP
"""
TEXTS = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=300)
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    first=st.integers(0, 2**127),
    owner=st.uuids(),
    texts=st.lists(TEXTS, min_size=1, max_size=20),
    small=st.integers(-(2**15), 2**15 - 1),
    large=st.integers(-(2**63), 2**63 - 1),
    at=st.none() | TIMES,
)
async def test_rows_arrive_as_they_were(
    first: int, owner: UUID, texts: list[str | None], small: int, large: int, at: datetime | None
) -> None:
    ids = [UUID(int=first + each) for each in range(len(texts))]
    pieces: list[Piece] = [
        UUID_SIZE,
        [each.bytes for each in ids],
        uuid(owner),
        map(text, texts),
        int2(small) + int8(large) + timestamptz(at),
    ]
    async with store.transaction() as tx:
        await tx.execute(CREATE)
        await tx.copy_to_table("copied", source=encoded_rows(6, pieces), format="binary")
        rows = await tx.fetch("SELECT * FROM copied ORDER BY id")
    assert [tuple(row) for row in rows] == [
        (each, owner, own, small, large, at) for each, own in zip(ids, texts, strict=True)
    ]


@pytest.mark.parametrize("count", [1, 1_999, 2_000, 2_001, 6_000])
async def test_any_number_of_rows_is_copied(count: int) -> None:
    async with store.transaction() as tx:
        await tx.execute("CREATE TEMPORARY TABLE numbers (number text, at timestamptz)")
        pieces: list[Piece] = [
            (text(str(each)) for each in range(count)),
            timestamptz(datetime.now(UTC)),
        ]
        await tx.copy_to_table("numbers", source=encoded_rows(2, pieces), format="binary")
        assert await tx.fetchval("SELECT count(DISTINCT number) FROM numbers") == count
        age = await tx.fetchval("SELECT max(now() - at) FROM numbers")
        assert abs(age) < timedelta(minutes=5)
        await tx.execute("DROP TABLE numbers")
