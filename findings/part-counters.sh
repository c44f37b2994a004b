#!/usr/bin/env bash
# Six npm packages that count the parts of an SMS disagree: for one text, they say 1, 2 and 3.
#
# Software:  sms-segments-calculator 1.3.0, split-sms 0.1.7, sms-length 0.2.2, gsm 0.1.4, smshelper 0.1.0 and
#            sms-counter 1.0.0 (npm).
# Seen:      2026-11, Node 20.
# Behaviour: The first two agree with 3GPP TS 23.038 and 23.040: a part of a long text holds 153 septets or 67
#            units of 16 bits, and no character is cut. The others count usual texts differently:
#            (1) sms-counter counts each of ^ { } \ [ ~ ] | and the euro sign as one septet instead of two.
#            (2) sms-length divides the septets by 153. But a part keeps one septet free if a character with
#                two would not fit.
#            (3) smshelper counts a part too many if the last part is exactly full.
#            (4) The last four divide a text in UCS-2 by 67, and cut letters of two units in the middle, such
#                as those of Adlam, a West African alphabet.
#            Where the count is too low, the network charges more than the price that was shown.
# Output seen:
#            text                                 calculator split-sms sms-length gsm smshelper sms-counter
#            81 euro signs                        2 2 2 2 2 1
#            153 euro signs                       3 3 2 3 3 1
#            304 letters and a euro sign          2 2 2 2 3 2
#            100 letters of Adlam                 4 4 3 3 3 3
# For us:    A message costs one unit however long it is. The limit of ten segments counts like the first two.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts sms-segments-calculator@1.3.0 \
  split-sms@0.1.7 sms-length@0.2.2 gsm@0.1.4 smshelper@0.1.0 sms-counter@1.0.0 >/dev/null)

cat >"$folder/observe.mjs" <<'NODE'
import counter from "sms-counter";
import gsm from "gsm";
import helper from "smshelper";
import length from "sms-length";
import segments from "sms-segments-calculator";
import splitter from "split-sms";

const packages = {
  calculator: (text) => new segments.SegmentedMessage(text, "auto").segmentsCount,
  "split-sms": (text) => splitter.split(text).parts.length,
  "sms-length": (text) => length.count(text).messages,
  gsm: (text) => gsm(text).sms_count,
  smshelper: (text) => helper.parts(text),
  "sms-counter": (text) => (counter.default ?? counter).count(text).messages,
};
const texts = {
  "81 euro signs": "\u20ac".repeat(81),
  "153 euro signs": "\u20ac".repeat(153),
  "304 letters and a euro sign": "a".repeat(304) + "\u20ac",
  "100 letters of Adlam": "\u{1E922}".repeat(100),
};
console.log("text".padEnd(36), Object.keys(packages).join(" "));
for (const [label, text] of Object.entries(texts))
  console.log(label.padEnd(36), Object.values(packages).map((count) => count(text)).join(" "));
NODE

node "$folder/observe.mjs" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
text                                 calculator split-sms sms-length gsm smshelper sms-counter
81 euro signs                        2 2 2 2 2 1
153 euro signs                       3 3 2 3 3 1
304 letters and a euro sign          2 2 2 2 3 2
100 letters of Adlam                 4 4 3 3 3 3
SEEN
