#!/usr/bin/env bash
# npm's vcard keeps one number of a person, reads "José" as "JosC)", and prints all contacts.
#
# Software:  vcard 0.1.0 (npm), which makes JSON of a file of contacts.
# Seen:      2026-12, Node 20.
# Behaviour: The file is a vCard 3.0 in UTF-8, as an iPhone or Google exports it. There is no error.
#            (1) A person with three numbers has one, the first in the file, even if another is preferred.
#                The same holds for every other property: of two mail addresses, one is left.
#            (2) readFile() reads the file as ASCII, and each octet of an "é" becomes another character.
#                readData() reads the name right, if the program opens the file by itself.
#            (3) A comma in a name is written as "\," (RFC 6350, 3.4). It comes back with the backslash.
#            (4) Each call prints the contacts that it reads to the standard output: names and numbers get into the log.
# Output seen:
#            readFile: FN "Ada JosC)", TEL "+12025550101"
#            readData: FN "Ada José", TEL "+12025550101"
#            readData: FN "Ada Poe\\, Jr.", TEL "+12025550101"
#            numbers printed by one call: +12025550101 +12025550102 +12025550103
# For us:    Ibiki refuses a file of vCards, and says to save the contacts as CSV.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts vcard@0.1.0 >/dev/null)

cat >"$folder/observe.cjs" <<'NODE'
const fs = require("fs");
const VCard = require("vcard");

const NUMBERS = ["TEL;TYPE=HOME:+12025550101", "TEL;TYPE=CELL,PREF:+12025550102", "TEL;TYPE=WORK:+12025550103"];
const card = (name) =>
  ["BEGIN:VCARD", "VERSION:3.0", `N:${name};Ada;;;`, `FN:Ada ${name}`, ...NUMBERS, "END:VCARD", ""].join("\r\n");
fs.writeFileSync("contacts.vcf", card("José"));

// What the library itself prints.
let printed = [];
console.info = (...values) => printed.push(JSON.stringify(values));
const show = (label) => (error, found) => {
  if (error) throw new Error(error);
  console.log(`${label}: FN ${JSON.stringify(found.FN)}, TEL ${JSON.stringify(found.TEL.value)}`);
};
new VCard().readFile("contacts.vcf", show("readFile"));
new VCard().readData(card("José"), show("readData"));
printed = [];
new VCard().readData(card("Poe\\, Jr."), show("readData"));
console.log("numbers printed by one call:", ...printed.join("").match(/\+\d+/g));
NODE

(cd "$folder" && node observe.cjs) | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
readFile: FN "Ada JosC)", TEL "+12025550101"
readData: FN "Ada José", TEL "+12025550101"
readData: FN "Ada Poe\\, Jr.", TEL "+12025550101"
numbers printed by one call: +12025550101 +12025550102 +12025550103
SEEN
