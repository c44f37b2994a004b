#!/usr/bin/env bash
# A workbook that Excel saved as "Strict Open XML" is empty for openpyxl, and its dates are of 1905 for exceljs.
#
# Software:  openpyxl 3.1.5, pyexcel-xlsx 0.6.1 and python-calamine 0.9.1 (PyPI), exceljs 4.4.0, xlsx-populate
#            1.21.0, xlsx-stream-reader 1.1.1 and xlsx 0.18.5 (npm).
# Seen:      2026-11, Python 3.11, Node 20.
# Behaviour: Excel has "Strict Open XML Spreadsheet (*.xlsx)" under "Save as". It is the form that ISO/IEC 29500-1
#            defines: its namespaces are other ones, and dates are text (18.17.4). The file has the same
#            ending, and nothing is raised:
#            (1) openpyxl finds no sheets. A program that goes through all sheets of a list of recipients sends
#                nothing, and says that all went well. pyexcel-xlsx, which uses it, returns no sheets either.
#            (2) exceljs reads the year as a number of days: 1 December 2026 becomes 18 July 1905.
#                xlsx-stream-reader returns 2026, and xlsx-populate NaN. All of them read the number.
#            python-calamine and xlsx (SheetJS) read both as they are.
# Output seen:
#            openpyxl: 0 sheets
#            pyexcel-xlsx: 0 sheets
#            python-calamine: +12025550101 2026-12-01
#            exceljs: +12025550101 1905-07-18
#            exceljs, streaming: +12025550101 1905-07-18
#            xlsx-stream-reader: +12025550101 2026
#            xlsx-populate: +12025550101 NaN
#            xlsx: +12025550101 2026-12-01
# For us:    Ibiki refuses such a file, and says to save it as Excel Workbook (tests/sending/files).
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openpyxl==3.1.5 pyexcel-xlsx==0.6.1 \
  python-calamine==0.9.1
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts exceljs@4.4.0 xlsx-populate@1.21.0 \
  xlsx-stream-reader@1.1.1 xlsx@0.18.5 >/dev/null)

cat >"$folder/observe.py" <<'PYTHON'
"""Writes due.xlsx: a row with a number and a date in the strict form. Prints what Python reads."""
import zipfile
from pathlib import Path

import openpyxl
import pyexcel_xlsx
from python_calamine import CalamineWorkbook

MAIN = "http://purl.oclc.org/ooxml/spreadsheetml/main"
LINKS = "http://purl.oclc.org/ooxml/officeDocument/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
PARTS = {
    "[Content_Types].xml": f"""<Types xmlns="{PACKAGE}/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Override PartName="/xl/workbook.xml" ContentType="{KIND}.sheet.main+xml"/>
<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{KIND}.worksheet+xml"/>
<Override PartName="/xl/styles.xml" ContentType="{KIND}.styles+xml"/>
<Override PartName="/xl/sharedStrings.xml" ContentType="{KIND}.sharedStrings+xml"/></Types>""",
    "_rels/.rels": f"""<Relationships xmlns="{PACKAGE}/relationships">
<Relationship Id="rId1" Type="{LINKS}/officeDocument" Target="xl/workbook.xml"/></Relationships>""",
    "xl/workbook.xml": f"""<workbook xmlns="{MAIN}" xmlns:r="{LINKS}" conformance="strict">
<sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>""",
    "xl/_rels/workbook.xml.rels": f"""<Relationships xmlns="{PACKAGE}/relationships">
<Relationship Id="rId1" Type="{LINKS}/worksheet" Target="worksheets/sheet1.xml"/>
<Relationship Id="rId2" Type="{LINKS}/styles" Target="styles.xml"/>
<Relationship Id="rId3" Type="{LINKS}/sharedStrings" Target="sharedStrings.xml"/></Relationships>""",
    "xl/styles.xml": f"""<styleSheet xmlns="{MAIN}"><fonts count="1"><font><sz val="11"/></font></fonts>
<fills count="1"><fill><patternFill patternType="none"/></fill></fills><borders count="1"><border/></borders>
<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>
<cellXfs count="2"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>
<xf numFmtId="14" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/></cellXfs></styleSheet>""",
    "xl/sharedStrings.xml": f"""<sst xmlns="{MAIN}" count="1" uniqueCount="1"><si><t>+12025550101</t></si></sst>""",
    "xl/worksheets/sheet1.xml": f"""<worksheet xmlns="{MAIN}"><sheetData><row r="1">
<c r="A1" t="s"><v>0</v></c><c r="B1" s="1" t="d"><v>2026-12-01</v></c></row></sheetData></worksheet>""",
}
with zipfile.ZipFile("due.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
    for name, part in PARTS.items():
        archive.writestr(name, '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n' + part)

print(f"openpyxl: {len(openpyxl.load_workbook('due.xlsx').sheetnames)} sheets")
print(f"pyexcel-xlsx: {len(pyexcel_xlsx.get_data('due.xlsx'))} sheets")
[[phone, due]] = CalamineWorkbook.from_path("due.xlsx").get_sheet_by_index(0).to_python()
print(f"python-calamine: {phone} {due}")
PYTHON

cat >"$folder/observe.cjs" <<'NODE'
const fs = require("node:fs");
const Excel = require("exceljs");
const Populate = require("xlsx-populate");
const Reader = require("xlsx-stream-reader");
const SheetJs = require("xlsx");

const shown = (label, [phone, due]) =>
  console.log(`${label}: ${phone} ${due instanceof Date ? due.toISOString().slice(0, 10) : due}`);

(async () => {
  const workbook = new Excel.Workbook();
  await workbook.xlsx.readFile("due.xlsx");
  shown("exceljs", workbook.worksheets[0].getRow(1).values.slice(1));
  for await (const sheet of new Excel.stream.xlsx.WorkbookReader("due.xlsx", { styles: "cache" }))
    for await (const row of sheet) shown("exceljs, streaming", row.values.slice(1));
  await new Promise((resolve) => {
    const reader = new Reader();
    reader.on("worksheet", (sheet) => {
      sheet.on("row", (row) => shown("xlsx-stream-reader", row.values.slice(1)));
      sheet.process();
    });
    reader.on("end", resolve);
    fs.createReadStream("due.xlsx").pipe(reader);
  });
  shown("xlsx-populate", (await Populate.fromFileAsync("due.xlsx")).sheet(0).usedRange().value()[0]);
  const sheet = SheetJs.readFile("due.xlsx", { cellDates: true, UTC: true }).Sheets.Sheet1;
  shown("xlsx", SheetJs.utils.sheet_to_json(sheet, { header: 1 })[0]);
})();
NODE

(cd "$folder" && venv/bin/python -W ignore observe.py && TZ=UTC node observe.cjs) | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
openpyxl: 0 sheets
pyexcel-xlsx: 0 sheets
python-calamine: +12025550101 2026-12-01
exceljs: +12025550101 1905-07-18
exceljs, streaming: +12025550101 1905-07-18
xlsx-stream-reader: +12025550101 2026
xlsx-populate: +12025550101 NaN
xlsx: +12025550101 2026-12-01
SEEN
