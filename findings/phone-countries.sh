#!/usr/bin/env bash
# phone-iso3166 takes phones in Jersey and Guam for those of another country, and refuses numbers of new US area codes.
#
# Software:  phone-iso3166 0.4.1, its latest release, which names the country of a number, and phonenumbers 9.0.43 as a
#            second reader (PyPI).
# Seen:      2026-11, Python 3.11.
# Behaviour: A program looks up the country of a number, for a route, a price or the rules of a country. The README
#            promises the ISO 3166-1 code of the country that is associated with the number, and says nothing of these.
#            (1) Places with their own code share the calling code of another one, and have their own prefixes. For
#                mobile numbers of American Samoa, Bonaire, Guam, Guernsey, Jersey, Mayotte and Norfolk Island, it
#                returns the other one: Antarctica for Norfolk Island. For the Isle of Man, the answer is right.
#            (2) For the British Indian Ocean Territory, the answer is "DG", which is reserved and no country's code.
#            (3) Numbers in US area codes that came into use since the release, such as 738 in Los Angeles, raise
#                InvalidPhone. A program that drops what raises drops people there.
# Output seen:
#            AQ for NF
#            CW for BQ
#            DG for IO
#            GB for GG JE
#            RE for YT
#            US for AS GU
#            +1 202 555 0101: US
#            +1 235 555 0101: InvalidPhone
#            +1 686 555 0101: InvalidPhone
#            +1 738 555 0101: InvalidPhone
#            +1 748 555 0101: InvalidPhone
#            +1 821 555 0101: InvalidPhone
# For us:    Ibiki takes countries from phonenumbers. Its routes are prefixes that the operator chooses.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check phone-iso3166==0.4.1 phonenumbers==9.0.43

cat >"$folder/observe.py" <<'PYTHON'
from collections import defaultdict

import phonenumbers
from phone_iso3166.country import phone_country
from phonenumbers import PhoneNumber, PhoneNumberType, is_valid_number, region_code_for_number

NEW = (235, 686, 738, 748, 821)


def country(number):
    try:
        return phone_country(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    except Exception as error:
        return type(error).__name__


others = defaultdict(list)
for region in sorted(phonenumbers.SUPPORTED_REGIONS - {"AC"}):  # Ascension has no code there
    number = phonenumbers.example_number_for_type(region, PhoneNumberType.MOBILE)
    if number is not None and country(number) != region_code_for_number(number):
        others[country(number)].append(region)
for given, regions in sorted(others.items()):
    print(f"{given} for {' '.join(regions)}")
for area in (202, *NEW):
    number = PhoneNumber(country_code=1, national_number=area * 10_000_000 + 5_550_101)
    assert is_valid_number(number) and region_code_for_number(number) == "US"
    print(f"+1 {area} 555 0101: {country(number)}")
PYTHON

"$folder/venv/bin/python" "$folder/observe.py" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
AQ for NF
CW for BQ
DG for IO
GB for GG JE
RE for YT
US for AS GU
+1 202 555 0101: US
+1 235 555 0101: InvalidPhone
+1 686 555 0101: InvalidPhone
+1 738 555 0101: InvalidPhone
+1 748 555 0101: InvalidPhone
+1 821 555 0101: InvalidPhone
SEEN
