#!/usr/bin/env bash
# sgqlc reads the fraction of a second as a count of microseconds: of two texts, it takes the later for the earlier.
#
# Software:  sgqlc 18 (PyPI), a GraphQL client. python-dateutil 2.9.0.post0 (PyPI) reads the same times.
# Seen:      2026-11, Python 3.11.
# Behaviour: A time in JSON has any number of digits behind its seconds (RFC 3339, 5.6), and they are a fraction.
#            PostgreSQL and Go leave zeros at the end out, and JavaScript writes three digits.
#            (1) sgqlc.types.datetime reads the digits as a whole number: ".9" becomes 9 microseconds and ".95"
#                becomes 95. So a text of .5 s comes before one of .25 s.
#            (2) All times of a server in JavaScript are up to a second too early.
#            (3) Nine digits, as Go writes them, raise ValueError, which says that microseconds must be below a
#                million.
#            The module documents these types with whole seconds only. Times with exactly six digits are right.
# Output seen:
#            07:00:00.5Z: sgqlc 5, dateutil 500000
#            07:00:00.25Z: sgqlc 25, dateutil 250000
#            07:00:00.900Z: sgqlc 900, dateutil 900000
#            07:00:00.900000Z: sgqlc 900000, dateutil 900000
#            07:00:00.123456789Z: sgqlc ValueError, dateutil 123456
#            .25 is before .5: sgqlc False, dateutil True
# For us:    Ibiki writes six digits or none. docs/api/webhooks.md showed a time with one digit, and now shows six.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check sgqlc==18 python-dateutil==2.9.0.post0

cat >"$folder/observe.py" <<'PYTHON'
from dateutil.parser import isoparse
from sgqlc.types.datetime import DateTime

READERS = {"sgqlc": DateTime, "dateutil": isoparse}


def microseconds(read, text):
    try:
        return read(f"2026-11-28T{text}").microsecond
    except ValueError as error:
        return type(error).__name__


for text in ("07:00:00.5Z", "07:00:00.25Z", "07:00:00.900Z", "07:00:00.900000Z", "07:00:00.123456789Z"):
    print(f"{text}: {', '.join(f'{name} {microseconds(read, text)}' for name, read in READERS.items())}")
first, second = "2026-11-28T07:00:00.25Z", "2026-11-28T07:00:00.5Z"
print(".25 is before .5:", ", ".join(f"{name} {read(first) < read(second)}" for name, read in READERS.items()))
PYTHON

"$folder/venv/bin/python" "$folder/observe.py" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
07:00:00.5Z: sgqlc 5, dateutil 500000
07:00:00.25Z: sgqlc 25, dateutil 250000
07:00:00.900Z: sgqlc 900, dateutil 900000
07:00:00.900000Z: sgqlc 900000, dateutil 900000
07:00:00.123456789Z: sgqlc ValueError, dateutil 123456
.25 is before .5: sgqlc False, dateutil True
SEEN
