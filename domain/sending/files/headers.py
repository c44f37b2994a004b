"""What a column holds, by its name: the words are in header_words.toml."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Sequence
from enum import Enum
from functools import cache
from importlib import resources


class ColumnKind(Enum):
    """What a column holds. Phones in the order in which one is chosen to send to."""

    MOBILE = 1
    PHONE = 2
    LANDLINE = 3
    OTHER_PHONE = 4
    NUMBER = 5
    """A name such as "number" or "to": a phone number if no other column is one."""
    EXCLUDED_PHONE = 6
    """A fax, a backup, an emergency contact: never chosen by itself."""
    FULL_NAME = 7
    FIRST_NAME = 8
    LAST_NAME = 9
    NAME_PART = 10
    COMPANY = 11
    UNKNOWN = 12

    @property
    def can_be_sent_to(self) -> bool:
        """Whether a column of this kind may be chosen by itself."""
        return self.value <= ColumnKind.NUMBER.value


PHONES = frozenset(
    {ColumnKind.MOBILE, ColumnKind.PHONE, ColumnKind.LANDLINE, ColumnKind.OTHER_PHONE}
)

_CAMEL = re.compile("(?<=[a-zß-öø-ÿ])(?=[A-ZÀ-ÖØ-Þ])")
_WORD = re.compile(r"[^\W\d_]+|[0-9]+")
_POSSESSIVE = re.compile(r"['’]s\b")


@cache
def kind_of(name: str) -> ColumnKind:
    """What the column of this name holds."""
    words = words_of(name)
    if not words:
        return ColumnKind.UNKNOWN
    phone = _phone_kind(words)
    if phone is not None:
        return phone
    for kind in (
        ColumnKind.FULL_NAME,
        ColumnKind.FIRST_NAME,
        ColumnKind.LAST_NAME,
        ColumnKind.COMPANY,
        ColumnKind.NUMBER,
    ):
        if words in _group(kind.name.lower()).exact:
            return kind
    if _is_part(_group("company"), words):
        return ColumnKind.COMPANY
    return ColumnKind.NAME_PART if _is_part(_group("name_part"), words) else ColumnKind.UNKNOWN


def is_family_name_beside(name: str, first_name: str) -> bool:
    """Whether a column such as "name" is the family name, because another has the first name."""
    last = _table()["last_name"]
    english = _phrases(last["english_first"])
    return (
        tuple(words_of(name)) in _phrases(last["beside_first"])
        and tuple(words_of(first_name)) not in english
    )


def part_of_name(name: str) -> ColumnKind:
    """Whether a name such as "Student first name" is of the first, the last or the full name."""
    words = words_of(name)
    for kind in (ColumnKind.FIRST_NAME, ColumnKind.LAST_NAME):
        exact = _group(kind.name.lower()).exact
        if any(len(phrase) > 1 and _has(words, [phrase]) for phrase in exact):
            return kind
    return ColumnKind.FULL_NAME


def name_owner(name: str) -> frozenset[str]:
    """The words that say whose name it is: "student" of "Student first name"."""
    exact = _group("first_name").exact | _group("last_name").exact
    parts = {word for phrase in exact if len(phrase) > 1 for word in phrase}
    return frozenset(words_of(name)) - parts


@cache
def words_of(name: str) -> tuple[str, ...]:
    """The words of a column name: without accents, punctuation and upper case."""
    spaced = _POSSESSIVE.sub("", _CAMEL.sub(" ", name))
    folded = unicodedata.normalize("NFKD", spaced.casefold())
    plain = "".join(each for each in folded if not unicodedata.combining(each))
    return tuple(_WORD.findall(plain))


def _phone_kind(words: tuple[str, ...]) -> ColumnKind | None:
    """The kind of phone; None if the column does not hold phone numbers."""
    landline, is_mobile = _group("landline"), _group("mobile").matches(words)
    is_landline = landline.matches(words)
    is_phone = is_mobile or is_landline or _group("phone").matches(words)
    excluded = _group("excluded").matches(words)
    if not is_phone:
        fax = excluded and _has(words, _phrases(("fax", "telefax", "pager", "факс")))
        return ColumnKind.EXCLUDED_PHONE if fax else None
    if _group("not_a_number").matches(words):
        return None
    if excluded:
        return ColumnKind.EXCLUDED_PHONE
    if _group("other").matches(words):
        return ColumnKind.OTHER_PHONE
    if is_mobile:
        return ColumnKind.MOBILE
    return (
        ColumnKind.LANDLINE if is_landline or _has(words, landline.with_phone) else ColumnKind.PHONE
    )


class _Group:
    """One table of header_words.toml."""

    def __init__(self, table: dict[str, list[str]]) -> None:
        self.exact = _phrases(table.get("exact", ()))
        self.words = _phrases(table.get("words", ()))
        self.with_phone = _phrases(table.get("with_phone", ()))
        self.never = _phrases(table.get("never", ()))
        self.stems = tuple("".join(words_of(stem)) for stem in table.get("stems", ()))

    def matches(self, words: tuple[str, ...]) -> bool:
        """Whether the name is exactly one of the group, or contains one of its words or stems."""
        if words in self.exact or _has(words, self.words):
            return True
        return any(word.startswith(self.stems) or word.endswith(self.stems) for word in words)


def _is_part(group: _Group, words: tuple[str, ...]) -> bool:
    return _has(words, group.words) and not _has(words, group.never)


def _has(words: Sequence[str], phrases: Iterable[tuple[str, ...]]) -> bool:
    """Whether the words contain one of the phrases. A phrase has at most five words."""
    parts = {
        tuple(words[start:end])
        for start in range(len(words))
        for end in range(start + 1, min(start + 5, len(words)) + 1)
    }
    return not parts.isdisjoint(phrases)


def _phrases(given: Iterable[str]) -> frozenset[tuple[str, ...]]:
    return frozenset(map(words_of, given))


@cache
def _group(name: str) -> _Group:
    return _Group(_table()[name])


@cache
def _table() -> dict[str, dict[str, list[str]]]:
    source = resources.files("domain.sending.files").joinpath("header_words.toml")
    return tomllib.loads(source.read_text("utf-8"))
