"""Templates, as the API shows them."""

from __future__ import annotations

from datetime import datetime

import strawberry

from domain.ids import Kind
from domain.sending.files import row_texts as domain_templates
from resolvers.pages import BY_KEY
from resolvers.sending import sending
from schema import errors
from schema.connections import connection_field
from schema.fields import described, mutation_field
from schema.values import id_of, represents


@strawberry.type(description="A text that a client has saved by name.")
@represents(domain_templates.Template)
class Template:
    id: strawberry.ID = id_of(Kind.TEMPLATE)
    name: str = described("Its name. Upper and lower case are the same.")
    text: str = described("The text. {{name}} is replaced by a value.")
    placeholders: list[str] = described(
        "The names of the values that it needs, each once, in order."
    )
    created_at: datetime = described("When it was first saved.")
    updated_at: datetime = described("When it was last saved.")


@strawberry.type
class TemplateQuery:
    templates = connection_field(
        sending.templates,
        Template,
        cursors=BY_KEY,
        description="The client's templates, by name.",
    )


@strawberry.type
class TemplateMutation:
    save_template = mutation_field(
        sending.save_template,
        Template,
        refusals=(errors.InvalidInput, errors.InvalidText),
        description="Creates the template of this name, or changes its text. A client has at most "
        "500.",
    )
    delete_template = mutation_field(
        sending.delete_template,
        Template,
        refusals=(errors.NotFound,),
        description="Deletes a template. What was sent with it stays.",
    )
