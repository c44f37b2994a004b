"""What makes a number valid in each country: the metadata of `phonenumbers`, compiled.

The library decides step by step, in 20 to 300 µs a number. The same steps are taken here over
patterns that are joined once for each calling code, in about 1 µs. Nothing of a country is written
down here; tests/sending/test_numbers.py holds the two equal.
"""

from __future__ import annotations

import re
from functools import cache

from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    PhoneMetadata,
    PhoneNumberDesc,
    region_code_for_country_code,
)

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
    """The calling code that the digits after a plus begin with; empty where there is none."""
    return _CALLING_CODES.get(digits[:3], "")


def e164(digits: str) -> str | None:
    """E.164 of what follows a plus; None where that is no valid number of any country."""
    code = calling_code(digits)
    return plan(code).e164(digits[len(code) :]) if code else None


class Region:
    """How one region dials: its prefixes, and the shape and lengths of its numbers."""

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
        """What follows the prefix for calls abroad; None where the digits do not begin with it."""
        prefix = self._abroad(digits)
        if not prefix or digits.startswith("0", prefix.end()):
            return None
        return digits[prefix.end() :]

    def after_code(self, digits: str) -> str | None:
        """What follows the region's own calling code, where the digits are meant to have it."""
        if not digits.startswith(self.code):
            return None
        rest = self._without_trunk(digits[len(self.code) :])
        meant = not self._has_shape(digits) and self._has_shape(rest)
        return rest if meant or self._is_too_long(digits) else None

    def national(self, digits: str) -> str:
        """The digits without a national prefix, where a number of possible length is left."""
        if not self._trunk.match(digits):
            return digits
        rest = self._without_trunk(digits)
        possible = len(rest) in self._lengths or self._is_too_long(rest)
        return rest if possible else digits

    def _is_too_long(self, digits: str) -> bool:
        return len(digits) > self._longest and len(digits) not in self._local_lengths

    def _without_trunk(self, digits: str) -> str:
        """Without the national prefix, or rewritten; unchanged where that would spoil a number."""
        prefix = self._trunk.match(digits)
        if not prefix or not digits:
            return digits
        if self._rewrite and prefix[self._trunk.groups] is not None:
            rest = self._trunk.sub(self._rewrite, digits, count=1)
        else:
            rest = digits[prefix.end() :]
        spoilt = self._has_shape(digits) and not self._has_shape(rest)
        return digits if spoilt else rest


class Plan:
    """The valid numbers of one calling code, which several regions may share."""

    def __init__(self, code: str) -> None:
        regions = COUNTRY_CODE_TO_REGION_CODE[int(code)]
        self.main = Region(_metadata(code, region_code_for_country_code(int(code))))
        self.valid = _any_region([_metadata(code, region) for region in regions])
        self._is_valid = re.compile(self.valid, re.ASCII).match
        self._plain = re.compile(f"(?!{self.main.trunk})(?:({self.valid})|.+)", re.ASCII).match
        self._plus_code = f"+{code}"

    def e164(self, digits: str) -> str | None:
        """E.164 of what follows the calling code; None where that is not valid."""
        if plain := self._plain(digits):
            return self._plus_code + digits if plain[1] else None
        return self.e164_of_national(self.main.national(digits))

    def e164_of_national(self, digits: str) -> str | None:
        """E.164 of digits that have no national prefix any more."""
        return self._plus_code + digits if self._is_valid(digits) else None


@cache
def plan(code: str) -> Plan:
    """The plan of a calling code, compiled on first use."""
    return Plan(code)


@cache
def region(name: str) -> Region:
    """The region of that name, such as "US". Raises KeyError where there is none."""
    metadata = PhoneMetadata.metadata_for_region(name, None)
    if metadata is None:
        raise KeyError(name)
    return Region(metadata)


def _metadata(code: str, name: str) -> PhoneMetadata:
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(int(code), name)
    assert metadata is not None
    return metadata


def _general(metadata: PhoneMetadata) -> PhoneNumberDesc:
    """What all numbers of the region have in common. Every region has it, with its lengths."""
    assert metadata.general_desc is not None
    assert metadata.general_desc.possible_length
    return metadata.general_desc


def _any_region(regions: list[PhoneMetadata]) -> str:
    """Matches a whole national number that is valid.

    Of the regions that share a code, the first whose leading digits fit decides alone; one without
    leading digits takes what is valid in it and leaves the rest to those that follow.
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
    """Matches a whole national number that is of any type in this region."""
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
    """Matches the whole of what the pattern matches, of one of these lengths where any are told."""
    either = "|".join(f"[0-9]{{{length}}}" for length in lengths)
    return (f"(?=(?:{either})\\Z)" if lengths else "") + f"(?:{pattern})\\Z"


def _without_groups(pattern: str) -> str:
    return re.sub(r"\((?!\?)", "(?:", pattern)
