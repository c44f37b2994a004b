"""Templates: texts that a client has saved by name, with {{placeholders}} for values.

The placeholders are those of texts for files, and are filled in by the same code.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from unicodedata import normalize
from uuid import UUID

from domain.errors import InvalidInput, InvalidText, NotFound
from domain.identity.access import Actor, OfClient, message_scope, own_scope
from domain.identity.directory import TextKey, name_of
from domain.ids import new_id
from domain.sending.files.row_texts import filled, placeholders_of
from domain.sending.ports import Templates
from domain.sending.text import Encoding, check_text
from domain.transactions import changing

MOST_TEMPLATES = 500
LONGEST_NAME = 100
FIELD = "template"


@dataclass(frozen=True, slots=True)
class Template:
    """A text of a client with a name. Names differ in more than their case."""

    id: UUID
    client_id: UUID
    name: str
    text: str
    created_at: datetime
    updated_at: datetime

    @property
    def key(self) -> TextKey:
        """Its position in a list of templates."""
        return self.name, self.id

    @property
    def placeholders(self) -> Sequence[str]:
        """The names of the values that it needs, each once, in order."""
        return placeholders_of(self.text)


@dataclass(frozen=True, slots=True)
class FromTemplate:
    """A text that is made of the template with this name. `values`: by placeholder, in any case."""

    name: str
    values: Mapping[str, str]


Text = str | FromTemplate
"""A text as it is given in a request."""


def text_given(
    text: str | None, template: FromTemplate | None, *, path: Sequence[str] = ("input", "text")
) -> Text:
    """The one of both that is given. Raises InvalidText if that is none or both."""
    given: Text | None = template if text is None else text
    if given is None or (text is not None and template is not None):
        raise InvalidText("Give either a text or a template, and not both.", path=path)
    return given


def as_given(text: Text) -> object:
    """The text as an idempotency key compares it."""
    return text if isinstance(text, str) else {"template": text.name, "values": dict(text.values)}


async def fill_in(
    store: Templates, scope: OfClient, texts: Sequence[Text]
) -> tuple[list[str], dict[int, str]]:
    """The texts, and by position what is missing for one, as a sentence.

    Raises NotFound if the client has no template of a name.
    """
    names = [each.name for each in texts if isinstance(each, FromTemplate)]
    found = await find_by_name(store, scope, names) if names else {}
    complete: list[str] = []
    missing: dict[int, str] = {}
    for position, each in enumerate(texts):
        if isinstance(each, str):
            complete.append(each)
            continue
        text, lacking = filled(found[each.name].text, each.values)
        complete.append(text)
        if lacking is not None:
            missing[position] = f"The template needs a value for {{{{{lacking}}}}}."
    return complete, missing


async def find_by_name(
    store: Templates, scope: OfClient, names: Iterable[str]
) -> dict[str, Template]:
    """The template of each name, in any case. Raises NotFound if one does not exist."""
    written = {name: normalize("NFC", name).strip() for name in names}
    # Others cannot be saved, and the database would not take some of them.
    if not all(map(str.isprintable, written.values())):
        raise NotFound("template")
    found = await store.find_templates(scope, sorted(set(written.values())))
    if any(name not in found for name in written.values()):
        raise NotFound("template")
    return {given: found[name] for given, name in written.items()}


async def save_template(
    store: Templates, actor: Actor, *, name: str, text: str, most_segments: int
) -> Template:
    """Creates the template of this name, or changes its text. Raises InvalidInput, InvalidText."""
    scope = own_scope(actor)
    if len(name) > LONGEST_NAME:
        raise InvalidInput(f"A name has at most {LONGEST_NAME} characters.", field="name")
    name = name_of(name)
    check_template(text, most_segments=most_segments)
    now = datetime.now(UTC)
    new = Template(new_id(), scope.client_id, name, text, now, now)
    async with changing(store) as tx:
        saved, templates = await store.save_template(tx, new)
        if templates > MOST_TEMPLATES:
            raise InvalidInput(
                f"You have {MOST_TEMPLATES} templates already. Delete one first.", field="name"
            )
    return saved


async def delete_template(store: Templates, actor: Actor, template_id: UUID) -> Template:
    """Deletes a template and returns it. What was sent with it stays. Raises NotFound."""
    async with changing(store) as tx:
        return await store.delete_template(tx, message_scope(actor), template_id)


def check_template(text: str, *, most_segments: int) -> None:
    """Raises InvalidText if no text could be made of it that can be sent."""
    longest = 2 * Encoding.GSM7.capacity(most_segments)  # placeholders can be long
    if len(text) > longest:
        raise InvalidText(
            f"The text has more than {longest:,} characters, placeholders included. Shorten it."
        )
    names = placeholders_of(text)
    if any(not name or not name.isprintable() for name in names):
        raise InvalidText("A placeholder has a name, such as {{name}}.")
    shortest, _ = filled(text, dict.fromkeys(names, "x"))
    check_text(shortest, most_segments=most_segments)
