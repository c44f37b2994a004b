"""Texts: their encoding and segments, which are rejected, and the templates of clients.

Source: 3GPP TS 23.038 §6.2.1 (default alphabet), §6.2.1.1 (extension table), §6.2.3 (UCS-2). If a
text has several segments, 6 octets of each are the header that joins them (3GPP TS 23.040
§9.2.3.24).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from unicodedata import normalize
from uuid import UUID

from domain.errors import InvalidInput, InvalidText, NotFound
from domain.identity.access import Actor, OfClient, message_scope, own_scope
from domain.identity.directory import name_of
from domain.ids import new_id
from domain.sending.files.layout import cut, key_of
from domain.sending.files.row_texts import Template, check_closed, filled, placeholders_of
from domain.sending.ports import Templates
from domain.transactions import changing

MOST_SEGMENTS = 10

# Sixteen on each line, in the order of their codes. 0x1B is the escape to the extension table.
GSM7_DEFAULT = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)
GSM7_EXTENSION = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}


class Encoding(Enum):
    """How the characters of a text are encoded for the radio network."""

    GSM7 = "GSM7"
    UCS2 = "UCS2"

    @property
    def alone(self) -> int:
        """Units in the only segment of a short text: septets (GSM-7) or 16-bit units (UCS-2)."""
        return 160 if self is Encoding.GSM7 else 70

    @property
    def joined(self) -> int:
        """Units in each segment if there are several."""
        return 153 if self is Encoding.GSM7 else 67

    def capacity(self, segments: int) -> int:
        """Units in that many segments."""
        return self.alone if segments == 1 else self.joined * segments


_ONE_SEPTET = re.escape(GSM7_DEFAULT.replace("\x1b", ""))
_TWO_SEPTETS = re.escape("".join(GSM7_EXTENSION.values()))
_COSTLY = re.compile(f"[^{_ONE_SEPTET}{_TWO_SEPTETS}]")
_PLAIN = re.compile(f"[{_ONE_SEPTET}]{{1,160}}").fullmatch
_REFUSED = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

# Characters of two units, and a mark for the first of the two.
_PAIRS = {
    Encoding.GSM7: (re.compile(f"[{_TWO_SEPTETS}]"), "\x1b"),
    Encoding.UCS2: (re.compile("[\U00010000-\U0010ffff]"), "\ud800"),
}


def check_text(text: str, *, most_segments: int = MOST_SEGMENTS) -> None:
    """Raises InvalidText if the text cannot be sent."""
    if _PLAIN(text) and not text.isspace():
        return  # most texts: one segment, and nothing that could be refused
    # A character has at least one unit: a much too long text is rejected without reading it.
    if len(text) > Encoding.GSM7.capacity(most_segments):
        raise InvalidText(_too_long(f"more than {most_segments}", most_segments))
    if not text.strip():
        raise InvalidText("The text is empty. Write something to send.")
    if refused := _REFUSED.search(text):
        raise InvalidText(_unsendable(refused[0], refused.start() + 1))
    segments = segments_of(text)
    if segments > most_segments:
        raise InvalidText(_too_long(str(segments), most_segments))


def encoding_of(text: str) -> Encoding:
    """GSM-7 if its alphabet has every character, else UCS-2."""
    return Encoding.UCS2 if _COSTLY.search(text) else Encoding.GSM7


def costly_characters(text: str) -> list[str]:
    """The characters that force UCS-2, each once, in order of appearance."""
    return list(dict.fromkeys(_COSTLY.findall(text)))


def segments_of(text: str) -> int:
    """How many segments the text has; 1 for an empty one.

    An escape pair or a surrogate pair is never split, so a segment may be one unit short.
    """
    encoding = encoding_of(text)
    paired, first = _PAIRS[encoding]
    units = paired.sub(f"{first}.", text)
    if len(units) <= encoding.alone:
        return 1
    segments = end = 0
    while end < len(units):
        end += encoding.joined
        if units[end - 1 : end] == first:
            end -= 1
        segments += 1
    return segments


def _too_long(segments: str, most_segments: int) -> str:
    most, most_costly = (encoding.capacity(most_segments) for encoding in Encoding)
    return (
        f"The text takes {segments} segments, and at most {most_segments} can be sent. Shorten it: "
        f"{most:,} characters fit, or {most_costly:,} if some are outside the GSM-7 alphabet."
    )


def _unsendable(character: str, position: int) -> str:
    if character == "\t":
        return f"Character {position} of the text is a tab. Write spaces instead."
    kind = "half of a character" if character >= "\ud800" else "a control character"
    return (
        f"Character {position} of the text is {kind} (U+{ord(character):04X}). "
        "Remove it: the only control characters that can be sent are line breaks."
    )


MOST_TEMPLATES = 500
LONGEST_TEMPLATE_NAME = 100
TEMPLATE_FIELD = "template"


@dataclass(frozen=True, slots=True)
class FromTemplate:
    """A text made of the template with this name. `values`: by placeholder, ignoring case."""

    name: str
    values: Mapping[str, str]


Text = str | FromTemplate
"""A text as it is given in a request."""


@dataclass(frozen=True, slots=True)
class OutgoingText:
    """A text for one recipient."""

    to: str
    text: Text


def values_given(values: Iterable[tuple[str, str]], *, path: Sequence[str] = ()) -> dict[str, str]:
    """The values of a template by name. Raises InvalidText if a placeholder has two."""
    found: dict[str, tuple[str, str]] = {}
    for name, value in values:
        if key_of(name) in found:
            raise InvalidText(f"The template has two values for {{{{{cut(name)}}}}}.", path=path)
        found[key_of(name)] = (name, value)
    return dict(found.values())


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
    written = [each for each in texts if isinstance(each, str)]
    if len(written) == len(texts):
        return written, {}
    names = [each.name for each in texts if isinstance(each, FromTemplate)]
    found = await find_by_name(store, scope, names)
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
    """The template of each name, ignoring case. Raises NotFound if one does not exist."""
    written = {name: normalize("NFC", name).strip() for name in names}
    # No template can have another name, and PostgreSQL would not accept each of them.
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
    if len(name) > LONGEST_TEMPLATE_NAME:
        raise InvalidInput(f"A name has at most {LONGEST_TEMPLATE_NAME} characters.", field="name")
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
    check_closed(text)
    shortest, _ = filled(text, dict.fromkeys(names, "x"))
    check_text(shortest, most_segments=most_segments)
