"""ID fields: the UUID of a domain object, shown as an ID of the API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from strawberry import ID
from strawberry.types.field import StrawberryField
from strawberry.types.info import Info

from resolvers import ids
from resolvers.ids import Kind


class IdField(StrawberryField):
    """A field without a resolver: an ID is read and written like any other attribute."""

    kind: Kind

    def __copy__(self) -> IdField:
        field: IdField = super().__copy__()
        field.kind = self.kind
        return field

    def reader(self) -> Callable[[Any], str | None]:
        """A function that does the same as `get_result`, but looks nothing up for each row."""
        name, prefix = self.python_name, f"{self.kind.value}_"

        def read(source: Any) -> str | None:
            key = getattr(source, name)
            return None if key is None else prefix + ids.to_base32(key)

        return read

    def get_result(self, source: Any, info: Info | None, args: list[Any], kwargs: Any) -> ID | None:
        """The ID; None if the object has none."""
        key = getattr(source, self.python_name)
        return None if key is None else ids.encode(self.kind, key)


def id_of(kind: Kind, *, description: str | None = None) -> Any:
    """A field that shows the attribute of its own name, a UUID, as an ID of this kind."""
    field = IdField(description=description or f"The ID of the {kind.word}.")
    field.kind = kind
    return field
