"""Area codes that the library lacks: ours, and those of the installation's settings."""

from __future__ import annotations

import phonenumbers
import pytest

from domain.numbering_plans import MISSING_AREA_CODES
from domain.numbers import Normaliser

CODES = list(MISSING_AREA_CODES)


@pytest.mark.parametrize("code", CODES)
def test_the_library_still_lacks_the_area_code(code: str) -> None:
    number = phonenumbers.parse(f"+1{code}5550101")
    assert not phonenumbers.is_valid_number(number), (
        f"phonenumbers {phonenumbers.__version__} knows area code {code}:"
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


def test_every_entry_is_an_area_code() -> None:
    assert all(len(code) == 3 and code.isdecimal() and code[0] > "1" for code in CODES)


def test_the_settings_add_further_area_codes() -> None:
    unassigned = "535"
    number = f"+1{unassigned}5550101"
    assert Normaliser("US").normalise_many([number, number[2:]]) == [None, None]
    extended = Normaliser("US", [unassigned])
    assert extended.normalise_many([number, number[2:]]) == [number, number]
    assert Normaliser("GB", [unassigned]).normalise(number) == number
