"""Which numbers are valid in each country: the metadata of `phonenumbers`, compiled.

The library takes 20 to 300 µs for a number. This module joins the library's patterns once for each
calling code and takes about 1 µs. It contains no rule of any country, except for the area codes
that the library lacks; tests/sending/test_numbers.py compares both on generated numbers.
"""

from __future__ import annotations

import re
from functools import cache

from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    NumberParseException,
    PhoneMetadata,
    PhoneNumberDesc,
    PhoneNumberFormat,
    ValidationResult,
    format_number,
    is_possible_number_with_reason,
    parse,
    region_code_for_country_code,
)

NO_AREA_CODES: frozenset[str] = frozenset()

_CALLING_CODES = {
    f"{code}{rest}"[:3]: str(code)
    for code in COUNTRY_CODE_TO_REGION_CODE
    for rest in (f"{n:02}" for n in range(100))
}
_TYPES = (
    "fixed_line",
    "mobile",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
)


def calling_code(digits: str) -> str:
    """The calling code at the start of the digits after a plus; empty if there is none."""
    return _CALLING_CODES.get(digits[:3], "")


def national_digits(number: str) -> str:
    """The digits of an E.164 number without its calling code."""
    digits = number.removeprefix("+")
    return digits.removeprefix(calling_code(digits))


def e164(digits: str, area_codes: frozenset[str] = NO_AREA_CODES) -> str | None:
    """E.164 of the digits after a plus; None if they are not a valid number of any country.

    `area_codes`: North American area codes beyond those of the library and of our table.
    """
    code = calling_code(digits)
    return plan(code, area_codes).e164(digits[len(code) :]) if code else None


def possible_e164(number: str, region_code: str) -> str | None:
    """E.164 of a number that has a possible length in its country; None for any other.

    For inbound messages: the message proves that its sender exists, even if the library does not
    know the range yet.
    """
    try:
        parsed = parse(number, region_code)
    except NumberParseException:
        return None
    if is_possible_number_with_reason(parsed) != ValidationResult.IS_POSSIBLE:
        return None
    return format_number(parsed, PhoneNumberFormat.E164)


class Region:
    """How a region dials: its prefixes, and the shape and lengths of its numbers."""

    def __init__(self, metadata: PhoneMetadata) -> None:
        general = _general(metadata)
        self.code = str(metadata.country_code)
        self.shape = f"(?:{general.national_number_pattern})\\Z"
        self.abroad = _without_groups(metadata.international_prefix or "(?!)")
        self.trunk = _without_groups(metadata.national_prefix_for_parsing or "(?!)")
        self._rewrite = metadata.national_prefix_transform_rule
        self._local_lengths = frozenset(general.possible_length_local_only)
        self._lengths = frozenset(general.possible_length) - self._local_lengths
        self._longest = max(general.possible_length)
        possible = _of_length(tuple(sorted(self._lengths)), "[0-9]+")
        self.dropped_trunk = f"(?!{self.shape})(?>{self.trunk})(?={possible})"
        if self._rewrite:
            self.dropped_trunk = "(?!)"
        self._has_shape = re.compile(self.shape, re.ASCII).match
        self._abroad = re.compile(self.abroad, re.ASCII).match
        self._trunk = re.compile(metadata.national_prefix_for_parsing or "(?!)", re.ASCII)

    def after_abroad(self, digits: str) -> str | None:
        """The digits after the prefix for calls abroad; None if they do not begin with it."""
        prefix = self._abroad(digits)
        if not prefix or digits.startswith("0", prefix.end()):
            return None
        return digits[prefix.end() :]

    def after_code(self, digits: str) -> str | None:
        """The digits after the region's own calling code; None if they do not contain the code."""
        if not digits.startswith(self.code):
            return None
        rest = self._without_trunk(digits[len(self.code) :])
        meant = not self._has_shape(digits) and self._has_shape(rest)
        return rest if meant or self._is_too_long(digits) else None

    def national(self, digits: str) -> str:
        """The digits without the national prefix, if the rest has a possible length."""
        if not self._trunk.match(digits):
            return digits
        rest = self._without_trunk(digits)
        possible = len(rest) in self._lengths or self._is_too_long(rest)
        return rest if possible else digits

    def _is_too_long(self, digits: str) -> bool:
        return len(digits) > self._longest and len(digits) not in self._local_lengths

    def _without_trunk(self, digits: str) -> str:
        """Without the national prefix, or rewritten; unchanged if that would break a number."""
        prefix = self._trunk.match(digits)
        if not prefix or not digits:
            return digits
        if self._rewrite and prefix[self._trunk.groups] is not None:
            rest = self._trunk.sub(self._rewrite, digits, count=1)
        else:
            rest = digits[prefix.end() :]
        broken = self._has_shape(digits) and not self._has_shape(rest)
        return digits if broken else rest


class Plan:
    """The valid numbers of one calling code, which several regions may share."""

    def __init__(self, code: str, area_codes: frozenset[str]) -> None:
        regions = COUNTRY_CODE_TO_REGION_CODE[int(code)]
        self.main = Region(_metadata(code, region_code_for_country_code(int(code))))
        self.valid = _any_region([_metadata(code, region) for region in regions])
        if code == "1":
            added = area_codes | MISSING_AREA_CODES.keys()
            self.valid += f"|(?:{'|'.join(sorted(added))})[2-9][0-9]{{6}}\\Z"
        self._is_valid = re.compile(self.valid, re.ASCII).match
        self._plain = re.compile(f"(?!{self.main.trunk})(?:({self.valid})|.+)", re.ASCII).match
        self._plus_code = f"+{code}"

    def e164(self, digits: str) -> str | None:
        """E.164 of the digits after the calling code; None if they are not valid."""
        if plain := self._plain(digits):
            return self._plus_code + digits if plain[1] else None
        return self.e164_of_national(self.main.national(digits))

    def e164_of_national(self, digits: str) -> str | None:
        """E.164 of digits without a national prefix; None if they are not valid."""
        return self._plus_code + digits if self._is_valid(digits) else None


@cache
def plan(code: str, area_codes: frozenset[str] = NO_AREA_CODES) -> Plan:
    """The plan of a calling code, compiled on first use."""
    return Plan(code, area_codes)


@cache
def region(name: str) -> Region:
    """The region of that name, such as "US". Raises KeyError if it does not exist."""
    metadata = PhoneMetadata.metadata_for_region(name, None)
    if metadata is None:
        raise KeyError(name)
    return Region(metadata)


def _metadata(code: str, name: str) -> PhoneMetadata:
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(int(code), name)
    assert metadata is not None
    return metadata


def _general(metadata: PhoneMetadata) -> PhoneNumberDesc:
    """The general pattern of the region's numbers. Every region has one, with lengths."""
    assert metadata.general_desc is not None
    assert metadata.general_desc.possible_length
    return metadata.general_desc


def _any_region(regions: list[PhoneMetadata]) -> str:
    """Matches a whole national number that is valid.

    If several regions share a code, the first region whose leading digits fit decides alone. A
    region without leading digits accepts what is valid in it; the next region decides the rest.
    """
    either = "(?!)"
    for metadata in reversed(regions):
        valid = _any_type(metadata)
        if len(regions) > 1 and metadata.leading_digits:
            leading = f"(?:{metadata.leading_digits})"
            either = f"(?={leading}){valid}|(?!{leading})(?:{either})"
        else:
            either = f"{valid}|{either}"
    lengths = {length for metadata in regions for length in _general(metadata).possible_length}
    return _of_length(tuple(sorted(lengths)), either)


def _any_type(metadata: PhoneMetadata) -> str:
    """Matches a whole national number of any type in this region."""
    names = [t for t in _TYPES if t != "mobile" or not metadata.same_mobile_and_fixed_line_pattern]
    by_length: dict[tuple[int, ...], dict[str, None]] = {}
    for kind in (getattr(metadata, name) for name in names):
        if kind is not None and kind.national_number_pattern:
            by_length.setdefault(kind.possible_length, {})[kind.national_number_pattern] = None
    either = [_of_length(lengths, "|".join(kinds)) for lengths, kinds in by_length.items()]
    general = _general(metadata)
    look = _of_length(general.possible_length, general.national_number_pattern or "(?!)")
    return f"(?={look})(?:{'|'.join(either) or '(?!)'})"


def _of_length(lengths: tuple[int, ...], pattern: str) -> str:
    """Matches a whole text that the pattern matches, if its length is one of these (if any)."""
    either = "|".join(f"[0-9]{{{length}}}" for length in lengths)
    return (f"(?=(?:{either})\\Z)" if lengths else "") + f"(?:{pattern})\\Z"


def _without_groups(pattern: str) -> str:
    return re.sub(r"\((?!\?)", "(?:", pattern)


# North American area codes that are in service, and not known to `phonenumbers` yet: where, since
# when, and the source. A test fails when the library knows one of them: then remove its entry. The
# setting EXTRA_AREA_CODES adds codes that come into service before this table is updated.
MISSING_AREA_CODES = {
    "861": "western and central Illinois (overlays 309), 2023-02-24; "
    "Illinois Commerce Commission, release of 17 February 2023",
    "624": "western New York, Buffalo (overlays 716), 2023-09-11; "
    "New York Public Service Commission, case 22-C-0358",
    "436": "northeastern Ohio (overlays 440), 2024-03-01; "
    "Public Utilities Commission of Ohio, release of February 2024",
    "924": "southern Minnesota (overlays 507), 2024-08-30; "
    "Minnesota Public Utilities Commission, release of July 2024",
    "621": "Houston, Texas (overlays 281, 346, 713 and 832), 2025-01-23; "
    "Public Utility Commission of Texas, release of 15 January 2025",
    "729": "eastern Tennessee (overlays 423), 2025-09-05; "
    "Tennessee Public Utility Commission, release of 5 February 2025",
    "457": "northern Louisiana (overlays 318), 2025-09-25; "
    "Louisiana Public Service Commission, notice of February 2025",
    "679": "Detroit, Michigan (overlays 313), 2025-11-07; "
    "Michigan Public Service Commission, notice on the 313/679 overlay",
}
