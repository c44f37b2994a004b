"""Spellings of spreadsheets and of people: exactly one number is read, or none."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.errors import InvalidPhoneNumber
from domain.numbers import Normaliser

US, DE, AT = Normaliser("US"), Normaliser("DE"), Normaliser("AT")
NUMBER = "+12025550101"


@pytest.mark.parametrize(
    "raw",
    [
        '="2025550101"',
        ' ="+1 202-555-0101" ',
        '=" 2025550101 "',
        '="2025550101.0"',
        "'2025550101",
        " '+12025550101",
        "'2025550101.0",
        "2025550101.0",
        "2025550101.00",
        "12025550101.0",
        "+12025550101.0",
        "2025550101.0000",
        " 2025550101.0\r\n",
        "\ufeff2025550101.0\u00a0",
        "(202) 555 0101.0",
        "٢٠٢٥٥٥٠١٠١.٠",
        "202/555/0101",
        "202/555-0101",
        "(202) / 555 0101",
        "202 ／ 5550101",
        "tel:+1-202/555-0101",
        "\t2025550101\n",
    ],
)
def test_the_spelling_of_a_spreadsheet_or_a_person_is_read(raw: str) -> None:
    assert US.normalise(raw) == NUMBER
    assert US.normalise_many(["x", raw, "2025550102"]) == [None, NUMBER, "+12025550102"]


@pytest.mark.parametrize(
    ("normaliser", "raw", "number"),
    [
        (AT, "0664/1234567", "+436641234567"),
        (AT, "+43 664/1234567", "+436641234567"),
        (AT, "01/5123456", "+4315123456"),
        (DE, "0170/1234567", "+491701234567"),
        (DE, "0170 / 123 45 67", "+491701234567"),
        (DE, "+49 (0)30/123456", "+4930123456"),
        (DE, "030/123456.0", "+4930123456"),
        (US, "+491701234567.0", "+491701234567"),
        (US, "00491701234567.00", "+491701234567"),
        (DE, "0170.1234567", "+491701234567"),
        (DE, "030.123.000", "+4930123000"),
        (DE, "030 123456-0", "+49301234560"),
        (DE, "0170 12 03 045", "+491701203045"),
    ],
)
def test_slashes_and_fractions_are_read_in_other_countries(
    normaliser: Normaliser, raw: str, number: str
) -> None:
    assert normaliser.normalise(raw) == number


EXCEL = "Excel has shortened this number"
TWO = "more than one phone number"
DECIMAL = "decimal number"


@pytest.mark.parametrize(
    ("normaliser", "raw", "words"),
    [
        (US, "2.02556E+09", EXCEL),
        (US, "2,02556E+09", EXCEL),
        (US, "1.70E+11", EXCEL),
        (US, "2025550101e0", EXCEL),
        (US, '="2.02556E+09"', EXCEL),
        (US, "4.91702E+12", EXCEL),
        (US, " 2E9 ", EXCEL),
        (US, "202555010.0", DECIMAL),  # nine digits: the zero is not the tenth
        (US, "2025550101.5", DECIMAL),
        (US, "+49170123456.78", DECIMAL),
        (US, "+49170123456.5", DECIMAL),
        (US, "12.0", DECIMAL),
        (US, ".0", DECIMAL),
        (DE, "+49301234.000", DECIMAL),  # valid with the zeros and without
        (US, "2025550101\n2025550102", TWO),
        (DE, "030 12345\n030 12346", TWO),
        (DE, "030 1234\r\n5678", TWO),
        (DE, "030 12345\u2028030 12346", TWO),
        (DE, "030 12345\t030 12346", TWO),
        (DE, "030 12345 030 12346", TWO),
        (DE, "030 12345 - 030 12346", TWO),
        (DE, "030 12345 (030) 12346", TWO),
        (US, "2025550101/2025550102", TWO),
        (US, "2025550101 2025550102", TWO),
        (US, "2025550101/02", TWO),
        (DE, "030 1234567/8", TWO),
        (DE, "030/1234567/68", TWO),
        (DE, "0170/1234567/0170/1234568", TWO),
        (AT, "0664/1234567/8", TWO),
        (US, "2025550101 / +12025550102", TWO),
        (US, "2025550101/", "in digits, with a plus"),
        (US, "/2025550101", "in digits, with a plus"),
        (US, "202//5550101", "in digits, with a plus"),
        (US, '="2025550101', "in digits, with a plus"),
        (US, "''2025550101", "in digits, with a plus"),
        (US, '=""', "in digits, with a plus"),
        (US, "'", "in digits, with a plus"),
        (US, "=2025550101", "in digits, with a plus"),
        (US, '="2025550101","2025550102"', "in digits, with a plus"),
    ],
)
def test_a_text_that_is_not_exactly_one_number_is_refused(
    normaliser: Normaliser, raw: str, words: str
) -> None:
    with pytest.raises(InvalidPhoneNumber, match=words):
        normaliser.normalise(raw)
    assert normaliser.normalise_many([raw]) == [None]


pieces = st.lists(
    st.one_of(
        st.sampled_from(["2025550101", "+12025550102", "+491701234567", "030 12345", "0664"]),
        st.sampled_from(["/", ".0", ".00", ".", " ", "\n", "'", '="', '"', "E+09", "-", "+", "0"]),
        st.text("0123456789", max_size=4),
    ),
    max_size=5,
).map("".join)


@given(pieces, st.sampled_from(["US", "DE", "AT", "UG", "IT"]))
@example("/".join("1" * 400), "DE")
@example(" 0".join("1" * 400), "DE")
@example("2000.00000", "UG")
def test_no_digit_is_ever_changed(raw: str, region: str) -> None:
    """The digits of the result are the written ones, apart from prefixes and a float's zeros."""
    [number] = Normaliser(region).normalise_many([raw])
    if number is None:
        return
    written = "".join(filter(str.isdigit, raw))
    without_fraction = written.rstrip("0") if ".0" in raw else written
    tail = number[-6:]
    assert written.endswith(tail) or (without_fraction in written and tail in written)
    assert len(number) <= len("+256") + len(written)
    assert raw.strip("\n ").count("\n") == 0
