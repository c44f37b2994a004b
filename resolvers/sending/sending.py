"""Quotes, sends, cancellations, settling and templates. Each calls one operation of the domain."""

from __future__ import annotations

from typing import Annotated

from strawberry import argument

from domain import ids
from domain.dispatch import cancel as cancelling
from domain.dispatch import settle as settling
from domain.identity.access import Role, message_scope
from domain.identity.directory import TextKey
from domain.ids import Kind
from domain.pages import Page, Window, search_of
from domain.sending import csv_send as csv_sending
from domain.sending import quotes
from domain.sending import send as sending
from domain.sending import text as texts
from domain.sending.csv_order import CsvOrder
from domain.sending.csv_send import CsvQuote
from domain.sending.files.row_texts import Template
from domain.sending.messages import Message, Send
from domain.sending.quotes import Quote
from domain.sending.text import FromTemplate, Text, text_given, values_given
from resolvers.context import Info, actor_of, requires
from schema.dispatch.inputs import (
    CancelSendInput,
    SettleUnknownInput,
)
from schema.sending.inputs import (
    BulkSendInput,
    BulkSendMultiInput,
    CsvSendInput,
    DeleteTemplateInput,
    QuoteCsvInput,
    QuoteInput,
    SaveTemplateInput,
    SendInput,
    TemplateInput,
)

NO_NOTE = "No reason was given."


@requires(Role.SUPERVISOR, Role.CLIENT, account=True)
async def quote(info: Info, input: QuoteInput) -> Quote:
    """What a send would do and cost."""
    actor = actor_of(info)
    return await quotes.quote(
        info.context.installation,
        actor,
        to=input.to,
        text=text_of(input.text, input.template),
        send_at=input.send_at,
        ignore_quiet_hours=bool(input.ignore_quiet_hours),
    )


@requires(Role.SUPERVISOR, Role.CLIENT, account=True)
async def send(info: Info, input: SendInput) -> Send:
    """One message to one number."""
    actor, installation = actor_of(info), info.context.installation
    return await sending.send(
        installation,
        actor,
        to=input.to,
        text=text_of(input.text, input.template),
        key=input.idempotency_key,
        send_at=input.send_at,
        ignore_quiet_hours=bool(input.ignore_quiet_hours),
    )


@requires(Role.SUPERVISOR, Role.CLIENT, account=True)
async def bulk_send(info: Info, input: BulkSendInput) -> Send:
    """One text to many numbers."""
    actor, installation = actor_of(info), info.context.installation
    return await sending.bulk_send(
        installation,
        actor,
        to=input.to,
        text=text_of(input.text, input.template),
        key=input.idempotency_key,
        send_at=input.send_at,
        ignore_quiet_hours=bool(input.ignore_quiet_hours),
    )


@requires(Role.SUPERVISOR, Role.CLIENT, account=True)
async def bulk_send_multi(info: Info, input: BulkSendMultiInput) -> Send:
    """Its own text for each number."""
    actor, installation = actor_of(info), info.context.installation
    messages = [
        texts.OutgoingText(each.to, text_of(each.text, each.template, "messages", str(position)))
        for position, each in enumerate(input.messages)
    ]
    return await sending.bulk_send_multi(
        installation,
        actor,
        messages=messages,
        key=input.idempotency_key,
        send_at=input.send_at,
        ignore_quiet_hours=bool(input.ignore_quiet_hours),
    )


@requires(Role.SUPERVISOR, Role.CLIENT, account=True)
async def csv_send(info: Info, input: CsvSendInput) -> Send:
    """A message for each row of a file."""
    actor, installation = actor_of(info), info.context.installation
    upload_id = ids.find(Kind.UPLOAD, input.upload_id)
    order = _order(input)
    return await csv_sending.csv_send(
        installation, actor, upload_id, order, key=input.idempotency_key
    )


@requires(Role.SUPERVISOR, Role.CLIENT, account=True)
async def quote_csv(info: Info, input: QuoteCsvInput) -> CsvQuote:
    """What csvSend would do and cost."""
    actor, installation = actor_of(info), info.context.installation
    upload_id = ids.find(Kind.UPLOAD, input.upload_id)
    return await csv_sending.quote_csv(installation, actor, upload_id, _order(input))


@requires(account=True)
async def cancel_send(info: Info, input: CancelSendInput) -> Send:
    """Cancels the QUEUED messages of a send, and returns the send."""
    actor, store = actor_of(info), info.context.installation.store
    message_scope(actor)
    return await cancelling.cancel_send(store, actor, ids.decode(Kind.SEND, input.send_id))


@requires(Role.ADMIN)
async def settle_unknown(info: Info, input: SettleUnknownInput) -> Message:
    """Settles one UNKNOWN message, and returns it."""
    actor, store = actor_of(info), info.context.installation.store
    message_id = ids.decode(Kind.MESSAGE, input.message_id)
    note = input.note if input.note is not None else NO_NOTE
    return await settling.settle_unknown(store, actor, message_id, taken=input.taken, note=note)


def _order(input: CsvSendInput | QuoteCsvInput) -> CsvOrder:
    return CsvOrder(
        input.text,
        input.column,
        input.text_column,
        template=input.template,
        allow_missing_values=bool(input.allow_missing_values),
        send_at=input.send_at,
        ignore_quiet_hours=bool(input.ignore_quiet_hours),
    )


@requires(account=True)
async def templates(
    info: Info,
    window: Window[TextKey],
    search: Annotated[
        str | None,
        argument(description="Only templates with this text in their name, ignoring case."),
    ] = None,
) -> Page[Template]:
    """The client's templates."""
    scope, store = message_scope(actor_of(info)), info.context.installation.store
    return await store.read_templates(scope, window, search=search_of(search))


@requires(Role.SUPERVISOR, Role.CLIENT, account=True)
async def save_template(info: Info, input: SaveTemplateInput) -> Template:
    """Creates or changes a template."""
    installation = info.context.installation
    return await texts.save_template(
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
    return await texts.delete_template(info.context.installation.store, actor, template_id)


def text_of(text: str | None, template: TemplateInput | None, *path: str) -> Text:
    """The text or the template of an input. Raises InvalidText. `path`: of the input."""
    used = None
    if template is not None:
        pairs = [(each.name, each.value) for each in template.values]
        values = values_given(pairs, path=("input", *path, "template", "values"))
        used = FromTemplate(template.name, values)
    return text_given(text, used, path=("input", *path, "text"))
