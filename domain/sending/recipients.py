"""Who a request is sent to: numbers normalised, each once, and the reason for each that is not.

Duplicates count once and are charged once. Where every recipient has a text of its own, a
duplicate is the same number and the same text.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Sequence
from dataclasses import dataclass

from domain.numbers import Normaliser, why_invalid
from domain.rejections import SENTENCES, RejectedRecipient, RejectionReason

MOST_LISTED = 1_000
"""Rejected recipients that are kept one by one; all of them are counted."""

LONGEST_ECHO = 64
"""Characters of a rejected input that are given back."""

_UNSTORABLE = dict.fromkeys((0, *range(0xD800, 0xE000)), "\N{REPLACEMENT CHARACTER}")


@dataclass(frozen=True, slots=True)
class Recipients:
    """The recipients of one request, sorted.

    `numbers` are E.164 in order of first appearance, `positions` where each was, from 0.
    `rejected` holds the first 1,000; `rejected_count` counts all.
    """

    numbers: list[str]
    positions: list[int]
    rejected: list[RejectedRecipient]
    rejected_count: int


def sort_recipients(
    inputs: Sequence[str],
    normaliser: Normaliser,
    *,
    texts: Sequence[str] | None = None,
    opted_out: Container[str] = frozenset(),
) -> Recipients:
    """The recipients accepted, and those rejected with the reason.

    `texts`: one an input, same order, where each recipient has its own. `opted_out`: E.164.
    """
    normalised = normaliser.normalise_many(inputs)
    return sort_normalised(inputs, normalised, texts=texts, opted_out=opted_out)


def sort_normalised(
    inputs: Sequence[str],
    normalised: Sequence[str | None],
    *,
    texts: Sequence[str] | None = None,
    opted_out: Container[str] = frozenset(),
) -> Recipients:
    """The same where the numbers are known already: opt-outs are looked up by number."""
    keys: Sequence[Hashable] = normalised
    if texts is not None:
        keys = list(zip(normalised, texts, strict=True))
    numbers: list[str] = []
    positions: list[int] = []
    refused: list[tuple[int, RejectionReason]] = []
    seen: set[Hashable] = set()
    for position, (number, key) in enumerate(zip(normalised, keys, strict=True)):
        if number is None:
            refused.append((position, RejectionReason.INVALID))
        elif number in opted_out:
            refused.append((position, RejectionReason.OPTED_OUT))
        elif key in seen:
            refused.append((position, RejectionReason.DUPLICATE))
        else:
            seen.add(key)
            numbers.append(number)
            positions.append(position)
    rejected = [rejected_recipient(inputs[at], at, why) for at, why in refused[:MOST_LISTED]]
    return Recipients(numbers, positions, rejected, len(refused))


def rejected_recipient(
    raw: str, position: int, reason: RejectionReason, *, message: str | None = None
) -> RejectedRecipient:
    """A rejected recipient; `raw` is cut and made fit to be stored.

    `message`: None says what is wrong with an invalid number, else the usual sentence.
    """
    if message is None:
        message = why_invalid(raw) if reason is RejectionReason.INVALID else SENTENCES[reason]
    fit = raw[:LONGEST_ECHO].translate(_UNSTORABLE)
    return RejectedRecipient(fit, position, reason, message)
