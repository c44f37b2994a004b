"""An installation whose clients have users, as files name them."""

from __future__ import annotations

import pytest

from tests.imports.files import add_users
from tests.installations import App


@pytest.fixture
async def app(app: App) -> App:
    """The installation, with a user for each client: owner@, sibling@ and loner@example.com."""
    await add_users(app)
    return app
