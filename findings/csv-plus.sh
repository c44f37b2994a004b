#!/usr/bin/env bash
# CSV tools take E.164 for a number: one column comes back without plus, as a float, or as another person's number.
#
# Software:  csvkit 2.2.0 with agate 1.14.2, pyarrow 26.0.1, frictionless 5.21.0, polars 2.1.0, duckdb 2.0.1
#            and phonenumbers 9.0.43 (PyPI).
# Seen:      2026-11, Python 3.11.
# Behaviour: Each tool reads the same CSV file with its defaults. The column has E.164 numbers, each with a plus.
#            (1) csvkit drops the plus, also if it only sorts or joins files. frictionless does the same.
#            (2) pyarrow makes floats, and writes them as 1.2025550101e+10. For polars and duckdb, they are text.
#            (3) A number without its plus can look like one of another country. The file has +20 25550101, of
#                Egypt (+20). Without the plus, phonenumbers takes it for 202-555-0101 in Washington, and calls
#                it valid. It is not an error for the next program, and the message goes to a stranger.
# Output seen:
#            csvsort: 12025550101 2025550101
#            frictionless: 12025550101 2025550101
#            pyarrow: 12025550101.0 2025550101.0
#            pyarrow, written again: 1.2025550101e+10 2025550101
#            polars: +12025550101 +2025550101
#            duckdb: +12025550101 +2025550101
#            phonenumbers, region US: +2025550101 has country code 20, possible: True
#            phonenumbers, region US: 2025550101 has country code 1, possible: True
# For us:    Ibiki reads every cell of a file as text, reads 12025550101.0 as it was meant, and refuses
#            1.2025550101e+10. docs/importing.md warns of the lost plus.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check csvkit==2.2.0 agate==1.14.2 pyarrow==26.0.1 \
  frictionless==5.21.0 polars==2.1.0 duckdb==2.0.1 phonenumbers==9.0.43
printf 'name,phone\nAda,+12025550101\nBo,+2025550101\n' >"$folder/people.csv"

cat >"$folder/observe.py" <<'PYTHON'
import csv
import io
import subprocess
import sys

import duckdb
import phonenumbers
import polars
import pyarrow.csv
from frictionless import Resource

PEOPLE = "people.csv"


def shown(label, values):
    print(f"{label}: {' '.join(map(str, values))}")


def column(text):
    return [row["phone"] for row in csv.DictReader(io.StringIO(text))]


sort = [sys.executable, "-m", "csvkit.utilities.csvsort", "-c", "name", PEOPLE]
shown("csvsort", column(subprocess.run(sort, check=True, capture_output=True, text=True).stdout))
shown("frictionless", [row["phone"] for row in Resource(PEOPLE).read_rows()])
table = pyarrow.csv.read_csv(PEOPLE)
shown("pyarrow", table["phone"].to_pylist())
written = io.BytesIO()
pyarrow.csv.write_csv(table, written)
shown("pyarrow, written again", column(written.getvalue().decode()))
shown("polars", polars.read_csv(PEOPLE)["phone"].to_list())
shown("duckdb", [row[0] for row in duckdb.sql(f"SELECT phone FROM '{PEOPLE}' ORDER BY name").fetchall()])
for text in ("+2025550101", "2025550101"):
    number = phonenumbers.parse(text, "US")
    possible = phonenumbers.is_possible_number(number)
    print(f"phonenumbers, region US: {text} has country code {number.country_code}, possible: {possible}")
PYTHON

(cd "$folder" && venv/bin/python -W ignore observe.py) | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
csvsort: 12025550101 2025550101
frictionless: 12025550101 2025550101
pyarrow: 12025550101.0 2025550101.0
pyarrow, written again: 1.2025550101e+10 2025550101
polars: +12025550101 +2025550101
duckdb: +12025550101 +2025550101
phonenumbers, region US: +2025550101 has country code 20, possible: True
phonenumbers, region US: 2025550101 has country code 1, possible: True
SEEN
