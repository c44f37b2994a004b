"""Objects with a global ID, and one field that finds each of them by it."""

from __future__ import annotations

import strawberry

from resolvers import nodes
from schema.fields import described, resolved_field


@strawberry.interface(
    description="An object that `node` finds by its ID. A transfer is not one, because its amount "
    "depends on the account that it is shown for."
)
class Node:
    id: strawberry.ID = described("The ID: opaque, and unique among all types.")


@strawberry.type
class NodeQuery:
    node = resolved_field(
        nodes.node,
        Node | None,
        description="The object with an ID. Null if it does not exist, or if you may not read it.",
    )
