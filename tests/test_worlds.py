"""The data that tests make is valid."""

from __future__ import annotations

import phonenumbers

from tests import worlds


async def test_the_world_of_the_tests_passes_the_audit(database_url: str) -> None:
    async with worlds.connected(database_url):
        pool = await worlds.add_pool(held=500)
        group = await worlds.add_group(pool, held=50)
        client = await worlds.add_client(pool, group=group, held=100)
        school = await worlds.add_school(held=1_000, price=50)
        await worlds.accept(client)
        await worlds.accept(client, 20)
        await worlds.accept(client, texts=["one", "two"])
        await worlds.accept(school, 2)
        assert await worlds.held(client.account_id) == 100 - 23
        assert await worlds.held(school.account_id) == 900
        assert await worlds.statuses() == {"QUEUED": 25}
        await worlds.assert_audit_holds()


def test_generated_numbers_are_valid_and_unique() -> None:
    numbers = worlds.generated_numbers(3_000, skip=100_000)
    assert len(set(numbers)) == 3_000
    assert all(phonenumbers.is_valid_number(phonenumbers.parse(number)) for number in numbers)
