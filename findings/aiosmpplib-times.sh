#!/usr/bin/env bash
# aiosmpplib writes a time west of UTC as another time: in New York, a scheduled SMS is due 14 hours late.
#
# Software:  aiosmpplib 0.7.4 (PyPI), an asyncio SMPP client, and smpp 0.5.1 (npm) as a second reader.
# Seen:      2026-11, Python 3.11, Node 20.
# Behaviour: SMPP 3.4 (7.1.1) writes a time as YYMMDDhhmmsstnnp: nn are quarters of an hour from UTC (0 to
#            48), and p is their direction. 09:00 in New York is "261201090000020-".
#            (1) `datetime_to_smpp_time` writes 76 quarters for -05:00, since it uses 24 hours minus the
#                offset. The npm library reads this as 14 hours after the time that was meant. Networks that
#                check the field refuse the message. Offsets east of UTC are right. schedule_delivery_time
#                and validity_period use this function.
#            (2) `smpp_time_to_datetime` reads the quarters as hours, and the year as 0026. Even its own
#                text for Kampala (+03:00, 12 quarters) comes back as +12:00.
# Output seen:
#            09:00 in UTC: written 261201090000000+, meant 2026-12-01T09:00Z, read by npm 2026-12-01T09:00Z
#            09:00 in Africa/Kampala: written 261201090000012+, meant 2026-12-01T06:00Z, read by npm 2026-12-01T06:00Z
#            09:00 in America/New_York: written 261201090000076-, meant 2026-12-01T14:00Z, read by npm 2026-12-02T04:00Z
#            261201090000012+ read by aiosmpplib: 0026-12-01 09:00 UTC+12:00
# For us:    Ibiki keeps the schedule itself and gives Kannel a message when it is due, without a time.
#            Pass aiosmpplib times in UTC.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check aiosmpplib==0.7.4 tzdata==2026.6
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts smpp@0.5.1 >/dev/null)

cat >"$folder/read.cjs" <<'NODE'
const { filters } = require("smpp");
console.log(filters.time.decode(process.argv[2]).toISOString().slice(0, 16) + "Z");
NODE

cat >"$folder/observe.py" <<'PYTHON'
import subprocess
import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from aiosmpplib.protocol import SubmitSm


def read_by_npm(text):
    command = ["node", f"{sys.argv[1]}/read.cjs", text]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


for zone in ("UTC", "Africa/Kampala", "America/New_York"):
    moment = datetime(2026, 12, 1, 9, tzinfo=ZoneInfo(zone))
    written = SubmitSm.datetime_to_smpp_time(moment)
    meant = moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")
    print(f"09:00 in {zone}: written {written}, meant {meant}, read by npm {read_by_npm(written)}")
read = SubmitSm.smpp_time_to_datetime("261201090000012+")
print(f"261201090000012+ read by aiosmpplib: {read.isoformat(' ', 'minutes')[:16]} UTC{read.strftime('%z')[:3]}:00")
PYTHON

"$folder/venv/bin/python" "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
09:00 in UTC: written 261201090000000+, meant 2026-12-01T09:00Z, read by npm 2026-12-01T09:00Z
09:00 in Africa/Kampala: written 261201090000012+, meant 2026-12-01T06:00Z, read by npm 2026-12-01T06:00Z
09:00 in America/New_York: written 261201090000076-, meant 2026-12-01T14:00Z, read by npm 2026-12-02T04:00Z
261201090000012+ read by aiosmpplib: 0026-12-01 09:00 UTC+12:00
SEEN
