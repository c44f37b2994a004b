"""Lists over the Twilio-compatible API: pages, filters, accounts, and wrong paths."""

from __future__ import annotations

from typing import Any

from domain.ids import SidKind, find_sid, new_id, sid_of
from tests import db
from tests.inbox import post as inbound
from tests.twilio.conftest import PREFIX, Web, account_of, assign, captured, failure

PAGE_KEYS = {
    *("end", "first_page_uri", "last_page_uri", "messages", "next_page_uri", "num_pages", "page"),
    *("page_size", "previous_page_uri", "start", "total", "uri"),
}
OTHER_NUMBER = "+12025550112"


def number(last: int) -> str:
    return f"+1202555{last:04}"


async def page_at(web: Web, uri: str) -> dict[str, Any]:
    """The page at an address that a page has given."""
    assert uri.startswith(f"{PREFIX}/Accounts/{web.account}/Messages.json?")
    answer = await web.http.get(uri, headers={"authorization": "Bearer owner"})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_pages_follow_each_other_in_both_directions(web: Web) -> None:
    made = [(await web.created(Body=f"{each}"))["sid"] for each in range(5)]
    page = (await web.call("GET", "/Messages.json", params={"PageSize": "2"})).json()
    assert page.keys() == PAGE_KEYS
    assert (page["start"], page["end"], page["previous_page_uri"]) == (0, 1, None)
    pages = [page]
    while page["next_page_uri"]:
        page = await page_at(web, page["next_page_uri"])
        pages.append(page)
    seen = [[each["sid"] for each in page["messages"]] for page in pages]
    assert seen == [made[4:2:-1], made[2:0:-1], made[:1]]
    assert [each["page"] for each in pages] == [0, 1, 2]
    back = await page_at(web, pages[2]["previous_page_uri"])
    assert back["messages"] == pages[1]["messages"]
    first = await page_at(web, back["previous_page_uri"])
    assert (first["messages"], first["previous_page_uri"]) == (pages[0]["messages"], None)
    assert (await page_at(web, pages[2]["first_page_uri"]))["messages"] == pages[0]["messages"]


async def test_a_page_size_of_any_number_is_clamped(web: Web) -> None:
    for given, size in {
        "0": 1,
        "-5": 1,
        "1": 1,
        "007": 7,
        "1000": 1000,
        "1001": 1000,
        "1000000000": 1000,
        "9" * 5000: 1000,
        "-" + "9" * 50: 1,
    }.items():
        answer = await web.call("GET", "/Messages.json", params={"PageSize": given})
        assert answer.json()["page_size"] == size
    answer = await web.call("GET", "/Messages.json")
    assert answer.json()["page_size"] == 50
    for wrong in ("abc", "1.5", "1e3", "٣"):
        failure(await web.call("GET", "/Messages.json", params={"PageSize": wrong}), 400, 20001)


async def test_a_changed_page_token_is_refused_or_stays_in_the_account(web: Web) -> None:
    await web.created()
    own = "PASM" + new_id().hex
    wrong = ("x", own[:-1], own + "0", own.upper(), "PC" + own[2:], "PA" + web.account, "PASM\x00")
    for token in wrong:
        query = {"PageToken": token, "Page": "1"}
        failure(await web.call("GET", "/Messages.json", params=query), 400, 20001)
    failure(await web.call("GET", "/Messages.json", params={"Page": "3"}), 400, 20001)
    # The token of another tenant's message is only a place in the order of time.
    theirs = await web.call("GET", "/Messages.json", params={"PageToken": own}, who="owner")
    assert len(theirs.json()["messages"]) == 1
    # Nothing precedes the newest message. The page after the oldest one is empty too.
    for token in ("PBSM" + "f" * 32, "PASM" + "0" * 32):
        answer = await web.call("GET", "/Messages.json", params={"PageToken": token})
        page = answer.json()
        neighbours = page["next_page_uri"], page["previous_page_uri"]
        assert (page["messages"], neighbours) == ([], (None, None))


async def test_filters_find_messages_by_both_numbers(web: Web) -> None:
    await web.created(To=number(101), Body="out 1")
    await web.created(To=number(102), Body="out 2")
    await assign(web, inbound.OUR_NUMBER)
    await inbound.received(inbound.inbound("in", receiver=inbound.OUR_NUMBER))
    await captured()

    async def found(**query: str) -> list[str]:
        return [each["body"] for each in await web.listed(**query)]

    our, phone = inbound.OUR_NUMBER, inbound.PHONE
    assert await found() == ["in", "out 2", "out 1"]
    assert await found(To=number(101)) == ["out 1"]
    assert await found(To="2025550101") == ["out 1"]
    assert await found(To=our) == ["in"]
    assert await found(From=our) == ["out 2", "out 1"]
    assert await found(From=phone) == ["in"]
    assert await found(From=phone, To=our) == ["in"]
    assert await found(From=our, To=number(102)) == ["out 2"]
    nothing: list[dict[str, str]] = [
        {"From": phone, "To": number(101)},
        {"From": our, "To": our},
        {"To": "nobody"},
        {"From": "\x00"},
    ]
    for query in nothing:
        assert await found(**query) == []
    await assign(web, OTHER_NUMBER)
    assert await found(To=our) == ["in"]
    assert await found(To=OTHER_NUMBER) == []
    assert await found(From=our) == []  # which of the two numbers they left from is not known
    [received] = await web.listed(To=our)
    assert received["to"] == our


async def test_the_number_of_an_operators_line_is_not_shown(web: Web) -> None:
    await assign(web, inbound.OUR_NUMBER)
    await inbound.received(inbound.inbound("in", receiver=inbound.OUR_NUMBER))
    await db.execute("UPDATE inbound SET receiver = $1", OTHER_NUMBER)
    [received] = await web.listed()
    assert received["to"] == inbound.OUR_NUMBER


async def test_dates_are_compared_in_utc(web: Web) -> None:
    for hour, body in ((0, "midnight"), (12, "noon"), (23, "evening")):
        message = await web.created(Body=body)
        at = f"2026-03-04T{hour:02}:00:00.5Z"
        key = await _id_at(at)
        await db.execute(
            "UPDATE message SET created_at = $2::text::timestamptz, id = $3 WHERE id = $1",
            message["sid"][2:],
            at,
            key,
        )

    async def found(query: dict[str, str]) -> list[str]:
        return [each["body"] for each in await web.listed(**query)]

    everything = ["evening", "noon", "midnight"]
    for query, bodies in [
        ({"DateSent": "2026-03-04"}, everything),
        ({"DateSent": "2026-03-04T12:00:00Z"}, everything),
        ({"DateSent": "2026-03-05"}, []),
        ({"DateSent>": "2026-03-04T12:00:00Z"}, ["evening", "noon"]),
        ({"DateSent<": "2026-03-04T12:00:00Z"}, ["noon", "midnight"]),
        ({"DateSent>": "2026-03-04T13:00:00+01:00"}, ["evening", "noon"]),
        ({"DateSent>": "2026-03-04T13:00:00 01:00"}, ["evening", "noon"]),  # a + was not encoded
        ({"DateSent<": "2026-03-04"}, ["midnight"]),
        ({"DateSent>": "2026-03-04", "DateSent<": "2026-03-04T13:00:00Z"}, everything[1:]),
        ({"DateSent>": "2026-03-05", "DateSent<": "2026-03-04"}, []),
        ({"DateSent<": "9999-12-31T23:59:59Z"}, everything),
        ({"DateSent": "9999-12-31"}, []),
        ({"DateSent": "0001-01-01"}, []),
    ]:
        assert await found(query) == bodies, query
    for wrong in ("yesterday", "2026-02-30", "2026-3-4", "0001-01-01T00:00:00+14:00", "1" * 50):
        query = {"DateSent": wrong}
        failure(await web.call("GET", "/Messages.json", params=query), 400, 20001)


async def _id_at(moment: str) -> str:
    """A new ID of that time."""
    rows = await db.fetch(
        "SELECT lpad(to_hex((extract(epoch FROM $1::text::timestamptz) * 1000)::int8), 12, '0')"
        " || substr(replace(gen_random_uuid()::text, '-', ''), 13) AS id",
        moment,
    )
    return str(rows[0]["id"])


async def test_accounts_and_the_balance_are_those_of_the_credential(web: Web) -> None:
    answer = await web.http.get(
        f"{PREFIX}/Accounts.json", headers={"authorization": "Bearer owner"}
    )
    [account] = answer.json()["accounts"]
    assert (account["sid"], account["status"]) == (web.account, "active")
    assert (await web.call("GET", ".json")).json() == account
    balance = (await web.call("GET", "/Balance.json")).json()
    assert balance == {"account_sid": web.account, "balance": "100", "currency": "credits"}
    for query in ({"Status": "closed"}, {"FriendlyName": "Nobody"}, {"Page": "1"}):
        answer = await web.http.get(
            f"{PREFIX}/Accounts.json", params=query, headers={"authorization": "Bearer owner"}
        )
        assert answer.json()["accounts"] == []


async def test_the_account_of_another_client_is_an_unknown_one(web: Web) -> None:
    unknown = sid_of(SidKind.ACCOUNT, new_id())
    for path in (".json", "/Balance.json", "/Messages.json", "/Messages/SM0.json"):
        answers = [
            await web.http.get(
                f"{PREFIX}/Accounts/{sid}{path}", headers={"authorization": "Bearer owner"}
            )
            for sid in (account_of(web.app.sibling), unknown, "ACx", web.account.lower())
        ]
        failure(answers[0], 404, 20404)
        assert {each.content for each in answers} == {answers[0].content}


async def test_basic_credentials_need_the_sid_of_their_own_account_or_key(web: Web) -> None:
    owner = web.app.owner.actor
    known = [web.account, sid_of(SidKind.KEY, owner.credential_id)]
    wrong = [account_of(web.app.sibling), sid_of(SidKind.KEY, new_id()), "", web.account.lower()]
    for user, status in [*((each, 200) for each in known), *((each, 401) for each in wrong)]:
        answer = await web.http.get(f"{PREFIX}/Accounts.json", auth=(user, "owner"))
        assert answer.status_code == status
    answer = await web.http.get(f"{PREFIX}/Accounts.json", auth=(web.account, "stranger"))
    failure(answer, 401, 20003)
    assert answer.headers["www-authenticate"].startswith("Basic ")
    assert "user name" in answer.json()["message"]
    for given in ("Basic", "Basic ", "Basic ###", "Basic /w==", "Basic eA==", "Other x"):
        answer = await web.http.get(
            f"{PREFIX}/Accounts.json", headers={"authorization": given.strip() or "Basic"}
        )
        failure(answer, 401, 20003)
    unavailable = await web.http.get(f"{PREFIX}/Accounts.json", auth=(web.account, "unavailable"))
    failure(unavailable, 503, 20503)
    assert unavailable.headers["retry-after"]


async def test_wrong_paths_methods_and_urls_are_errors_in_json(web: Web) -> None:
    for method, path, status, code in [
        ("GET", "", 404, 20404),
        ("GET", "/", 404, 20404),
        ("GET", "/Accounts", 404, 20404),
        ("GET", "/Accounts.json/", 404, 20404),
        ("GET", f"/Accounts/{web.account}/Calls.json", 404, 20404),
        ("POST", f"/Accounts/{web.account}/Messages", 404, 20404),
        ("GET", f"/Accounts/{web.account}/Messages/../../x", 404, 20404),
        ("PUT", f"/Accounts/{web.account}/Messages.json", 405, 20004),
        ("DELETE", f"/Accounts/{web.account}.json", 405, 20004),
        ("POST", "/Accounts.json", 405, 20004),
        ("GET", "/Accounts.json?token=x", 400, 20001),
        ("GET", "/Accounts.json?Nmae=x", 400, 20001),
        ("GET", "/Accounts.json?Page=1&Page=2", 400, 20001),
        ("POST", f"/Accounts/{web.account}/Messages.json?Body=x", 400, 20001),
    ]:
        answer = await web.http.request(
            method, PREFIX + path, headers={"authorization": "Bearer owner"}
        )
        failure(answer, status, code)
        if status == 405:
            assert answer.headers["allow"].startswith("HEAD, GET")
    headers = {"authorization": "Bearer owner"}
    assert (await web.http.head(f"{PREFIX}/Accounts.json", headers=headers)).status_code == 200


def test_a_sid_has_one_spelling() -> None:
    key = new_id()
    sid = sid_of(SidKind.MESSAGE, key)
    assert find_sid(SidKind.MESSAGE, sid) == key
    for other in (sid.lower(), sid[:-1], sid + "0", "SM" + str(key), sid[2:], "AC" + sid[2:], ""):
        assert find_sid(SidKind.MESSAGE, other) is None or other == sid
