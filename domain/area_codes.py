"""North American area codes in service that `phonenumbers` does not know yet.

A test fails when the library knows one of them: then remove its entry. The setting
EXTRA_AREA_CODES adds codes that come into service before this table is updated.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class AreaCode:
    """An assigned area code. `in_service`: the first day on which numbers were given out."""

    code: str
    place: str
    in_service: date
    source: str


MISSING_AREA_CODES = (
    AreaCode(
        "861",
        "western and central Illinois (overlays 309)",
        date(2023, 2, 24),
        "Illinois Commerce Commission, release of 17 February 2023",
    ),
    AreaCode(
        "624",
        "western New York, Buffalo (overlays 716)",
        date(2023, 9, 11),
        "New York Public Service Commission, case 22-C-0358",
    ),
    AreaCode(
        "436",
        "northeastern Ohio (overlays 440)",
        date(2024, 3, 1),
        "Public Utilities Commission of Ohio, release of February 2024",
    ),
    AreaCode(
        "924",
        "southern Minnesota (overlays 507)",
        date(2024, 8, 30),
        "Minnesota Public Utilities Commission, release of July 2024",
    ),
    AreaCode(
        "621",
        "Houston, Texas (overlays 281, 346, 713 and 832)",
        date(2025, 1, 23),
        "Public Utility Commission of Texas, release of 15 January 2025",
    ),
    AreaCode(
        "729",
        "eastern Tennessee (overlays 423)",
        date(2025, 9, 5),
        "Tennessee Public Utility Commission, release of 5 February 2025",
    ),
    AreaCode(
        "457",
        "northern Louisiana (overlays 318)",
        date(2025, 9, 25),
        "Louisiana Public Service Commission, notice of February 2025",
    ),
    AreaCode(
        "679",
        "Detroit, Michigan (overlays 313)",
        date(2025, 11, 7),
        "Michigan Public Service Commission, notice on the 313/679 overlay",
    ),
)
