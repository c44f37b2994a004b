#!/usr/bin/env bash
# In the night on which Cairo puts its clocks back, croniter runs a daily job twice, and three others miss an hour.
#
# Software:  croniter 7.0.0, cronsim 2.8, crontab 1.0.5 and cron-converter 2.0.2 with tzdata 2026.6 (PyPI), cron-parser
#            5.10.6, croner 11.0.1, cronosjs 1.7.1 and cron 4.4.0 (npm), which find the next time of a cron job.
# Seen:      2026-11, Python 3.11, Node 20.
# Behaviour: Egypt changes its clocks at midnight: the hour from 23:00 comes twice on the last Thursday of October. Most
#            zones do so at night, when few texts are due. Each library is given a time with the zone.
#            (1) "30 23 * * *" is a daily job. croniter has it at both times, so that a daily reminder is sent twice.
#                Its README asks for a time with a zone, and speaks of nothing else. Debian's cron runs such a job once.
#            (2) "*/20 * * * *" is a job every 20 minutes. crontab, cron-converter and cronosjs have nothing in the
#                second of the two hours. Texts that are due in it wait for up to 80 minutes. cronosjs has an option,
#                skipRepeatedHour. Nothing is raised.
# Output seen:
#            croniter: daily 2 times, every 20 minutes 6 times
#            cronsim: daily 1 times, every 20 minutes 6 times
#            crontab: daily 1 times, every 20 minutes 3 times
#            cron-converter: daily 1 times, every 20 minutes 3 times
#            cron-parser: daily 1 times, every 20 minutes 6 times
#            croner: daily 1 times, every 20 minutes 6 times
#            cronosjs: daily 1 times, every 20 minutes 3 times
#            cron: daily 1 times, every 20 minutes 6 times
# For us:    Ibiki has no recurring jobs in local time. A program that has them can send with an idempotency key of the day.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check croniter==7.0.0 cronsim==2.8 crontab==1.0.5 \
  cron-converter==2.0.2 tzdata==2026.6
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts cron-parser@5.10.6 croner@11.0.1 \
  cronosjs@1.7.1 cron@4.4.0 >/dev/null)

cat >"$folder/observe.py" <<'PYTHON'
from datetime import UTC, datetime
from itertools import takewhile
from zoneinfo import ZoneInfo

from cron_converter import Cron
from croniter import croniter
from cronsim import CronSim
from crontab import CronTab

CAIRO = ZoneInfo("Africa/Cairo")
START = datetime(2026, 10, 29, 22, 59, tzinfo=CAIRO)
END = datetime(2026, 10, 30, tzinfo=CAIRO).astimezone(UTC)


def with_croniter(job):
    found = croniter(job, START)
    while True:
        yield found.get_next(datetime)


def with_crontab(job):
    time = START
    while True:
        time = CronTab(job).next(now=time, return_datetime=True)
        yield time


def with_converter(job):
    schedule = Cron(job).schedule(START)
    while True:
        yield schedule.next()


def count(times):
    return len(list(takewhile(lambda time: time.astimezone(UTC) < END, times)))


LIBRARIES = {
    "croniter": with_croniter,
    "cronsim": lambda job: CronSim(job, START),
    "crontab": with_crontab,
    "cron-converter": with_converter,
}
for name, times in LIBRARIES.items():
    print(f"{name}: daily {count(times('30 23 * * *'))} times, every 20 minutes {count(times('*/20 * * * *'))} times")
PYTHON

cat >"$folder/observe.cjs" <<'NODE'
const { CronExpressionParser } = require("cron-parser");
const { Cron } = require("croner");
const { CronosExpression } = require("cronosjs");
const { CronTime } = require("cron");

const ZONE = "Africa/Cairo";
const START = new Date("2026-10-29T22:59:00+03:00");
const END = new Date("2026-10-30T00:00:00+02:00");
const libraries = {
  "cron-parser": (job) => {
    const found = CronExpressionParser.parse(job, { currentDate: START, tz: ZONE });
    return () => found.next().toDate();
  },
  croner: (job) => {
    let time = START;
    return () => (time = new Cron(job, { timezone: ZONE }).nextRun(time));
  },
  cronosjs: (job) => {
    let time = START;
    return () => (time = CronosExpression.parse(job, { timezone: ZONE }).nextDate(time));
  },
  cron: (job) => {
    let time = START;
    return () => (time = new CronTime(job, ZONE).getNextDateFrom(time, ZONE).toJSDate());
  },
};
function count(next) {
  let times = 0;
  while (next() < END) times += 1;
  return times;
}
for (const [name, times] of Object.entries(libraries))
  console.log(`${name}: daily ${count(times("30 23 * * *"))} times, every 20 minutes ${count(times("*/20 * * * *"))} times`);
NODE

cd "$folder"
{ venv/bin/python observe.py && node observe.cjs; } | tee seen
diff seen - <<'SEEN'
croniter: daily 2 times, every 20 minutes 6 times
cronsim: daily 1 times, every 20 minutes 6 times
crontab: daily 1 times, every 20 minutes 3 times
cron-converter: daily 1 times, every 20 minutes 3 times
cron-parser: daily 1 times, every 20 minutes 6 times
croner: daily 1 times, every 20 minutes 6 times
cronosjs: daily 1 times, every 20 minutes 3 times
cron: daily 1 times, every 20 minutes 6 times
SEEN
