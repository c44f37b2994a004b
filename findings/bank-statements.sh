#!/usr/bin/env bash
# If a bank takes a payment back, two readers of its statement show the payment a second time.
#
# Software:  mt-940 5.1.1 (PyPI), mt940-js 1.0.0 with tslib 1.14.1, and swiftmessageparser 1.2.1 (npm), readers of bank
#            statements (SWIFT MT940).
# Seen:      2026-11, Python 3.11, Node 20.
# Behaviour: A program reads the statement of its bank and tops up the accounts of those who paid. A line (field 61)
#            has a mark: C for a credit, D for a debit, RC for the reversal of a credit, RD for that of a debit.
#            (1) mt-940 returns a positive amount for RC, mt940-js too, with isCredit true. So a payment of 10,000 that
#                was taken back adds up to 20,000, and the account is topped up twice. For a plain D, mt-940 returns a
#                negative amount. Its option reversal_sign prevents it, and is off. mt940-js removes the R: nothing in
#                its result tells the reversal from a payment.
#            (2) A line has a value date with a year, and an entry date without. If one is in December and the other in
#                January, mt940-js and swiftmessageparser give the entry date the year of the value date. The payment
#                is booked a year ago, or in a year.
# Output seen:
#            mt-940: C 10000, RC 10000, sum 20000
#            mt-940 with reversal_sign: C 10000, RC -10000, sum 0
#            mt940-js: C 10000, RC 10000, sum 20000
#            swiftmessageparser: C 10000, RC -10000, sum 0
#            2026-12-31, booked on 1 January: mt-940 2027-01-01, mt940-js 2026-01-01, swiftmessageparser 2026-01-01
#            2027-01-01, booked on 31 December: mt-940 2026-12-31, mt940-js 2027-12-31, swiftmessageparser 2027-12-31
# For us:    Ibiki reads no bank statements. A program of the operator that does so calls `allocate` for each payment.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check mt-940==5.1.1
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts mt940-js@1.0.0 tslib@1.14.1 \
  swiftmessageparser@1.2.1 >/dev/null)

statement() {
  printf ':20:STATEMENT\r\n:25:BANK/123456\r\n:28C:1/1\r\n:60F:C%s\r\n' "$1"
  printf ':61:%s\r\n:86:Top-up of client 17\r\n' "${@:3}"
  printf ':62F:C%s\r\n-\r\n' "$2"
}
statement 261230UGX0, 261231UGX0, 2612311231C10000,NTRFPAYMENT//1 2612311231RC10000,NTRFPAYMENT//2 >"$folder/reversal.sta"
statement 261230UGX0, 270101UGX30000, 2612310101C10000,NTRFPAYMENT//1 2701011231C20000,NTRFPAYMENT//2 >"$folder/years.sta"

cat >"$folder/observe.py" <<'PYTHON'
import json
import sys
from pathlib import Path

import mt940

signed = mt940.Options(reversal_sign=True)


def read(name, options=None):
    return mt940.parse(Path(name).read_text(), **({"options": options} if options else {}))


def amounts(statement):
    return [int(line.data["amount"].amount) for line in statement]


years = [str(line.data["entry_date"]) for line in read("years.sta")]
seen = {"mt-940": amounts(read("reversal.sta")), "mt-940 with reversal_sign": amounts(read("reversal.sta", signed))}
json.dump({"amounts": seen, "years": {"mt-940": years}}, sys.stdout)
PYTHON

cat >"$folder/observe.cjs" <<'NODE'
const { readFileSync } = require("fs");
const mt940 = require("mt940-js");
const swift = require("swiftmessageparser");
const { amounts, years } = require("./python.json");

const read = (file) => mt940.read(readFileSync(file)).then((found) => found[0].transactions);
const parse = (file) => swift.parse({ type: "mt940", data: readFileSync(file, "utf8") })[0].transactions;
(async () => {
  amounts["mt940-js"] = (await read("reversal.sta")).map((line) => (line.isCredit ? 1 : -1) * line.amount);
  amounts["swiftmessageparser"] = parse("reversal.sta").map((line) => Number(line.amount));
  years["mt940-js"] = (await read("years.sta")).map((line) => line.entryDate);
  years["swiftmessageparser"] = parse("years.sta").map((line) => line.entryDate.toISOString().slice(0, 10));
  for (const [name, [payment, reversal]] of Object.entries(amounts))
    console.log(`${name}: C ${payment}, RC ${reversal}, sum ${payment + reversal}`);
  ["2026-12-31, booked on 1 January", "2027-01-01, booked on 31 December"].forEach((label, place) =>
    console.log(`${label}:`, Object.entries(years).map(([name, each]) => `${name} ${each[place]}`).join(", ")));
})();
NODE

(cd "$folder" && venv/bin/python observe.py >python.json && node observe.cjs) | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
mt-940: C 10000, RC 10000, sum 20000
mt-940 with reversal_sign: C 10000, RC -10000, sum 0
mt940-js: C 10000, RC 10000, sum 20000
swiftmessageparser: C 10000, RC -10000, sum 0
2026-12-31, booked on 1 January: mt-940 2027-01-01, mt940-js 2026-01-01, swiftmessageparser 2026-01-01
2027-01-01, booked on 31 December: mt-940 2026-12-31, mt940-js 2027-12-31, swiftmessageparser 2027-12-31
SEEN
