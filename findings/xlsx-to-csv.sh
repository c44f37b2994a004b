#!/usr/bin/env bash
# Four converters from XLSX to CSV drop the zero or plus that a list shows, and SheetJS digits of 12-digit numbers.
#
# Software:  soffice of LibreOffice 7.4.7 and ssconvert 1.12.55 (Debian packages libreoffice-calc and gnumeric),
#            xlsx2csv 0.8.6 and csvkit 2.2.0 (PyPI), and xlsx 0.18.5 (npm, SheetJS). xlsxwriter 3.3.1 (PyPI) writes the
#            file.
# Seen:      2026-11, Debian 12, Python 3.11, Node 20.
# Behaviour: Spreadsheets drop the zero of a phone number. So people give the column a number format that shows a zero
#            (0000000000) or a plus ("+"0). Nothing is said, and each exit code is 0.
#            (1) `soffice --convert-to csv` writes such numbers without zero and plus. With export options behind "csv",
#                it writes them as they are shown.
#            (2) ssconvert, xlsx2csv and in2csv of csvkit drop both too. ssconvert with format=preserve keeps them, and
#                writes all other numbers as 2.57E+11 or 1.20E+10.
#            (3) SheetJS keeps them. But it writes a number without a format with six digits, if it has 12 or more: the
#                numbers of Uganda, Kenya or Germany are lost, and those of the USA, with 11, are not.
# Output seen:
#            the list shows 0772000111, +256772000111, and without a format 256772000111, 12025550101
#            soffice: 772000111, 256772000111, 256772000111, 12025550101
#            soffice, with options: 0772000111, +256772000111, 256772000111, 12025550101
#            ssconvert: 772000111, 256772000111, 256772000111, 12025550101
#            ssconvert, preserve: 0772000111, +256772000111, 2.57E+11, 1.20E+10
#            xlsx2csv: 772000111, 256772000111, 256772000111, 12025550101
#            in2csv: 772000111, 256772000111, 256772000111, 12025550101
#            SheetJS: 0772000111, +256772000111, 2.56772E+11, 12025550101
# For us:    Ibiki reads XLSX itself, each cell as it is shown (tests/sending/files/test_spreadsheet.py).
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm soffice ssconvert; do
  command -v $program >/dev/null || { echo "Install nodejs, npm, libreoffice-calc and gnumeric first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check xlsxwriter==3.3.1 xlsx2csv==0.8.6 csvkit==2.2.0
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts xlsx@0.18.5 >/dev/null)
cd "$folder"

venv/bin/python - <<'PYTHON'
import xlsxwriter

workbook = xlsxwriter.Workbook("list.xlsx")
sheet = workbook.add_worksheet()
for column, (number, shown) in enumerate(((772000111, "0000000000"), (256772000111, '"+"0'))):
    sheet.write(0, column, number, workbook.add_format({"num_format": shown}))
sheet.write_row(0, 2, [256772000111, 12025550101])
sheet.write_row(1, 0, [1, 2, 3, 4])  # in2csv takes the first row for names
workbook.close()
PYTHON

office() {
  timeout 120 soffice "-env:UserInstallation=file://$folder/profile" --headless --convert-to "$1" --outdir out \
    list.xlsx >/dev/null 2>&1
  cat out/list.csv
}
first() { echo "$1: $(head -1 | sed 's/,/, /g')"; }
{
  echo "the list shows 0772000111, +256772000111, and without a format 256772000111, 12025550101"
  office csv | first soffice
  office "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true" | first "soffice, with options"
  ssconvert list.xlsx plain.csv 2>/dev/null && first ssconvert <plain.csv
  ssconvert -T Gnumeric_stf:stf_assistant -O format=preserve list.xlsx kept.csv 2>/dev/null
  first "ssconvert, preserve" <kept.csv
  venv/bin/xlsx2csv list.xlsx | first xlsx2csv
  venv/bin/in2csv --no-header-row list.xlsx 2>/dev/null | tail -n +2 | first in2csv
  node -p 'const X = require("xlsx"); X.utils.sheet_to_csv(X.readFile("list.xlsx").Sheets.Sheet1)' | first SheetJS
} | tee seen
diff seen - <<'SEEN'
the list shows 0772000111, +256772000111, and without a format 256772000111, 12025550101
soffice: 772000111, 256772000111, 256772000111, 12025550101
soffice, with options: 0772000111, +256772000111, 256772000111, 12025550101
ssconvert: 772000111, 256772000111, 256772000111, 12025550101
ssconvert, preserve: 0772000111, +256772000111, 2.57E+11, 1.20E+10
xlsx2csv: 772000111, 256772000111, 256772000111, 12025550101
in2csv: 772000111, 256772000111, 256772000111, 12025550101
SheetJS: 0772000111, +256772000111, 2.56772E+11, 12025550101
SEEN
