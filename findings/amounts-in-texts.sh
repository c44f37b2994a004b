#!/usr/bin/env bash
# An amount of money makes two parts of a short SMS: two formatters put a space into it that GSM-7 does not have.
#
# Software:  babel 2.19.0 (PyPI), @formatjs/intl-numberformat 9.4.3 and currency-formatter 1.5.9 (npm) write amounts;
#            sms-segments-calculator 1.3.0 (npm) counts the parts.
# Seen:      2026-11, Python 3.11, Node 20.
# Behaviour: Each formats 250,000 as money of a country, for a text of about 120 characters. From 71 characters on, such
#            a text needs a second part if one character is outside GSM-7.
#            (1) In English of Uganda and of Kenya, formatjs writes a no-break space (U+00A0) behind "USh" and "Ksh".
#                babel writes no space. Both take the rules from CLDR; since its version 42, a pattern for letters
#                beside digits has this space (alphaNextToNumber), and babel does not use it. The same text costs
#                twice as much in Node, and looks the same.
#            (2) In Swahili of Kenya, babel writes the no-break space too. In French of Senegal, it and formatjs
#                write U+00A0 and U+202F.
#            (3) currency-formatter writes no such space for shillings, and U+00A0 for francs.
# Output seen:
#            country: babel, formatjs, currency-formatter
#            en-UG: 1 part, none | 2 parts, U+00A0 | 1 part, none
#            en-KE: 1 part, none | 2 parts, U+00A0 | 1 part, none
#            sw-KE: 2 parts, U+00A0 | 2 parts, U+00A0 | 1 part, none
#            fr-SN: 2 parts, U+00A0 U+202F | 2 parts, U+00A0 U+202F | 2 parts, U+00A0
# For us:    The quote names such a character. The console showed an empty box for it; now it shows U+00A0.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install $program first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check babel==2.19.0
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts @formatjs/intl-numberformat@9.4.3 \
  currency-formatter@1.5.9 sms-segments-calculator@1.3.0 >/dev/null)

cat >"$folder/babel_amounts.py" <<'PYTHON'
import json

from babel.numbers import format_currency

COUNTRIES = {"en-UG": "UGX", "en-KE": "KES", "sw-KE": "KES", "fr-SN": "XOF"}
amounts = [
    {"country": each, "currency": currency, "babel": format_currency(250_000, currency, locale=each.replace("-", "_"))}
    for each, currency in COUNTRIES.items()
]
with open("amounts.json", "w", encoding="utf-8") as file:
    json.dump(amounts, file)
PYTHON

cat >"$folder/observe.cjs" <<'NODE'
const byCurrency = require("currency-formatter");
const { SegmentedMessage } = require("sms-segments-calculator");
const amounts = require("./amounts.json");

const textWith = (amount) =>
  `Dear parent, the fees of this term are ${amount}. Please pay them at the office or by phone before Friday. Thanks.`;

const kind = (amount) => {
  const parts = new SegmentedMessage(textWith(amount)).segmentsCount;
  const others = [...new Set(amount.match(/[^ -~]/gu) ?? [])].sort();
  const names = others.map((each) => `U+${each.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`);
  return `${parts} ${parts === 1 ? "part" : "parts"}, ${names.join(" ") || "none"}`;
};

(async () => {
  await import("@formatjs/intl-numberformat/polyfill-force.js");
  for (const { country, currency, babel } of amounts) {
    const data = "@formatjs/intl-numberformat/locale-data";
    for (const each of [country.split("-")[0], country]) await import(`${data}/${each}.js`);
    const formatjs = new Intl.NumberFormat(country, { style: "currency", currency }).format(250_000);
    const others = byCurrency.format(250_000, { code: currency });
    console.log(`${country}: ${[babel, formatjs, others].map(kind).join(" | ")}`);
  }
})();
NODE

(cd "$folder" && venv/bin/python babel_amounts.py && node observe.cjs) | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
en-UG: 1 part, none | 2 parts, U+00A0 | 1 part, none
en-KE: 1 part, none | 2 parts, U+00A0 | 1 part, none
sw-KE: 2 parts, U+00A0 | 2 parts, U+00A0 | 1 part, none
fr-SN: 2 parts, U+00A0 U+202F | 2 parts, U+00A0 U+202F | 2 parts, U+00A0
SEEN
