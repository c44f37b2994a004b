"""The servers that DATABASE_URL names."""

from __future__ import annotations

from uuid import uuid4

import pytest

from persistence.servers import credentials, reach
from persistence.types_of_postgresql import Connection


@pytest.mark.parametrize(
    ("url", "servers"),
    [
        ("postgresql://u:p@one/n", None),
        ("postgresql://u:p@one:1,two:2/n", [("one", 1), ("two", 2)]),
        ("postgresql://u:p@one,[::1]:2/n", [("one", 5432), ("::1", 2)]),
        ("postgresql://u@/n?host=/a,/b", [("/a", 5432), ("/b", 5432)]),
        ("postgresql://u@/n?host=/a,/b&port=1,2", [("/a", 1), ("/b", 2)]),
        ("postgresql://u@/n?host=/a,two:2&port=1", [("/a", 1), ("two", 2)]),
    ],
)
def test_an_address_may_name_several_servers(
    url: str, servers: list[tuple[str, int]] | None
) -> None:
    assert credentials(url).get("servers") == servers


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("postgresql://one/n", None),
        ("postgresql://one,two/n", "read-write"),
        ("postgresql://one,two/n?target_session_attrs=any", "any"),
        ("postgresql://one/n?target_session_attrs=standby", "standby"),
    ],
)
def test_of_several_servers_one_that_takes_writes_is_used(url: str, wanted: str | None) -> None:
    assert credentials(url).get("target_session_attrs") == wanted


def test_a_socket_and_a_quoted_password_are_read() -> None:
    known = credentials("postgresql://me:a%40b@/n?host=/folder&port=7&sslmode=disable")
    assert known == {
        "host": "/folder",
        "port": 7,
        "user": "me",
        "password": "a@b",
        "database": "n",
        "ssl": "disable",
    }


async def test_a_process_asks_once_what_the_types_of_postgresql_are(
    worker_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Connection, "_known", {})
    questions: list[int] = []
    for _ in range(3):
        requested: list[str] = []
        connection = await reach(**credentials(worker_database_url))
        connection.add_query_logger(
            lambda logged, requested=requested: requested.append(logged.query)
        )
        ids = [uuid4(), uuid4()]
        assert await connection.fetchval("SELECT $1::uuid[]", ids) == ids
        assert await connection.fetchval("SELECT ARRAY[$1::uuid]", ids[0]) == ids[:1]
        await connection.close()
        questions.append(sum("typeinfo" in each for each in requested))
    assert questions == [1, 0, 0]
