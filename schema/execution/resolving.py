"""Calls resolvers straight: how a field's arguments become its resolver's is found once.

Strawberry asks, for each call, which parameters a resolver has and what each argument is to become,
and goes through four functions and two coroutines: docs/decisions/0040 has the figures. What a
resolver is given and what becomes of what it raises is the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
)
from strawberry.extensions import FieldExtension
from strawberry.schema.name_converter import NameConverter
from strawberry.types.field import StrawberryField
from strawberry.types.info import Info

from schema.errors import Told
from schema.execution.building import converter
from schema.execution.run import is_awaitable

NAMES = NameConverter()


def call_resolvers_straight(built: GraphQLSchema, tellers: Sequence[Told]) -> None:
    """Every field whose resolver is a plain function calls it itself."""
    for type_ in built.type_map.values():
        if isinstance(type_, GraphQLObjectType):
            for field in type_.fields.values():
                declared = field.extensions.get("strawberry-definition")
                if isinstance(declared, StrawberryField) and _is_plain(declared):
                    field.resolve = _straight(declared, _heard_by(field, tellers))


def _is_plain(declared: StrawberryField) -> bool:
    resolver = declared.base_resolver
    return (
        resolver is not None
        and type(declared).get_result is StrawberryField.get_result
        and not declared.is_subscription
        and not resolver.self_parameter
        and all(
            type(each).resolve is FieldExtension.resolve
            and type(each).resolve_async is FieldExtension.resolve_async
            for each in declared.extensions
        )
    )


def _heard_by(field: GraphQLField, tellers: Sequence[Told]) -> list[Told]:
    """Those who tell a refusal that is a member of the field's union."""
    type_ = get_named_type(field.type)
    members = {each.name for each in type_.types} if isinstance(type_, GraphQLUnionType) else set()
    return [each for each in tellers if each.error_type.__name__ in members]


def _straight(declared: StrawberryField, tellers: Sequence[Told]) -> Callable[..., Any]:
    resolver = declared.base_resolver
    assert resolver is not None
    call = cast("Callable[..., Any]", resolver.wrapped_func)
    arguments = [
        (name, each.python_name, converter(each.type))
        for name, each in {NAMES.from_argument(each): each for each in declared.arguments}.items()
    ]
    source_names = [
        each.name for each in (resolver.parent_parameter, resolver.root_parameter) if each
    ]
    told_name = resolver.info_parameter.name if resolver.info_parameter else None
    extensions = list(declared.extensions)

    def resolve(source: Any, raw: GraphQLResolveInfo[Any], **given: Any) -> Any:
        try:
            asked = {
                python_name: convert(given[name])
                for name, python_name, convert in arguments
                if name in given
            }
            for each in extensions:
                asked = each.map_arguments(asked)
            for name in source_names:
                asked[name] = source
            if told_name is not None:
                asked[told_name] = Info(_raw_info=raw, _field=declared)
            answer = call(**asked)
        except Exception as failure:  # noqa: BLE001 - raised again where nobody tells it
            return _member(tellers, failure, raw)
        return _awaited(tellers, answer, raw) if tellers and is_awaitable(answer) else answer

    return resolve


async def _awaited(
    tellers: Sequence[Told], answer: Awaitable[Any], raw: GraphQLResolveInfo[Any]
) -> Any:
    try:
        return await answer
    except Exception as failure:  # noqa: BLE001 - raised again where nobody tells it
        return _member(tellers, failure, raw)


def _member(tellers: Sequence[Told], failure: Exception, raw: GraphQLResolveInfo[Any]) -> Any:
    """The refusal as its member of the union. Raises it again where it is none."""
    for each in tellers:
        if isinstance(failure, each.exception_type):
            return each.told(failure, raw)
    raise failure
