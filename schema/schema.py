"""The schema: the fields of all areas, and what applies to all of them.

An area adds its mixin to `Query` or `Mutation` here, and its enums in `schema.enums`.
"""

from __future__ import annotations

from dataclasses import MISSING
from functools import cache, partial

import strawberry
from graphql import (
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    Undefined,
    get_named_type,
)
from strawberry.printer import print_schema
from strawberry.schema.config import StrawberryConfig

from schema.access import show_access
from schema.dispatch.settling import DispatchMutation
from schema.errors import HANDLERS
from schema.execution.compiling import prepare_schema
from schema.hooks.webhooks import HookMutation, HookQuery, HookSubscription
from schema.identity.directory import DirectoryMutation, DirectoryQuery
from schema.identity.sessions import SessionMutation, SessionQuery
from schema.inbox.contacts import ContactMutation, ContactQuery
from schema.inbox.conversations import InboxMutation, InboxQuery
from schema.inbox.webhooks import WebhookMutation, WebhookQuery
from schema.ledger.audits import AuditMutation, AuditQuery
from schema.ledger.ledger import LedgerMutation, LedgerQuery
from schema.ledger.provider_accounts import ProviderAccountMutation, ProviderAccountQuery
from schema.ledger.reconcile import ReconcileMutation, ReconcileQuery
from schema.live.subscriptions import (
    InboxSubscription,
    LedgerSubscription,
    SendSubscription,
    WebhookSubscription,
)
from schema.nodes import NodeQuery
from schema.sending.files import FileQuery
from schema.sending.routes import RouteMutation, RouteQuery
from schema.sending.sends import SendMutation, SendQuery
from schema.sending.templates import TemplateMutation, TemplateQuery
from schema.values import SCALARS, build_input


@strawberry.type(description="What can be read. Nothing is changed.")
class Query(
    DirectoryQuery,
    SessionQuery,
    SendQuery,
    FileQuery,
    TemplateQuery,
    RouteQuery,
    LedgerQuery,
    ProviderAccountQuery,
    ReconcileQuery,
    AuditQuery,
    ContactQuery,
    InboxQuery,
    WebhookQuery,
    HookQuery,
    NodeQuery,
):
    """The queries of all areas."""


@strawberry.type(description="What can be changed. Several changes are made one after another.")
class Mutation(
    SessionMutation,
    DirectoryMutation,
    SendMutation,
    TemplateMutation,
    RouteMutation,
    DispatchMutation,
    LedgerMutation,
    ProviderAccountMutation,
    ReconcileMutation,
    AuditMutation,
    InboxMutation,
    ContactMutation,
    WebhookMutation,
    HookMutation,
):
    """The mutations of all areas."""


@strawberry.type(description="What can be watched, over a WebSocket or as server-sent events.")
class Subscription(
    LedgerSubscription,
    SendSubscription,
    InboxSubscription,
    WebhookSubscription,
    HookSubscription,
):
    """The subscriptions of all areas: docs/decisions/0021 explains them."""


@cache
def build_schema(
    query: type = Query,
    mutation: type | None = Mutation,
    subscription: type | None = Subscription,
) -> GraphQLSchema:
    """The schema that `schema.engine` executes. It is built once, which takes 0.2 s."""
    return _declared(query, mutation, subscription)._schema


def export_schema() -> str:
    """The schema as SDL, as it is kept in schema.graphql."""
    return print_schema(_declared(Query, Mutation, Subscription)) + "\n"


def _declared(query: type, mutation: type | None, subscription: type | None) -> strawberry.Schema:
    declared = strawberry.Schema(
        query=query,
        mutation=mutation,
        subscription=subscription,
        config=StrawberryConfig(scalar_map=SCALARS),
        exception_handlers=HANDLERS,
    )
    built = declared._schema
    _drop_null_defaults(built)
    _build_inputs(built)
    show_access(built)
    _describe_inputs_and_results(built)
    prepare_schema(built, HANDLERS)
    return declared


def _drop_null_defaults(built: GraphQLSchema) -> None:
    """Removes the default null of optional arguments: null means the same as an absent argument.

    A field for which null has another meaning has the default `strawberry.UNSET`.
    """
    for type_ in built.type_map.values():
        if isinstance(type_, GraphQLObjectType):
            values = [each for field in type_.fields.values() for each in field.args.values()]
        elif isinstance(type_, GraphQLInputObjectType):
            values = list(type_.fields.values())
        else:
            continue
        for value in values:
            if value.default_value is None:
                value.default_value = Undefined


def _describe_inputs_and_results(built: GraphQLSchema) -> None:
    """Describes each argument `input` by its type, and each result by its mutation."""
    for parent in built.type_map.values():
        fields = parent.fields if isinstance(parent, GraphQLObjectType) else {}
        for name, field in fields.items():
            argument, returned = field.args.get("input"), get_named_type(field.type)
            if argument is not None:
                argument.description = get_named_type(argument.type).description
            if isinstance(returned, GraphQLUnionType) and not returned.description:
                success = returned.types[0].name
                returned.description = f"The answer to {name}: {success}, or why it was refused."


def _build_inputs(built: GraphQLSchema) -> None:
    """Lets graphql-core build the classes of inputs, instead of dicts that strawberry converts.

    A field without a default is None if it is absent.
    """
    for type_ in built.type_map.values():
        if isinstance(type_, GraphQLInputObjectType):
            definition = type_.extensions["strawberry-definition"]
            for field, declared in zip(type_.fields.values(), definition.fields, strict=True):
                field.out_name = declared.python_name
            without_default = [
                each.python_name
                for each in definition.fields
                if each.default_value is MISSING and each.default_factory is MISSING
            ]
            absent = dict.fromkeys(without_default)
            type_.out_type = partial(build_input, definition.origin, absent)  # type: ignore[method-assign]
            definition.from_input = lambda _type, value, _context: value
