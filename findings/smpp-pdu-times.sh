#!/usr/bin/env bash
# smpp.pdu3 writes a time with the offset that its zone has today: after the clocks change, a text is due an hour off.
#
# Software:  smpp.pdu3 0.6 (PyPI), the SMPP library of Jasmin and smpp.twisted3, and smpp 0.5.1 (npm) as a second reader.
# Seen:      2026-11, Python 3.11, Node 20.
# Behaviour: SMPP 3.4 (7.1.1) writes a time with its offset from UTC, as quarters of an hour. A program gives the
#            library an aware datetime for schedule_delivery_time or validity_period. Nothing is raised.
#            (1) The library asks the zone for the offset of now, and not for that of the time. 09:00 in Paris, on a
#                day of the other half of the year, is written as 10:00 in summer, and as 08:00 in winter. Which
#                of them depends on the day on which the program runs. A test with a time of tomorrow passes.
#            (2) A time whose microseconds are 900,001 or more is refused ("tenths of second must be one digit").
#            (3) Each time that is read prints its last character to the standard output.
# Output seen:
#            Africa/Kampala, January: right
#            Africa/Kampala, July: right
#            Europe/Paris, this half of the year: right
#            Europe/Paris, the other half of the year: an hour off
#            America/New_York, this half of the year: right
#            America/New_York, the other half of the year: an hour off
#            09:00:00.900000: written
#            09:00:00.900001: ValueError
#            printed by reading 270115090000012+: '+'
# For us:    Ibiki keeps the schedule itself, in UTC, and gives Kannel a message when it is due.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check smpp.pdu3==0.6 tzdata==2026.6
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts smpp@0.5.1 >/dev/null)

cat >"$folder/read.cjs" <<'NODE'
const { filters } = require("smpp");
console.log(filters.time.decode(process.argv[2]).toISOString());
NODE

cat >"$folder/observe.py" <<'PYTHON'
import io
import subprocess
from contextlib import redirect_stdout
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from smpp.pdu.smpp_time import parse, unparse

now = datetime.now(UTC)


def read(time):
    seen = subprocess.run(("node", "read.cjs", time.decode()), capture_output=True, text=True, check=True)
    return datetime.fromisoformat(seen.stdout.strip())


def show(zone, label, month):
    meant = datetime(now.year + 1, month, 15, 9, tzinfo=ZoneInfo(zone))
    off = abs((read(unparse(meant)) - meant).total_seconds())
    print(f"{zone}, {label}: {({0: 'right', 3600: 'an hour off'}).get(off, off)}")


show("Africa/Kampala", "January", 1)
show("Africa/Kampala", "July", 7)
for zone in ("Europe/Paris", "America/New_York"):
    there = ZoneInfo(zone)
    is_summer = bool(now.astimezone(there).dst())
    show(zone, "this half of the year", 7 if is_summer else 1)
    show(zone, "the other half of the year", 1 if is_summer else 7)
for microsecond in (900_000, 900_001):
    time = datetime(2027, 1, 15, 9, 0, 0, microsecond)
    try:
        unparse(time)
        print(f"{time:%H:%M:%S.%f}: written")
    except ValueError as error:
        print(f"{time:%H:%M:%S.%f}: {type(error).__name__}")
with redirect_stdout(io.StringIO()) as printed:
    parse(b"270115090000012+")
print(f"printed by reading 270115090000012+: {printed.getvalue().strip()!r}")
PYTHON

(cd "$folder" && venv/bin/python observe.py) | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
Africa/Kampala, January: right
Africa/Kampala, July: right
Europe/Paris, this half of the year: right
Europe/Paris, the other half of the year: an hour off
America/New_York, this half of the year: right
America/New_York, the other half of the year: an hour off
09:00:00.900000: written
09:00:00.900001: ValueError
printed by reading 270115090000012+: '+'
SEEN
