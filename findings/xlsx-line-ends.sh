#!/usr/bin/env bash
# A text from a web form comes back from XLSX with "_x000D_" or "_x000d_" at each line end in six of nine readers.
#
# Software:  xlsx 0.18.5 (npm, SheetJS) and xlsxwriter 3.3.1 (PyPI) write the file. It is read by openpyxl 3.1.5,
#            pylightxl 1.61, xlsx2csv 0.8.6 and python-calamine 0.9.1 (PyPI), xlsx 0.18.5, exceljs 4.4.0,
#            xlsx-populate 1.21.0, xlsx-stream-reader 1.1.1 and read-excel-file 9.3.17 (npm).
# Seen:      2026-11, Python 3.11, Node 20.
# Behaviour: A text area of a web page ends its lines with CR and LF. XML drops a CR, so both writers put a code
#            for it (ISO/IEC 29500-1, 22.9.2.19): "_x000D_" or, SheetJS, "_x000d_". Excel shows a line end.
#            (1) openpyxl, pylightxl and xlsx-populate return the code as text.
#                openpyxl documents a function that decodes it (openpyxl.utils.escape.unescape), and its reader does
#                not call it.
#            (2) xlsx2csv and exceljs decode capitals only: a file of SheetJS is read wrongly.
#            (3) xlsx-stream-reader returns the code of xlsxwriter. Each text that SheetJS wrote is "NAN" for it,
#                with and without line ends.
#            A message that is sent from such a list arrives with the code at the end of each line.
# Output seen:
#            reader: written by xlsxwriter, written by xlsx
#            openpyxl: code, code
#            pylightxl: code, code
#            xlsx2csv: line end, code
#            python-calamine: line end, line end
#            xlsx: line end, line end
#            exceljs: line end, code
#            xlsx-populate: code, code
#            xlsx-stream-reader: code, NAN
#            read-excel-file: line end, line end
# For us:    Ibiki sent the code to phones. Now it decodes control characters itself (tests/sending/files).
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install $program first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openpyxl==3.1.5 pylightxl==1.61 xlsx2csv==0.8.6 \
  python-calamine==0.9.1 xlsxwriter==3.3.1
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts xlsx@0.18.5 exceljs@4.4.0 \
  xlsx-populate@1.21.0 xlsx-stream-reader@1.1.1 read-excel-file@9.3.17 >/dev/null)

cat >"$folder/write.cjs" <<'NODE'
const SheetJs = require("xlsx");

const book = SheetJs.utils.book_new();
SheetJs.utils.book_append_sheet(book, SheetJs.utils.aoa_to_sheet([["Dear Ada,\r\nyour order is ready."]]), "Sheet1");
SheetJs.writeFile(book, "xlsx.xlsx");
NODE

cat >"$folder/observe.py" <<'PYTHON'
import csv
import io
import re
import subprocess
from pathlib import Path

import openpyxl
import pylightxl
import xlsxwriter
from python_calamine import CalamineWorkbook

FILES = ("xlsxwriter.xlsx", "xlsx.xlsx")

with xlsxwriter.Workbook("xlsxwriter.xlsx") as book:
    book.add_worksheet().write_string("A1", "Dear Ada,\r\nyour order is ready.")
subprocess.run(["node", "write.cjs"], check=True)


def by_xlsx2csv(file):
    text = subprocess.run(["venv/bin/xlsx2csv", file], check=True, capture_output=True).stdout.decode()
    return next(csv.reader(io.StringIO(text, newline="")))[0]


def kind(text):
    if re.match("Dear Ada,_x000d_\n", text, re.IGNORECASE):
        return "code"
    return "line end" if re.match("Dear Ada,\r?\n", text) else repr(text)


READERS = {
    "openpyxl": lambda file: openpyxl.load_workbook(file).active["A1"].value,
    "pylightxl": lambda file: pylightxl.readxl(file).ws("Sheet1").address("A1"),
    "xlsx2csv": by_xlsx2csv,
    "python-calamine": lambda file: CalamineWorkbook.from_path(file).get_sheet_by_index(0).to_python()[0][0],
}
for name, read in READERS.items():
    texts = [read(str(Path(each))) for each in FILES]
    print(f"{name}: {', '.join(map(kind, texts))}")
PYTHON

cat >"$folder/observe.cjs" <<'NODE'
const fs = require("node:fs");
const Excel = require("exceljs");
const Populate = require("xlsx-populate");
const Reader = require("xlsx-stream-reader");
const SheetJs = require("xlsx");
const { readSheet } = require("read-excel-file/node");

const readers = {
  xlsx: async (file) => SheetJs.readFile(file).Sheets.Sheet1.A1.v,
  exceljs: async (file) => {
    const workbook = new Excel.Workbook();
    await workbook.xlsx.readFile(file);
    return workbook.worksheets[0].getCell("A1").value;
  },
  "xlsx-populate": async (file) => (await Populate.fromFileAsync(file)).sheet(0).cell("A1").value(),
  "xlsx-stream-reader": (file) =>
    new Promise((resolve) => {
      const reader = new Reader();
      reader.on("worksheet", (sheet) => {
        sheet.on("row", (row) => resolve(row.values[1]));
        sheet.process();
      });
      fs.createReadStream(file).pipe(reader);
    }),
  "read-excel-file": async (file) => (await readSheet(file))[0][0],
};

const kind = (text) =>
  text === "Dear Ada,\r\nyour order is ready." ? "line end" : /^Dear Ada,_x000d_\n/i.test(text) ? "code" : text;

(async () => {
  for (const [name, read] of Object.entries(readers)) {
    const texts = [await read("xlsxwriter.xlsx"), await read("xlsx.xlsx")];
    console.log(`${name}: ${texts.map(kind).join(", ")}`);
  }
})();
NODE

(cd "$folder" && venv/bin/python -W ignore observe.py && node observe.cjs) | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
openpyxl: code, code
pylightxl: code, code
xlsx2csv: line end, code
python-calamine: line end, line end
xlsx: line end, line end
exceljs: line end, code
xlsx-populate: code, code
xlsx-stream-reader: code, NAN
read-excel-file: line end, line end
SEEN
