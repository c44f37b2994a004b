"""Phone numbers as people write them: right, nearly right and wrong, from a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache

import phonenumbers
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneNumber, PhoneNumberType

DIGITS = "0123456789"
PREFIXES = (
    *("0", "1", "8", "9", "15", "044", "90", "183"),
    *("00", "010", "009", "001", "011", "810", "+011", "+010", "+0", "++"),
)
ABROAD = ("GB", "KE", "UG", "TZ", "DE", "IN", "MX", "CA", "JM", "BS", "BR", "IT", "AR", "FR", "RU")
FULL_WIDTH = str.maketrans(DIGITS + "+", "０１２３４５６７８９＋")
ARABIC = str.maketrans(DIGITS, "٠١٢٣٤٥٦٧٨٩")


def as_written(region: str, *, seed: int, count: int) -> Iterator[str]:
    """Numbers of this region mostly, of others, and of none."""
    rng = random.Random(f"{region} {seed}")
    for _ in range(count):
        yield punctuated(digits(region, rng), rng)


def digits(region: str, rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.06:
        return rng.choice(("", "+")) + any_digits(rng, rng.randrange(1, 16))
    if kind < 0.12:
        code = rng.choice(list(COUNTRY_CODE_TO_REGION_CODE))
        return f"+{code}{any_digits(rng, rng.randrange(4, 13))}"
    number = rng.choice(examples(region if kind < 0.8 else rng.choice(ABROAD)))
    national = spoilt(phonenumbers.national_significant_number(number), rng)
    return prefixed(number.country_code or 1, national, rng)


def spoilt(national: str, rng: random.Random) -> str:
    """Now and then with other digits, mostly at the end, or one too few or too many."""
    changed = list(national)
    for _ in range(rng.choice((0, 1, 1, 2, 4))):
        at = max(rng.randrange(len(changed)), rng.randrange(len(changed)))
        changed[at] = rng.choice(DIGITS)
    chance = rng.random()
    if chance < 0.04:
        changed.pop()
    elif chance < 0.08:
        changed.append(rng.choice(DIGITS))
    return "".join(changed)


def prefixed(code: int, national: str, rng: random.Random) -> str:
    metadata = phonenumbers.PhoneMetadata.metadata_for_region(
        phonenumbers.region_code_for_country_code(code), None
    )
    trunk = (metadata and metadata.national_prefix) or ""
    usual = (f"+{code}", f"+{code}", "", trunk, f"{code}", f"00{code}", f"011{code}")
    odd = (f"+{code}{trunk}", f"{code}{trunk}", f"++{code}", *PREFIXES)
    return rng.choice(usual if rng.random() < 0.8 else odd) + national


def punctuated(number: str, rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.6:
        return number
    if kind < 0.64:
        return number.translate(rng.choice((FULL_WIDTH, ARABIC)))
    if kind < 0.67:
        return f"{rng.choice(('tel:', 'TEL: '))}{number}"
    if kind < 0.70:
        return number + rng.choice(("x1", " ext 2", "#3", ";ext=4", "a", "/", "\x00", "\ud83d"))
    marks = rng.choice((" ", "-", ".", "() -", "\u00a0", " \u2013", "\u2011\u202f", "[]"))
    return "".join(rng.choice(marks) * (rng.random() < 0.3) + digit for digit in number)


def any_digits(rng: random.Random, length: int) -> str:
    return "".join(rng.choices(DIGITS, k=length))


@cache
def examples(region: str) -> list[PhoneNumber]:
    """One valid number of each type that the region has."""
    kinds = PhoneNumberType.values()
    found = (phonenumbers.example_number_for_type(region, kind) for kind in kinds)
    return [number for number in found if number is not None]
