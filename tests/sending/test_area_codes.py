"""Area codes that the library lacks: ours, and those of the installation's settings."""

from __future__ import annotations

from datetime import date

import phonenumbers
import pytest

from domain.numbering_plans import MISSING_AREA_CODES, AreaCode
from domain.numbers import Normaliser

CODES = [each.code for each in MISSING_AREA_CODES]


@pytest.mark.parametrize("entry", MISSING_AREA_CODES, ids=CODES)
def test_the_library_still_lacks_the_area_code(entry: AreaCode) -> None:
    number = phonenumbers.parse(f"+1{entry.code}5550101")
    assert not phonenumbers.is_valid_number(number), (
        f"phonenumbers {phonenumbers.__version__} knows area code {entry.code}:"
        " remove its entry from domain/numbering_plans.py."
    )


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("region", ["US", "CA", "GB"])
def test_a_number_in_a_missing_area_code_is_valid(code: str, region: str) -> None:
    normaliser = Normaliser(region)
    number = f"+1{code}5550101"
    assert normaliser.normalise(number) == number
    assert normaliser.normalise_many([f"001 ({code}) 555-0101"]) == [number]
    if region != "GB":
        national = [f"{code}5550101", f"1{code}5550101", f"{code}1550101", f"{code}555010"]
        assert normaliser.normalise_many(national) == [number, number, None, None]


def test_every_entry_is_complete_and_listed_once() -> None:
    assert len(set(CODES)) == len(CODES)
    assert all(len(code) == 3 and code.isdecimal() and code[0] > "1" for code in CODES)
    assert all(each.place and each.source for each in MISSING_AREA_CODES)
    assert all(date(2020, 1, 1) < each.in_service < date.today() for each in MISSING_AREA_CODES)


def test_the_settings_add_further_area_codes() -> None:
    unassigned = "535"
    number = f"+1{unassigned}5550101"
    assert Normaliser("US").normalise_many([number, number[2:]]) == [None, None]
    extended = Normaliser("US", [unassigned])
    assert extended.normalise_many([number, number[2:]]) == [number, number]
    assert Normaliser("GB", [unassigned]).normalise(number) == number
