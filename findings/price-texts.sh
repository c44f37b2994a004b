#!/usr/bin/env bash
# price-parser reads "0.035 EUR", the price of an SMS, as 35 euros, and two others read a debt as a credit.
#
# Software:  price-parser 0.5.1 (PyPI), currency.js 2.0.4 and accounting 0.4.1 (npm).
# Seen:      2026-11, Python 3.11, Node 20.
# Behaviour: Each library makes a number of a text with an amount. Nothing is raised.
#            (1) Prices of SMS have three or four decimals. price-parser takes three digits behind the last separator
#                for thousands, also if only a zero is before it: "0.035" is 35, and "0.125" is 125. With two or four
#                decimals the amount is right, so that one list has both. `decimal_separator` prevents it, if the
#                caller knows which separator each text has.
#            (2) price-parser drops each sign: "-500" and "(500)" are 500. Its README speaks of neither.
#            (3) In Swedish, Norwegian, Lithuanian and others, Node writes a balance below zero with the minus sign
#                U+2212. currency.js and accounting read it as a balance above zero. With a hyphen, both are right.
# Output seen:
#            price-parser, 0.035 EUR: 35
#            price-parser, 0.0350 EUR: 0.0350
#            price-parser, 0.125 EUR: 125
#            price-parser, 0.13 EUR: 0.13
#            price-parser, 0.035 EUR, decimal_separator ".": 0.035
#            price-parser, -500.00 EUR: 500.00
#            price-parser, (500.00) EUR: 500.00
#            Node writes -500.5 in sv as −500,50: currency.js 500.5, accounting 500.5
#            Node writes -500.5 in nb as −500,50: currency.js 500.5, accounting 500.5
#            Node writes -500.5 in lt as −500,50: currency.js 500.5, accounting 500.5
#            Node writes -500.5 in de as -500,50: currency.js -500.5, accounting -500.5
# For us:    Ibiki's API has numbers with a point and a hyphen only, and reads no texts with amounts.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check price-parser==0.5.1
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts currency.js@2.0.4 accounting@0.4.1 \
  >/dev/null)

cat >"$folder/observe.py" <<'PYTHON'
from price_parser import Price

for text in ("0.035 EUR", "0.0350 EUR", "0.125 EUR", "0.13 EUR"):
    print(f"price-parser, {text}: {Price.fromstring(text).amount}")
point = Price.fromstring("0.035 EUR", decimal_separator=".").amount
print(f'price-parser, 0.035 EUR, decimal_separator ".": {point}')
for text in ("-500.00 EUR", "(500.00) EUR"):
    print(f"price-parser, {text}: {Price.fromstring(text).amount}")
PYTHON

cat >"$folder/observe.cjs" <<'NODE'
const accounting = require("accounting");
const currency = require("currency.js");

for (const locale of ["sv", "nb", "lt", "de"]) {
  const text = new Intl.NumberFormat(locale, { minimumFractionDigits: 2 }).format(-500.5);
  const [first, second] = [currency(text, { decimal: "," }).value, accounting.unformat(text, ",")];
  console.log(`Node writes -500.5 in ${locale} as ${text}: currency.js ${first}, accounting ${second}`);
}
NODE

(cd "$folder" && venv/bin/python observe.py && node observe.cjs) | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
price-parser, 0.035 EUR: 35
price-parser, 0.0350 EUR: 0.0350
price-parser, 0.125 EUR: 125
price-parser, 0.13 EUR: 0.13
price-parser, 0.035 EUR, decimal_separator ".": 0.035
price-parser, -500.00 EUR: 500.00
price-parser, (500.00) EUR: 500.00
Node writes -500.5 in sv as −500,50: currency.js 500.5, accounting 500.5
Node writes -500.5 in nb as −500,50: currency.js 500.5, accounting 500.5
Node writes -500.5 in lt as −500,50: currency.js 500.5, accounting 500.5
Node writes -500.5 in de as -500,50: currency.js -500.5, accounting -500.5
SEEN
