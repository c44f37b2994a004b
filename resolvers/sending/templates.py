"""Templates: lists, changes, and the text or template of a request."""

from __future__ import annotations

from typing import Annotated

from strawberry import argument

from domain.identity.access import Role, message_scope
from domain.identity.directory import TextKey
from domain.pages import Page, Window, search_of
from domain.sending import text as saving
from domain.sending.text import FromTemplate, Template, Text, text_given
from resolvers import ids
from resolvers.context import Info, actor_of, requires
from resolvers.ids import Kind
from schema.sending.inputs import DeleteTemplateInput, SaveTemplateInput, TemplateInput


@requires(account=True)
async def templates(
    info: Info,
    window: Window[TextKey],
    search: Annotated[
        str | None, argument(description="Only templates with this in their name, in any case.")
    ] = None,
) -> Page[Template]:
    """The client's templates."""
    scope, store = message_scope(actor_of(info)), info.context.installation.store
    return await store.read_templates(scope, window, search=search_of(search))


@requires(Role.SUPERVISOR, Role.CLIENT, account=True)
async def save_template(info: Info, input: SaveTemplateInput) -> Template:
    """Creates or changes a template."""
    installation = info.context.installation
    return await saving.save_template(
        installation.store,
        actor_of(info),
        name=input.name,
        text=input.text,
        most_segments=installation.limits.segments,
    )


@requires(account=True)
async def delete_template(info: Info, input: DeleteTemplateInput) -> Template:
    """Deletes a template and returns it."""
    actor = actor_of(info)
    message_scope(actor)
    template_id = ids.decode(Kind.TEMPLATE, input.id)
    return await saving.delete_template(info.context.installation.store, actor, template_id)


def text_of(text: str | None, template: TemplateInput | None, *path: str) -> Text:
    """The text or the template of an input. Raises InvalidText. `path`: of the input."""
    used = None
    if template is not None:
        used = FromTemplate(template.name, {each.name: each.value for each in template.values})
    return text_given(text, used, path=("input", *path, "text"))
