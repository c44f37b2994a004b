"""Calls resolvers directly: how arguments become parameters is found out once per field.

A resolver with a parameter `roots` is called once for all parents of a list. It returns one value
for each, in order; an exception among the values fails that one. All others are called per parent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import graphql
from strawberry.dataloader import DataLoader
from strawberry.execution import optimized_is_awaitable as is_awaitable
from strawberry.schema.name_converter import NameConverter
from strawberry.types.field import StrawberryField
from strawberry.types.info import Info

if TYPE_CHECKING:
    from schema.errors import ErrorHandler

STRAWBERRY = "strawberry-definition"


def prepare_schema(schema: graphql.GraphQLSchema, handlers: Sequence[ErrorHandler]) -> None:
    """Lets plain resolvers be called directly. `handlers`: make members of unions of exceptions."""
    for type_ in schema.type_map.values():
        for field in type_.fields.values() if isinstance(type_, graphql.GraphQLObjectType) else ():
            declared = field.extensions.get(STRAWBERRY)
            if type(declared) is StrawberryField and _is_plain(declared):
                field.resolve = Resolver(field, declared, handlers)


def _is_plain(declared: StrawberryField) -> bool:
    is_extended = any(each.has_resolver for each in declared.extensions)
    return not (declared.is_basic_field or declared.is_subscription or is_extended)


class Resolver:
    """A resolver of one field. `takes_all`: whether it takes all parents at once."""

    def __init__(
        self,
        field: graphql.GraphQLField,
        declared: StrawberryField,
        handlers: Sequence[ErrorHandler],
    ) -> None:
        resolver = declared.base_resolver
        assert resolver is not None
        for argument in declared.arguments:
            field.args[NameConverter().from_argument(argument)].out_name = argument.python_name
        members = {str(each) for each in getattr(graphql.get_named_type(field.type), "types", ())}
        root = resolver.parent_parameter or resolver.root_parameter or resolver.self_parameter
        self.takes_all = "roots" in resolver.signature.parameters
        self._root_name = "roots" if self.takes_all else root.name if root else None
        self._info_name = resolver.info_parameter.name if resolver.info_parameter else None
        self._function: Any = resolver.wrapped_func
        self._declared = declared
        self._handlers = [each for each in handlers if each.error_type.__name__ in members]

    def bind(self, info: Any, arguments: dict[str, Any]) -> Callable[..., Any]:
        """A function of the parent; or of all parents, if it takes all."""
        for each in self._declared.extensions:
            arguments = each.map_arguments(arguments)
        if self._info_name is not None:
            arguments[self._info_name] = Info(_raw_info=info, _field=self._declared)
        return partial(self._call_handled if self._handlers else self._call, info, arguments)

    def _call(self, _info: Any, arguments: dict[str, Any], root: Any) -> Any:
        if self._root_name is None:
            return self._function(**arguments)
        return self._function(**arguments, **{self._root_name: root})

    async def _call_handled(self, info: Any, arguments: dict[str, Any], root: Any) -> Any:
        try:
            value = self._call(info, arguments, root)
            return await value if is_awaitable(value) else value
        except Exception as error:
            for each in self._handlers:
                if isinstance(error, each.exception_type):
                    return each.member(error, info)
            raise

    def __call__(self, root: Any, info: Any, **arguments: Any) -> Any:
        """Resolves the field for one parent, as graphql-core asks for it."""
        if not self.takes_all:
            return self.bind(info, arguments)(root)
        # graphql-core asks for one parent after the other: the loader collects them again.
        loaders, node = info.context.loaders, id(info.field_nodes[0])
        if node not in loaders:
            loaders[node] = DataLoader(load_fn=self.bind(info, arguments), cache=False)
        return loaders[node].load(root)
