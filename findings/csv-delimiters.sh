#!/usr/bin/env bash
# CleverCSV cuts phone numbers at their spaces or at the plus, and DuckDB and Papa Parse cut texts at their commas.
#
# Software:  clevercsv 0.8.5 and duckdb 2.0.1 (PyPI), and papaparse 5.5.3 (npm).
# Seen:      2026-11, Python 3.11, Node 20.
# Behaviour: Each tool finds the delimiter of a CSV file by itself, as people save them with semicolons and tabs too. The
#            files have a header and ten rows. Nothing is raised.
#            (1) CleverCSV takes the spaces in numbers for the delimiter, although a semicolon or a tab is in each
#                line. The number is in four cells, and the name in the last two. A program that reads the first
#                cell has "+1".
#            (2) If the numbers are the only column, CleverCSV cuts them at the plus: the first cell is empty, and
#                the number has lost its plus.
#            (3) If the second column has texts with two commas, DuckDB and Papa Parse take the comma, although each line
#                has one semicolon. The number and the beginning of the text are one cell. DuckDB has also taken the
#                first person for a part of the header: nine rows are left.
# Output seen:
#            semicolon, numbers with spaces, names
#                clevercsv: 10 rows, the first: +1 | 202 | 555 | 0100;Poe, | Ada
#                duckdb: 10 rows, the first: +1 202 555 0100 | Poe, Ada
#                papaparse: 10 rows, the first: +1 202 555 0100 | Poe, Ada
#            tab, numbers with spaces, names
#                clevercsv: 10 rows, the first: +1 | 202 | 555 | 0100 Poe, | Ada
#                duckdb: 10 rows, the first: +1 202 555 0100 | Poe, Ada
#                papaparse: 10 rows, the first: +1 202 555 0100 | Poe, Ada
#            one column
#                clevercsv: 10 rows, the first:  | 12025550100
#                duckdb: 10 rows, the first: +12025550100
#                papaparse: 10 rows, the first: +12025550100
#            semicolon, texts
#                clevercsv: 10 rows, the first: +12025550100 | Dear Ada, we meet on Monday, 9:00.
#                duckdb: 9 rows, the first: +12025550101;Dear Bo | we meet on Monday | 9:01.
#                papaparse: 10 rows, the first: +12025550100;Dear Ada | we meet on Monday | 9:00.
# For us:    Ibiki reads the four files as they were meant (tests/sending/files/test_layout.py has such texts).
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check clevercsv==0.8.5 duckdb==2.0.1
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts papaparse@5.5.3 >/dev/null)

cat >"$folder/read.cjs" <<'NODE'
const { readFileSync } = require("fs");
console.log(JSON.stringify(require("papaparse").parse(readFileSync("list.csv", "utf8"), { skipEmptyLines: true }).data));
NODE

cat >"$folder/observe.py" <<'PYTHON'
import json
import subprocess
from pathlib import Path

import clevercsv
import duckdb

PEOPLE = "Poe, Ada|Banda, Bo|Otieno, Cy|Diallo, Dee|Mukasa, Eve|Phiri, Fay|Okello, Guy|Mensah, Ida|Toure, Joe|Abebe, Kim"
NAMES = PEOPLE.split("|")
SPACED = [f"+1 202 555 01{place:02}" for place in range(10)]
NUMBERS = [number.replace(" ", "") for number in SPACED]
TEXTS = [f"Dear {name.split(', ')[1]}, we meet on Monday, 9:{place:02}." for place, name in enumerate(NAMES)]
LISTS = {
    "semicolon, numbers with spaces, names": (";", "Phone", "Name", SPACED, NAMES),
    "tab, numbers with spaces, names": ("\t", "Phone", "Name", SPACED, NAMES),
    "one column": ("", "Phone", "", NUMBERS, [""] * 10),
    "semicolon, texts": (";", "Phone", "Text", NUMBERS, TEXTS),
}
FILE = Path("list.csv")

for label, (delimiter, first, second, numbers, others) in LISTS.items():
    rows = [[first, second], *zip(numbers, others, strict=True)]
    FILE.write_text("".join(f"{delimiter.join(row)}\n" for row in rows))
    tools = {
        "clevercsv": clevercsv.read_table(FILE)[1:],
        "duckdb": duckdb.sql("SELECT * FROM read_csv('list.csv', all_varchar = true)").fetchall(),
        "papaparse": json.loads(subprocess.check_output(("node", "read.cjs")))[1:],
    }
    print(label)
    for name, read in tools.items():
        seen = " | ".join(cell.strip().replace("\t", " ") for cell in read[0])
        print(f"    {name}: {len(read)} rows, the first: {seen}")
PYTHON

(cd "$folder" && venv/bin/python -W ignore observe.py) | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
semicolon, numbers with spaces, names
    clevercsv: 10 rows, the first: +1 | 202 | 555 | 0100;Poe, | Ada
    duckdb: 10 rows, the first: +1 202 555 0100 | Poe, Ada
    papaparse: 10 rows, the first: +1 202 555 0100 | Poe, Ada
tab, numbers with spaces, names
    clevercsv: 10 rows, the first: +1 | 202 | 555 | 0100 Poe, | Ada
    duckdb: 10 rows, the first: +1 202 555 0100 | Poe, Ada
    papaparse: 10 rows, the first: +1 202 555 0100 | Poe, Ada
one column
    clevercsv: 10 rows, the first:  | 12025550100
    duckdb: 10 rows, the first: +12025550100
    papaparse: 10 rows, the first: +12025550100
semicolon, texts
    clevercsv: 10 rows, the first: +12025550100 | Dear Ada, we meet on Monday, 9:00.
    duckdb: 9 rows, the first: +12025550101;Dear Bo | we meet on Monday | 9:01.
    papaparse: 10 rows, the first: +12025550100;Dear Ada | we meet on Monday | 9:00.
SEEN
