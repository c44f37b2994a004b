#!/usr/bin/env bash
# Libraries that make a text fit into GSM-7 write 1½ as 11/2, and one of them writes −5 as 5.
#
# Software:  Unidecode 1.4.0, text-unidecode 1.3 and anyascii 0.3.3 (PyPI), transliteration 2.6.1, any-ascii 0.3.3 and
#            unidecode 1.1.0 (npm).
# Seen:      2026-11, Python 3.11, Node 20.
# Behaviour: One character outside GSM-7 more than doubles the price of a long text. So programs pass their texts
#            through a library that replaces each character by ASCII. Nothing is raised.
#            (1) Five of the six write "1½" as "11/2": who shall take one and a half tablets reads five and a half.
#                Unidecode puts a space between. text-unidecode and npm's unidecode have their tables from an
#                older Unidecode, without it.
#            (2) transliteration drops the minus sign (U+2212) that number formatters write for some languages: a
#                debt of 5 becomes a balance of 5. text-unidecode and npm's unidecode write "[?]5".
#            (3) transliteration drops the signs of the cedi, the rupee and the peso. It keeps those of the euro and
#                the pound, as "EU" and "PS".
#            (4) "£", which GSM-7 has, becomes "PS" in four of them.
# Output seen:
#            Take 1½ tablets
#                Unidecode: Take 1 1/2 tablets
#                text-unidecode, anyascii, transliteration, any-ascii, npm's unidecode: Take 11/2 tablets
#            Balance: −5
#                Unidecode, anyascii, any-ascii: Balance: -5
#                transliteration: Balance: 5
#                text-unidecode, npm's unidecode: Balance: [?]5
#            ₵20 or ₹20 or ₱20
#                Unidecode: C|20 or Rs20 or P20
#                anyascii, any-ascii: C20 or Rs20 or P20
#                transliteration: 20 or 20 or 20
#                text-unidecode, npm's unidecode: [?]20 or [?]20 or [?]20
#            £20 or €20
#                Unidecode, text-unidecode, npm's unidecode: PS20 or EUR20
#                transliteration: PS20 or EU20
#                anyascii, any-ascii: GBP20 or EUR20
# For us:    Ibiki never changes a text. The quote names the characters that make it longer.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check Unidecode==1.4.0 text-unidecode==1.3 anyascii==0.3.3
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts transliteration@2.6.1 any-ascii@0.3.3 \
  unidecode@1.1.0 >/dev/null)

cat >"$folder/texts.json" <<'JSON'
["Take 1½ tablets", "Balance: −5", "₵20 or ₹20 or ₱20", "£20 or €20"]
JSON

cat >"$folder/observe.py" <<'PYTHON'
import json
import sys

from anyascii import anyascii
from text_unidecode import unidecode as older
from unidecode import unidecode

libraries = {"Unidecode": unidecode, "text-unidecode": older, "anyascii": anyascii}
texts = json.load(open("texts.json", encoding="utf-8"))
json.dump({name: [change(text) for text in texts] for name, change in libraries.items()}, sys.stdout)
PYTHON

cat >"$folder/observe.cjs" <<'NODE'
const texts = require("./texts.json");
const libraries = {
  ...require("./python.json"),
  transliteration: texts.map((text) => require("transliteration").transliterate(text)),
  "any-ascii": texts.map((text) => require("any-ascii").default(text)),
  "npm's unidecode": texts.map((text) => require("unidecode")(text)),
};
texts.forEach((text, place) => {
  console.log(text);
  for (const [name, changed] of Object.entries(libraries)) console.log(`    ${name}: ${changed[place]}`);
});
NODE

(cd "$folder" && venv/bin/python observe.py >python.json && node observe.cjs) | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
Take 1½ tablets
    Unidecode: Take 1 1/2 tablets
    text-unidecode: Take 11/2 tablets
    anyascii: Take 11/2 tablets
    transliteration: Take 11/2 tablets
    any-ascii: Take 11/2 tablets
    npm's unidecode: Take 11/2 tablets
Balance: −5
    Unidecode: Balance: -5
    text-unidecode: Balance: [?]5
    anyascii: Balance: -5
    transliteration: Balance: 5
    any-ascii: Balance: -5
    npm's unidecode: Balance: [?]5
₵20 or ₹20 or ₱20
    Unidecode: C|20 or Rs20 or P20
    text-unidecode: [?]20 or [?]20 or [?]20
    anyascii: C20 or Rs20 or P20
    transliteration: 20 or 20 or 20
    any-ascii: C20 or Rs20 or P20
    npm's unidecode: [?]20 or [?]20 or [?]20
£20 or €20
    Unidecode: PS20 or EUR20
    text-unidecode: PS20 or EUR20
    anyascii: GBP20 or EUR20
    transliteration: PS20 or EU20
    any-ascii: GBP20 or EUR20
    npm's unidecode: PS20 or EUR20
SEEN
