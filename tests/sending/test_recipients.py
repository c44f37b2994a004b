"""Recipients: the accepted ones, the rejected ones with the reason, and the memory they take."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence, Set

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import (
    SENTENCES,
    InvalidPhoneNumber,
    RateLimited,
    RejectedRecipient,
    RejectionReason,
)
from domain.numbers import Normaliser
from domain.sending.recipients import (
    LARGE_LIST,
    RecipientMemory,
    Recipients,
    sort_normalised,
)

US = Normaliser("US")
SPELLINGS = ["2025550100", "+12025550100", "(202) 555-0101", "12025550101", "2025550102", "no", ""]


def sort_recipients(
    inputs: Sequence[str],
    *,
    texts: Sequence[str] | None = None,
    opted_out: Set[str] = frozenset(),
) -> Recipients:
    normalised = US.normalise_many(inputs)
    return sort_normalised(inputs, normalised, texts=texts, opted_out=opted_out)


def rejections(recipients: Recipients) -> list[tuple[int, str]]:
    return [(rejected.position, rejected.reason.value) for rejected in recipients.rejected]


def test_a_number_in_another_spelling_is_a_duplicate() -> None:
    recipients = sort_recipients(
        ["2025550101", "x", "+12025550100", "(202) 555-0101", "2025550100"]
    )
    assert recipients.numbers == ["+12025550101", "+12025550100"]
    assert recipients.positions == [0, 2]
    assert rejections(recipients) == [(1, "INVALID"), (3, "DUPLICATE"), (4, "DUPLICATE")]
    assert recipients.rejected_count == 3
    assert recipients.rejected[1] == RejectedRecipient(
        input="(202) 555-0101",
        position=3,
        reason=RejectionReason.DUPLICATE,
        message="This is a duplicate. It is sent and charged once.",
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "Give a phone number."),
        ("hello", "A phone number has no letters. Write it in digits."),
        ("202-555-0101 ext. 5", "A message cannot be sent to an extension. Give the number alone."),
        ("2,025,550,103", "Write the phone number without commas."),
        ("+1 202,555,0103", "Write the phone number without commas."),
        ("2,025,550,103.00", "Write the phone number without commas."),
        ("202-555-0101,,5", "A message cannot be sent to an extension. Give the number alone."),
        (
            "555",
            "This is not a valid phone number. "
            "Numbers of other countries begin with a plus and the country's code.",
        ),
        ("1" * 1_001, "This is too long to be a phone number."),
    ],
)
def test_a_rejected_number_has_the_same_sentence_as_when_it_is_normalised_alone(
    given: str, message: str
) -> None:
    (rejected,) = sort_recipients([given]).rejected
    assert (rejected.reason, rejected.message) == (RejectionReason.INVALID, message)
    with pytest.raises(InvalidPhoneNumber) as refused:
        US.normalise(given)
    assert str(refused.value) == message


def test_every_reason_has_a_sentence() -> None:
    assert set(SENTENCES) == set(RejectionReason)


def test_with_a_text_each_only_the_same_number_with_the_same_text_is_a_duplicate() -> None:
    recipients = sort_recipients(
        ["2025550100", "12025550100", "2025550100", "2025550101"],
        texts=["hello", "hello", "bye", "hello"],
    )
    assert recipients.numbers == ["+12025550100", "+12025550100", "+12025550101"]
    assert recipients.positions == [0, 2, 3]
    assert rejections(recipients) == [(1, "DUPLICATE")]


def test_an_opted_out_number_is_rejected_as_such_each_time() -> None:
    recipients = sort_recipients(
        ["2025550100", "2025550101", "2025550100"], opted_out={"+12025550100"}
    )
    assert recipients.numbers == ["+12025550101"]
    assert rejections(recipients) == [(0, "OPTED_OUT"), (2, "OPTED_OUT")]


def test_the_first_1000_rejected_are_listed_and_all_are_counted() -> None:
    recipients = sort_recipients(["nobody"] * 1_001 + ["2025550100"] + ["nobody"] * 500)
    assert recipients.numbers == ["+12025550100"]
    assert recipients.rejected_count == 1_501
    assert [rejected.position for rejected in recipients.rejected] == list(range(1_000))


@pytest.mark.parametrize(
    ("given_as", "echoed"),
    [
        ("x" * 64, "x" * 64),
        ("x" * 10_000, "x" * 64),
        ("a\x00b", "a\N{REPLACEMENT CHARACTER}b"),
        ("\ud83dx", "\N{REPLACEMENT CHARACTER}x"),
        ("😀x", "😀x"),
    ],
)
def test_a_rejected_input_is_shortened_and_can_be_stored(given_as: str, echoed: str) -> None:
    assert sort_recipients([given_as]).rejected[0].input == echoed


def test_there_must_be_one_text_for_each_recipient() -> None:
    with pytest.raises(ValueError, match="shorter"):
        sort_recipients(["2025550100"], texts=[])


@given(
    st.lists(
        st.tuples(st.one_of(st.sampled_from(SPELLINGS), st.text()), st.sampled_from("ab")),
        max_size=30,
    ),
    st.sets(st.sampled_from(["+12025550100", "+12025550102"])),
    st.booleans(),
)
def test_every_recipient_is_accepted_once_or_rejected_once(
    requested: list[tuple[str, str]], opted_out: set[str], multi: bool
) -> None:
    inputs = [number for number, _ in requested]
    texts = [text for _, text in requested] if multi else None
    recipients = sort_recipients(inputs, texts=texts, opted_out=opted_out)

    rejected = [rejection.position for rejection in recipients.rejected]
    assert sorted(recipients.positions + rejected) == list(range(len(requested)))
    assert recipients.positions == sorted(recipients.positions)
    assert recipients.rejected_count == len(rejected)
    assert recipients.numbers == [US.normalise(inputs[at]) for at in recipients.positions]
    keys = [(US.normalise(inputs[at]), texts and texts[at]) for at in recipients.positions]
    assert len(keys) == len(set(keys))
    assert not opted_out & set(recipients.numbers)
    stored = json.dumps([rejection.input for rejection in recipients.rejected], ensure_ascii=False)
    assert "\\u0000" not in stored.encode().decode()


@pytest.mark.parametrize("last", ["+12025550100", "not a number"])
def test_a_long_list_can_have_one_that_is_rejected_at_its_end(last: str) -> None:
    """It is looked at in parts. Most lists have none."""
    valid = [f"+1202555{each:04}" for each in range(100, 2_200)]
    plain, other = sort_recipients(valid), sort_recipients([*valid, last])
    assert plain.numbers == other.numbers == valid
    assert plain.positions == other.positions == list(range(len(valid)))
    assert [each.position for each in other.rejected] == [len(valid)]
    assert (plain.rejected_count, other.rejected_count) == (0, 1)


def test_100_000_recipients_are_sorted_within_a_second() -> None:
    rng = random.Random(1)
    inputs = [f"+1202555{rng.randrange(10_000):04}" for _ in range(100_000)]
    normalised = US.normalise_many(inputs)
    seconds = []
    for _ in range(3):  # the garbage collector may run in one of them
        started = time.thread_time()
        recipients = sort_normalised(inputs, normalised, texts=inputs)
        seconds.append(time.thread_time() - started)
        assert len(recipients.numbers) + recipients.rejected_count == 100_000
    assert min(seconds) < 1.0  # tens of milliseconds on an idle machine


def test_when_the_memory_is_reserved_only_small_requests_pass() -> None:
    memory = RecipientMemory(3 * LARGE_LIST)
    with memory.reserve(LARGE_LIST), memory.reserve(2 * LARGE_LIST):
        with pytest.raises(RateLimited), memory.reserve(LARGE_LIST):
            pass
        with memory.reserve(LARGE_LIST - 1):
            pass
    with memory.reserve(3 * LARGE_LIST):
        pass


def test_a_request_of_any_size_passes_if_there_is_no_other() -> None:
    memory = RecipientMemory(LARGE_LIST)
    with memory.reserve(10 * LARGE_LIST), pytest.raises(RateLimited), memory.reserve(LARGE_LIST):
        pass


def test_a_request_that_fails_gives_its_memory_back() -> None:
    memory = RecipientMemory(LARGE_LIST)
    for _ in range(2):
        with pytest.raises(KeyError), memory.reserve(2 * LARGE_LIST):
            raise KeyError
    with memory.reserve(2 * LARGE_LIST):
        pass
