"""Templates: what `domain.sending.ports.Templates` needs. SQL for look-ups: see `FIND`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from tortoise.expressions import Value
from tortoise.functions import Lower

from domain.errors import NotFound
from domain.identity.access import OfClient, Scope
from domain.identity.directory import TextKey
from domain.pages import Page, Window
from domain.sending.files.row_texts import Template
from persistence.database import Connection, fetch, orm
from persistence.pages import list_page, order_columns
from persistence.rows import object_of, within
from persistence.sending import models
from persistence.sending.uploads import lock_client
from persistence.sql import NOW

# The result has the names as given: PostgreSQL's rules for upper and lower case are not Python's.
FIND = """
SELECT wanted.name AS given, template.* FROM unnest($2::text[]) AS wanted (name)
JOIN template ON template.client_id = $1 AND lower(template.name) = lower(wanted.name)
"""


async def read_templates(
    scope: Scope, window: Window[TextKey], *, search: str | None = None
) -> Page[Template]:
    query = within(scope, models.Template.all()).annotate(lowered=Lower("name"))
    if search is not None:
        query = query.filter(name__icontains=search)
    columns, key_of = order_columns("NAME")
    page = await list_page(query, window.with_keys(key_of), order=columns)
    return page.with_items([object_of(Template, row) for row in page.items])


async def find_templates(scope: OfClient, names: Sequence[str]) -> dict[str, Template]:
    rows = await fetch(FIND, scope.client_id, list(names))
    return {row["given"]: object_of(Template, row) for row in rows}


async def save_template(tx: Connection, template: Template) -> tuple[Template, int]:
    await lock_client(tx, template.client_id)
    own = models.Template.filter(client_id=template.client_id).using_db(orm(tx))
    name: Any = Value(template.name)
    row = await own.annotate(lowered=Lower("name")).filter(lowered=Lower(name)).first()
    if row is None:
        row = await models.Template.create(
            using_db=orm(tx),
            id=template.id,
            client_id=template.client_id,
            name=template.name,
            text=template.text,
        )
    else:
        same = models.Template.filter(id=row.id).using_db(orm(tx))
        await same.update(name=template.name, text=template.text, updated_at=NOW)
    row = await models.Template.get(id=row.id, using_db=orm(tx))
    return object_of(Template, row), await own.count()


async def delete_template(tx: Connection, scope: Scope, template_id: UUID) -> Template:
    query = within(scope, models.Template.all()).filter(id=template_id).using_db(orm(tx))
    row = await query.first()
    if row is None:
        raise NotFound("template")
    await models.Template.filter(id=row.id).using_db(orm(tx)).delete()
    return object_of(Template, row)
