"""The list of messages: its filters, and the tokens of its pages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from domain.ids import SidKind, find_sid, sid_of
from domain.numbers import Normaliser
from domain.pages import Window
from domain.sending.lists import MessageFilter
from domain.sending.messages import Direction
from ibiki.http.twilio.errors import invalid
from ibiki.http.twilio.forms import number_of, time_of
from ibiki.http.twilio.resources import OwnClient, PageRequest

DEFAULT_SIZE = 50
LARGEST_SIZE = 1_000
MOST_PAGES = 10**9
PAGING = frozenset({"PageSize", "Page", "PageToken"})
MESSAGE_FILTERS = frozenset({"To", "From", "DateSent", "DateSent<", "DateSent>"})
ACCOUNT_FILTERS = frozenset({"FriendlyName", "Status"})

_WHOLE_NUMBER = re.compile(r"[+-]?\d+", re.ASCII)
_MOST_DIGITS = 12
_AFTER, _BEFORE = "PA", "PB"


@dataclass(frozen=True, slots=True)
class MessageList:
    """What to read. `filter` is None if nothing can match."""

    filter: MessageFilter | None
    window: Window[UUID]
    page: PageRequest


def message_list(
    own: OwnClient, normaliser: Normaliser, path: str, query: Mapping[str, str]
) -> MessageList:
    """The part of the list that a query string asks for. Raises TwilioRefused."""
    given = {name: value for name, value in query.items() if value}
    page = page_request_of(path, given, MESSAGE_FILTERS)
    window: Window[UUID] = Window(page.size)
    if token := given.get("PageToken"):
        window = _window(token, page.size)
    elif page.number:
        raise invalid("Page needs its PageToken. Follow next_page_uri.")
    return MessageList(_filter(own, normaliser, given), window, page)


def page_request_of(path: str, given: Mapping[str, str], filters: frozenset[str]) -> PageRequest:
    """The page that a query string asks for. Raises TwilioRefused."""
    size = _number(given, "PageSize", DEFAULT_SIZE)
    return PageRequest(
        path=path,
        filters={name: value for name, value in given.items() if name in filters},
        size=min(max(size, 1), LARGEST_SIZE),
        number=min(max(_number(given, "Page", 0), 0), MOST_PAGES),
    )


def token_after(key: UUID) -> str:
    """The token of the page that follows a message."""
    return _AFTER + sid_of(SidKind.MESSAGE, key)


def token_before(key: UUID) -> str:
    """The token of the page that ends before a message."""
    return _BEFORE + sid_of(SidKind.MESSAGE, key)


def _window(token: str, size: int) -> Window[UUID]:
    key = find_sid(SidKind.MESSAGE, token[2:])
    if key is None or token[:2] not in (_AFTER, _BEFORE):
        raise invalid("PageToken is not valid. Follow next_page_uri as it was given.")
    if token[:2] == _AFTER:
        return Window(size, after=key)
    return Window(size, before=key, from_end=True)


def _filter(
    own: OwnClient, normaliser: Normaliser, given: Mapping[str, str]
) -> MessageFilter | None:
    ends = _ends(own, normaliser, given)
    if ends is None:
        return None
    after, before = [], []
    if "DateSent" in given:
        day = time_of("DateSent", given["DateSent"]).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        after.append(day)
        before.append((day, timedelta(days=1)))
    if "DateSent>" in given:
        after.append(time_of("DateSent>", given["DateSent>"]))
    if "DateSent<" in given:
        before.append((time_of("DateSent<", given["DateSent<"]), timedelta(seconds=1)))
    try:
        ending = [moment + length for moment, length in before]
    except OverflowError:
        ending = []  # 9999-12-31 has no next day
    return replace(
        ends, created_after=max(after, default=None), created_before=min(ending, default=None)
    )


def _ends(own: OwnClient, normaliser: Normaliser, given: Mapping[str, str]) -> MessageFilter | None:
    """The messages from and to these numbers; None if there can be none.

    One of the two is the client's own number. That decides the direction.
    """
    to, sender = (
        _stored(normaliser, given[name]) if name in given else None for name in ("To", "From")
    )
    numbers = own.client.assigned_numbers
    if to is None and sender is None:
        return MessageFilter()
    if to in numbers and sender not in numbers:
        receiver = None if to == own.only_number else to
        return MessageFilter(direction=Direction.INBOUND, number=sender, receiver=receiver)
    if sender is not None and sender == own.only_number and to not in numbers:
        return MessageFilter(direction=Direction.OUTBOUND, number=to)
    if to is None:
        return (
            None if sender in numbers else MessageFilter(direction=Direction.INBOUND, number=sender)
        )
    return MessageFilter(direction=Direction.OUTBOUND, number=to) if sender is None else None


def _stored(normaliser: Normaliser, given: str) -> str:
    """A number as it is stored. Other text is kept: it may be the name of a sender."""
    written = number_of(normaliser, given)
    (number,) = normaliser.normalise_many([written])
    return number or written.replace("\x00", "")


def _number(given: Mapping[str, str], name: str, default: int) -> int:
    text = given.get(name)
    if text is None:
        return default
    if not _WHOLE_NUMBER.fullmatch(text):
        raise invalid(f"{name} must be a whole number.")
    return int(text) if len(text) <= _MOST_DIGITS else -1 if text[0] == "-" else MOST_PAGES
