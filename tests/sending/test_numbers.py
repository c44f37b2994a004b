"""The normaliser compared with tables, and with `phonenumbers` itself on generated numbers."""

from __future__ import annotations

import random
import re
import time
import unicodedata
from collections.abc import Iterator

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from phonenumbers import PhoneNumber, PhoneNumberFormat, PhoneNumberType

from domain.errors import InvalidPhoneNumber
from domain.numbering_plans import MISSING_AREA_CODES
from domain.numbers import Normaliser
from tests.sending.numbers_as_written import as_written, examples

US = Normaliser("US")
MISSING = MISSING_AREA_CODES.keys()

# Likely home regions, and every special dialling rule of the metadata.
REGIONS = [
    *("US",) * 8,
    *("CA", "BS", "JM", "DO", "PR"),
    *("GB", "UG", "KE", "DE", "TZ", "RW", "NG", "ZA", "IN", "FR", "IT", "ES", "AU", "JP"),
    *("BR", "AR", "MX", "RU", "KZ", "BY", "CN", "HK", "SG", "CO", "CL", "FI", "LT", "HU"),
]


# test_number_spellings.py covers these; the library has no rule for them.
SPECIAL = re.compile(
    r"""[/／\t\n\r\v\f\x85\u2028\u2029'"]|^\s*\+?[0-9]{7,}\.[0-9]{1,2}\s*$|^[^.]*\.0+[^0-9.]*$"""
)


def reference(raw: str, region: str) -> str | None:
    """The number that product.md describes: strip the characters, then ask the library."""
    if len(raw) > 1_000:
        return None
    stripped = "".join(map(stripped_to, raw))
    if stripped[:4].lower() == "tel:":
        stripped = stripped[4:]
    if not set(stripped) <= set("0123456789+"):
        return None
    out_of_home = ["00"] + ["011"] * (phonenumbers.country_code_for_region(region) == 1)
    for prefix in out_of_home:
        if stripped.startswith(prefix):
            stripped = "+" + stripped.removeprefix(prefix)
            break
    try:
        number = phonenumbers.parse(stripped, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def stripped_to(character: str) -> str:
    if character in " -.()[]{}（）［］｛｝．·•−ー":
        return ""
    if character == "＋":
        return "+"
    match unicodedata.category(character):
        case "Nd":
            return str(unicodedata.digit(character))
        case "Zs" | "Pd":
            return ""
        case "Cf" if character in "\xad\ufeff\u2060" or "\u200b" <= character <= "\u2069":
            return ""
        case _:
            return character


def refusal(raw: str, normaliser: Normaliser = US) -> str:
    with pytest.raises(InvalidPhoneNumber) as refused:
        normaliser.normalise(raw)
    return refused.value.message


@pytest.mark.parametrize(
    "raw",
    [
        "2025550123",
        "12025550123",
        "+12025550123",
        "0012025550123",
        "01112025550123",
        "+1 (202) 555-0123",
        "(202) 555-0123",
        "202.555.0123",
        "[202] 555 0123",
        "202\u00a0555\u202f0123",
        "202‑555–0123",
        "1-202-555-0123",
        "00 1 202 555 0123",
        "0-1-1 1 202 555 0123",
        " 2025550123\r\n",
        "\ufeff2025550123",
        "\u202a+1 202-555-0123\u202c",
        "２０２５５５０１２３",
        "＋１ （２０２） ５５５－０１２３",
        "٢٠٢٥٥٥٠١٢٣",
        "٠٠١٢٠٢٥٥٥٠١٢٣",
        "tel:+1-202-555-0123",
        "TEL: 202 555 0123",
        "++12025550123",
        "+1 1 202 555 0123",
        "+011 1 202 555 0123",
    ],
)
def test_a_spelling_is_read(raw: str) -> None:
    assert US.normalise(raw) == "+12025550123"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("", "Give a phone number."),
        (" \t", "Give a phone number."),
        ("tel:", "Give a phone number."),
        ("-", "Give a phone number."),
        ("202555CALL", "has no letters"),
        ("call 2025550123", "has no letters"),
        ("Tel. 2025550123", "has no letters"),
        ("２０２５５５Ａ", "has no letters"),
        ("2025550123x7", "extension"),
        ("2025550123 ext. 7", "extension"),
        ("2025550123 EXTENSION: 77", "extension"),
        ("2025550123#7", "extension"),
        ("2025550123,7", "extension"),
        ("2025550123,,7", "extension"),
        ("tel:+1-202-555-0123;ext=7", "extension"),
        ("tel:tel:2025550123", "has no letters"),
        ("tel:2025550123;phone-context=+1", "has no letters"),
        ("2025550123, 2025550124", "more than one phone number"),
        ("1+2025550123", "in digits, with a plus"),
        ("*2025550123", "in digits, with a plus"),
        ("2025550123\x00", "in digits, with a plus"),
        ("\x002025550123", "in digits, with a plus"),
        ("202555\ud83d0123", "in digits, with a plus"),
        ("²025550123", "in digits, with a plus"),
        ("+", "in digits, with a plus"),
        ("00", "not a valid"),
        ("202555012", "not a valid"),
        ("20255501234", "not a valid"),
        ("1202555012", "not a valid"),
        ("2025550123" * 2, "not a valid"),
        ("0202555012", "not a valid"),
        ("2021550123", "not a valid"),  # no exchange begins with 1
        ("1115550123", "not a valid"),
        ("2115550123", "not a valid"),  # no area code
        ("+2102025550123", "not a valid"),  # no calling code
        ("+0012025550123", "not a valid"),
        ("9" * 250, "not a valid"),
        ("9" * 251, "not a valid"),
        ("9" * 10_000, "too long"),
        (" " * 991 + "2025550123", "too long"),
    ],
)
def test_a_refusal_says_why(raw: str, words: str) -> None:
    assert words in refusal(raw)
    assert US.normalise_many([raw]) == [None]


def test_ten_digits_and_011_are_read_only_in_home_region_1() -> None:
    kenya = Normaliser("KE")
    mobile = phonenumbers.example_number_for_type("KE", PhoneNumberType.MOBILE)
    assert mobile is not None
    e164 = phonenumbers.format_number(mobile, PhoneNumberFormat.E164)
    assert kenya.normalise(f"0{mobile.national_number}") == e164
    assert kenya.normalise(f"00{e164[1:]}") == e164
    assert US.normalise(f"011{e164[1:]}") == e164
    assert kenya.normalise_many(["2025550123", "011" + "12025550123"]) == [None, None]
    assert kenya.normalise("+12025550123") == "+12025550123"


def test_an_unknown_region_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        Normaliser("XX")


def test_a_list_is_answered_in_order_even_with_strange_inputs_in_it() -> None:
    strange = ["2025550100", "\x00", "2025550101\x002025550102", "", "7" * 2_000, "٢", "\ud800"]
    raws = [*strange, "1 202 555 0103"] * 5_000
    expected = ["+12025550100", None, None, None, None, None, None, "+12025550103"] * 5_000
    assert US.normalise_many(raws) == expected
    assert US.normalise_many([]) == []


@pytest.mark.parametrize("region", sorted(set(REGIONS)))
def test_a_long_list_of_e164_is_read_like_its_numbers_alone(region: str) -> None:
    normaliser = Normaliser(region)
    found = normaliser.normalise_many(list(as_written(region, seed=7, count=2_000)))
    code = f"+{phonenumbers.country_code_for_region(region)}"
    valid = [number for number in found if number and number.startswith(code)]
    assert len(valid) > 120
    # Cut, longer, with another first digit, without the plus, and two in a row.
    wrong = [valid[0][:-1], valid[1] + "0", f"{code}0{valid[2][3:]}", valid[3][1:], valid[4] * 2]
    for last in (valid[5], *wrong):
        numbers = [*valid, last, valid[0]]
        expected = [normaliser.normalise_many([each])[0] for each in numbers]
        assert normaliser.normalise_many(numbers) == expected


def test_two_numbers_in_one_input_do_not_make_up_for_an_empty_one() -> None:
    numbers = [f"+120255501{place:02}" for place in range(100)]
    raws = [*numbers, f"{numbers[0]}\x00{numbers[1]}", ""]
    assert US.normalise_many(raws) == [*numbers, None, None]


@pytest.mark.parametrize("part", range(len(REGIONS)))
def test_the_result_equals_the_library(part: int) -> None:
    region = REGIONS[part]
    phonenumbers.enable_pattern_cache()
    raws = list(as_written(region, seed=part, count=6_000))
    expected = [reference(raw, region) for raw in raws]
    assert expected.count(None) < 0.9 * len(raws)
    assert differences(raws, expected, region) == []


@pytest.mark.parametrize("tens", range(20))
def test_every_area_code_and_exchange_equals_the_library(tens: int) -> None:
    rng = random.Random(tens)
    heads = [f"{area}{rng.randrange(1_000):03}" for area in range(tens, 1_000, 20)] * 4
    heads += [f"52{middle:04}" for middle in range(tens, 10_000, 80)]
    raws = [f"{rng.choice(['', '1', '+1'])}{head}0123"[:12] for head in heads]
    assert differences(raws, [reference(raw, "US") for raw in raws], "US") == []


@pytest.mark.parametrize("part", range(8))
def test_the_result_equals_the_library_in_every_region_of_the_world(part: int) -> None:
    phonenumbers.enable_pattern_cache()
    for region in sorted(phonenumbers.SUPPORTED_REGIONS)[part::8]:
        raws = list(as_written(region, seed=part, count=200))
        raws += [phonenumbers.format_number(n, PhoneNumberFormat.E164) for n in examples(region)]
        assert differences(raws, [reference(raw, region) for raw in raws], region) == []


def differences(
    raws: list[str], expected: list[str | None], region: str
) -> list[tuple[str, str | None, str | None]]:
    found = Normaliser(region).normalise_many(raws)
    compared = zip(raws, expected, found, strict=True)
    return [
        (raw, want, have)
        for raw, want, have in compared
        if want != have and not SPECIAL.search(raw) and not in_missing_area(have)
    ]


def in_missing_area(number: str | None) -> bool:
    """Whether our own table makes the number valid, and not the library."""
    return number is not None and number[:2] == "+1" and number[2:5] in MISSING


numberish = st.text(
    st.one_of(
        st.sampled_from("0123456789+ -.()"),
        st.sampled_from("0120123456789"),
        st.sampled_from("０９٠٩＋（－\u00a0\ufeff\u202a,;#x/*~\x00\ud800tel:"),
        st.characters(codec=None),
    ),
    max_size=30,
)


@given(numberish, st.sampled_from(["US", "GB", "UG", "DE"]))
@example("+" * 240 + "12025550123", "US")
@example("+" * 239 + "12025550123", "US")
def test_any_string_is_read_as_the_reference_reads_it_or_refused(raw: str, region: str) -> None:
    normaliser = Normaliser(region)
    assert differences([raw], [reference(raw, region)], region) == []
    try:
        number = normaliser.normalise(raw)
    except InvalidPhoneNumber as refused:
        refused.message.encode()
        assert normaliser.normalise_many([raw]) == [None]
    else:
        assert normaliser.normalise(number) == number


def test_rare_characters_take_linear_time_and_are_not_remembered() -> None:
    rare = "".join(map(chr, range(0x20000, 0x20000 + 900)))
    started = time.thread_time()
    assert US.normalise_many([rare] * 100) == [None] * 100
    assert time.thread_time() - started < 1


def test_an_e164_number_stays_the_same_in_every_region() -> None:
    for number in all_examples():
        e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
        if reference(e164, "US") == e164:
            assert US.normalise(e164) == e164


def all_examples() -> Iterator[PhoneNumber]:
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        yield from examples(region)
