"""An installation whose clients have users, as files name them."""

from __future__ import annotations

import pytest

from domain.identity.access import Role
from tests import people
from tests.installations import App


@pytest.fixture
async def app(app: App) -> App:
    """The installation, with a user for each client: owner@, sibling@ and loner@example.com."""
    for name in ("owner", "sibling", "loner"):
        client_id = getattr(app, name).client_id
        await people.add_user(f"{name}@example.com", Role.CLIENT, client_id=client_id)
    return app
