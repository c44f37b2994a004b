#!/usr/bin/env bash
# Two readers of XLSX put how a Japanese name is spoken in the place of the name, or behind it.
#
# Software:  exceljs 4.4.0 (npm), Spreadsheet::ParseXLSX 0.27 (Debian package libspreadsheet-parsexlsx-perl), and
#            openpyxl 3.1.5 (PyPI). xlsxwriter 3.3.1 (PyPI) writes the file, and the script adds the sounds.
# Seen:      2026-11, Node 20, Debian 12, Python 3.11.
# Behaviour: A Japanese name is typed into Excel by its sounds, and its characters are chosen. Excel keeps the sounds
#            beside the text (rPh, ISO/IEC 29500-1, 18.4.6) and shows them only in cells that are set so. In one
#            list, names that were typed have them, and names that were pasted do not.
#            (1) The streaming reader of exceljs returns the sounds instead of the name. Its other reader
#                returns the name: the same file greets the same person in two ways.
#            (2) ParseXLSX returns the name with the sounds behind it.
#            openpyxl returns the name. Nothing is raised, and a file without Japanese names shows no difference.
# Output seen:
#            openpyxl: 山田 山田
#            exceljs: 山田 山田
#            exceljs, streaming: ヤマダ 山田
#            ParseXLSX: 山田ヤマダ 山田
# For us:    Ibiki reads XLSX with openpyxl. tests/sending/files/test_spreadsheet.py has such a name.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
perl -MSpreadsheet::ParseXLSX -e 1 2>/dev/null || { echo "Install libspreadsheet-parsexlsx-perl first." >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openpyxl==3.1.5 xlsxwriter==3.3.1
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts exceljs@4.4.0 >/dev/null)

cat >"$folder/observe.py" <<'PYTHON'
"""Writes names.xlsx, with the same name typed and pasted. Prints what openpyxl reads."""
import zipfile

from openpyxl import load_workbook
from xlsxwriter import Workbook

STRINGS = "xl/sharedStrings.xml"
TYPED = '<si><t>山田</t><rPh sb="0" eb="2"><t>ヤマダ</t></rPh><phoneticPr fontId="0"/></si>'

with Workbook("pasted.xlsx") as book:
    book.add_worksheet().write_row(0, 0, ["typed", "山田"])
with zipfile.ZipFile("pasted.xlsx") as old, zipfile.ZipFile("names.xlsx", "w", zipfile.ZIP_DEFLATED) as new:
    for name in old.namelist():
        part = old.read(name).decode()
        if name == STRINGS:
            part = part.replace("<si><t>typed</t></si>", TYPED)
        new.writestr(name, part)
print("openpyxl:", *(cell.value for cell in load_workbook("names.xlsx").active[1]))
PYTHON

cat >"$folder/observe.cjs" <<'NODE'
const Excel = require("exceljs");
(async () => {
  const workbook = new Excel.Workbook();
  await workbook.xlsx.readFile("names.xlsx");
  console.log("exceljs:", ...workbook.worksheets[0].getRow(1).values.slice(1));
  for await (const sheet of new Excel.stream.xlsx.WorkbookReader("names.xlsx"))
    for await (const row of sheet) console.log("exceljs, streaming:", ...row.values.slice(1));
})();
NODE

cat >"$folder/observe.pl" <<'PERL'
use Spreadsheet::ParseXLSX;
my $sheet = Spreadsheet::ParseXLSX->new->parse("names.xlsx")->worksheet(0);
binmode STDOUT, ":utf8";
print "ParseXLSX: ", join(" ", map { $sheet->get_cell(0, $_)->value } 0, 1), "\n";
PERL

(cd "$folder" && venv/bin/python -W ignore observe.py && node observe.cjs && perl observe.pl) | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
openpyxl: 山田 山田
exceljs: 山田 山田
exceljs, streaming: ヤマダ 山田
ParseXLSX: 山田ヤマダ 山田
SEEN
