"""The demo data is written once, and later changes by the operator are kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from domain.errors import InvalidInput
from domain.identity.clients import GroupChange, update_group
from domain.identity.users import UserChange, update_user
from ibiki.local import demo
from ibiki.local.command_context import CommandContext
from ibiki.settings import settings
from persistence import store
from tests import db, people
from tests.installations import App, running_app

CLIENTS = "SELECT name FROM client ORDER BY name"
GROUPS = "SELECT name FROM client_group ORDER BY name"


@pytest.fixture
async def app(database_url: str) -> AsyncIterator[App]:
    async with running_app(database_url) as app:
        app.upstream.balance_word = "100000"
        yield app


async def write(app: App, directory: Path) -> str:
    """Writes the demo data with the settings of the environment."""
    place = CommandContext(settings.load(directory), directory, "")
    return await demo.write_demo(place, app.installation)


async def may_sign_in(email: str, password: str) -> bool:
    login = await store.find_login(email)
    return login is not None and await people.PASSWORDS.verify(password, login.password_hash)


async def test_a_second_start_changes_nothing(app: App, tmp_path: Path) -> None:
    password = await write(app, tmp_path)
    transfers = await db.fetch("SELECT id FROM transfer")
    assert await write(app, tmp_path) == password
    assert await may_sign_in("client@ibiki.test", password)
    assert await db.fetch("SELECT id FROM transfer") == transfers


async def test_if_the_provider_cannot_be_read_the_units_come_from_outside(
    app: App, tmp_path: Path
) -> None:
    app.upstream.balance_word = None
    await write(app, tmp_path)
    opened = await db.fetch(
        "SELECT client.name, amount FROM transfer JOIN client ON account_id = destination_id"
        " WHERE kind = 'OPENING' AND source_id IS NULL AND note = 'Demo' ORDER BY amount"
    )
    assert [(row["name"], row["amount"]) for row in opened] == [("Other", 100), ("Client", 1_000)]
    await db.assert_audit_holds()


async def test_a_start_does_not_change_disabled_users_and_renamed_objects(
    app: App, tmp_path: Path
) -> None:
    await write(app, tmp_path)
    login = await store.find_login("other@ibiki.test")
    assert login is not None
    await update_user(store, people.PASSWORDS, login.user_id, UserChange(disabled=True))
    await update_group(store, app.group.id, GroupChange(name="Renamed"))
    await db.execute("UPDATE client SET name = 'Renamed' WHERE name = 'Other'")
    clients, groups = await db.fetch(CLIENTS), await db.fetch(GROUPS)
    await write(app, tmp_path)
    assert await store.find_login("other@ibiki.test") is None
    assert (await db.fetch(CLIENTS), await db.fetch(GROUPS)) == (clients, groups)


async def test_the_password_is_the_one_that_is_set_also_later(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await write(app, tmp_path)
    monkeypatch.setenv("DEMO_PASSWORD", "of the operator's own")
    assert await write(app, tmp_path) == "of the operator's own"
    for user in demo.USERS:
        assert await may_sign_in(user.email, "of the operator's own")
        assert not await may_sign_in(user.email, kept)


async def test_a_password_that_was_set_once_is_shown_from_then_on(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEMO_PASSWORD", "of the operator's own")
    await write(app, tmp_path)
    monkeypatch.delenv("DEMO_PASSWORD")
    password = await write(app, tmp_path)
    assert (tmp_path / "demo-password").read_text().strip() == password
    assert await may_sign_in("client@ibiki.test", password)


async def test_a_password_whose_file_is_gone_is_replaced(app: App, tmp_path: Path) -> None:
    before = await write(app, tmp_path)
    (tmp_path / "demo-password").unlink()
    password = await write(app, tmp_path)
    assert password != before
    for user in demo.USERS:
        assert await may_sign_in(user.email, password)


async def test_an_invalid_password_is_refused_with_the_name_of_its_setting(
    app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEMO_PASSWORD", "demo")
    with pytest.raises(InvalidInput, match=r"DEMO_PASSWORD is invalid\. A password has 8"):
        await write(app, tmp_path)


async def test_a_damaged_file_of_the_password_is_refused_by_its_name(
    app: App, tmp_path: Path
) -> None:
    (tmp_path / "demo-password").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match=r"/demo-password is invalid\. A password has 8"):
        await write(app, tmp_path)
