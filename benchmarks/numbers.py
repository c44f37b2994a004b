"""Normalising a million numbers as people write them in lists, against `phonenumbers` alone.

Processor time, because a busy machine distorts it less. The best of three.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

import phonenumbers
from phonenumbers import PhoneNumberFormat

from benchmarks.measurement import Measurement
from domain.numbers import Normaliser
from domain.sending.recipients import sort_normalised

COUNT = 1_000_000
SAMPLE = 5_000


def main() -> list[Measurement]:
    """Seconds for the million, the library's time ÷ ours, and the time to sort."""
    raws = mixed(COUNT)
    normaliser = Normaliser("US")
    normaliser.normalise_many(raws[:SAMPLE])
    ours = best_seconds(lambda: normaliser.normalise_many(raws))
    library = best_seconds(lambda: [plain(raw) for raw in raws[:SAMPLE]]) / SAMPLE * COUNT
    bulk = raws[:100_000]
    normalised = normaliser.normalise_many(bulk)
    return [
        Measurement("1,000,000 mixed numbers", ours, "s", at_most=2.0),
        Measurement("phonenumbers alone ÷ ours", library / ours, "times"),
        Measurement("home numbers of ten digits", per_number(normaliser, home), "µs each"),
        Measurement("numbers of other countries", per_number(normaliser, foreign), "µs each"),
        Measurement("numbers that are none", per_number(normaliser, wrong), "µs each"),
        Measurement(
            "sorting 100,000, normalised before",
            best_seconds(lambda: sort_normalised(bulk, normalised)) * 1_000,
            "ms",
        ),
    ]


def best_seconds(work: Callable[[], object], times: int = 3) -> float:
    """Processor time of the fastest of several runs, in seconds."""
    taken = []
    for _ in range(times):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return min(taken)


def per_number(
    normaliser: Normaliser, make: Callable[[random.Random], str], count: int = 100_000
) -> float:
    """Microseconds for each number of one kind."""
    rng = random.Random(2)
    raws = [make(rng) for _ in range(count)]
    return best_seconds(lambda: normaliser.normalise_many(raws)) / count * 1e6


def plain(raw: str) -> str | None:
    """The same by the library, as most programs call it."""
    try:
        number = phonenumbers.parse(raw, "US")
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def mixed(count: int) -> list[str]:
    """Seven in ten home numbers in plain spellings, two punctuated or foreign, one wrong."""
    rng = random.Random(1)
    kinds = rng.choices(
        (home, eleven, e164, punctuated, foreign, wrong), (3, 2, 2, 1, 1, 1), k=count
    )
    return [kind(rng) for kind in kinds]


def home(rng: random.Random) -> str:
    area = rng.choice(("202", "212", "305", "416", "602", "713", "787", "808", "876", "917"))
    return f"{area}{rng.randrange(200, 1_000)}{rng.randrange(10_000):04}"


def eleven(rng: random.Random) -> str:
    return f"1{home(rng)}"


def e164(rng: random.Random) -> str:
    return f"+1{home(rng)}"


def punctuated(rng: random.Random) -> str:
    number = home(rng)
    shape = rng.choice(
        ("({}) {}-{}", "{}.{}.{}", "+1 {} {} {}", "tel:+1-{}-{}-{}", "1 {}\u00a0{}\u00a0{}")
    )
    return shape.format(number[:3], number[3:6], number[6:])


def foreign(rng: random.Random) -> str:
    start, length = rng.choice(
        (("+447700", 6), ("+44 (0)20 7946 ", 4), ("+2547", 8), ("+25677", 7), ("0049151", 8))
    )
    return f"{start}{rng.randrange(10**length):0{length}}"


def wrong(rng: random.Random) -> str:
    number = home(rng)
    return rng.choice((number[:9], number + "7", "211" + number[3:], number + " ext 4", "none", ""))
