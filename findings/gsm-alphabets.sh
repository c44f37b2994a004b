#!/usr/bin/env bash
# Libraries for SMPP and GSM modems send a backtick as a section sign, a degree sign as a space, and half a euro.
#
# Software:  smpplib 2.2.4, python-gsmmodem-new 0.13.0, python-messaging 0.5.13 (PyPI) and node-pdu 2.1.1 (npm).
#            gsm0338 1.1.0 (PyPI) decodes what they made; it follows 3GPP TS 23.038.
# Seen:      2026-11, Python 3.11, Node 20.
# Behaviour: Each library chooses GSM-7 or UCS-2 by itself, and raises nothing.
#            (1) smpplib, gsmmodem and node-pdu have a backtick at the place of the section sign. A backtick,
#                which GSM-7 lacks, leaves as "§". smpplib and gsmmodem send a text with "§" in UCS-2: three
#                parts instead of one. gsmmodem shows a "§" that was received as a backtick.
#            (2) node-pdu sends "°", "©" and "À" as spaces. It sends a text with "é", "ü" or "€" in UCS-2,
#                although GSM-7 has them. It needs a second part from 134 letters on, instead of 161.
#            (3) smpplib and python-messaging cut a euro sign at the edge of a part: one part ends with the
#                escape, and the next is decoded as "e". TS 23.040 forbids that. (smpplib says so in a FIXME.)
#                gsmmodem moves the sign to the next part.
# Output seen:
#            a backtick: smpplib §, gsmmodem §, node-pdu §
#            150 letters and a section sign: smpplib 3 parts, gsmmodem 3 parts, node-pdu 2 parts
#            a section sign, received: gsmmodem `
#            20°C: node-pdu "20 C"
#            140 letters: smpplib 1 part, gsmmodem 1 part, node-pdu 2 parts
#            99 letters and an é: smpplib 1 part, gsmmodem 1 part, node-pdu 2 parts
#            a euro sign at the edge, the second part: smpplib "ebb", python-messaging "ebb", gsmmodem "€bb"
# For us:    Ibiki gives Kannel whole texts in UTF-8, with the coding that domain/sending/text.py finds.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check smpplib==2.2.4 python-gsmmodem-new==0.13.0 \
  python-messaging==0.5.13 gsm0338==1.1.0
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts node-pdu@2.1.1 >/dev/null)

cat >"$folder/pdus.cjs" <<'NODE'
// Prints the parts of each argument as PDUs.
const { Submit } = require("node-pdu");
console.log(JSON.stringify(process.argv.slice(2).map((text) => new Submit("+12025550143", text).getPartStrings())));
NODE

cat >"$folder/observe.py" <<'PYTHON'
import json
import subprocess
import sys

import gsm0338  # registers the codec
from gsmmodem.pdu import decodeSmsPdu, encodeSmsSubmitPdu
from messaging.sms import SmsSubmit
from smpplib.gsm import make_parts

NUMBER = "+12025550143"
BACKTICK, SECTION, DEGREE = "`", "a" * 150 + "§", "20°C"
EDGE = "a" * 152 + "€" + "b" * 20


def septets(pdu):
    """The octets of a text in GSM-7 of an SMS-SUBMIT PDU to NUMBER: one for each septet."""
    octets = bytes.fromhex(pdu)
    has_header, user_data = octets[1] & 0x40, octets[13:]
    count, bits = user_data[0], int.from_bytes(user_data[1:], "little")
    found = bytes(bits >> 7 * each & 0x7F for each in range(count))
    return found[7:] if has_header else found


def smpplib_parts(text):
    parts = make_parts(text)[0]
    return [part[6:] if len(parts) > 1 else part for part in parts]


def gsmmodem_parts(text):
    return [str(pdu) for pdu in encodeSmsSubmitPdu(NUMBER, text, requestStatusReport=False)]


def node_parts(text):
    command = ["node", f"{sys.argv[1]}/pdus.cjs", text]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)[0]


def shown(octets):
    return octets.decode("gsm03.38")


def seen(label, text):
    counts = {name: len(parts(text)) for name, parts in LIBRARIES.items()}
    said = ", ".join(f"{name} {count} part{'s' if count > 1 else ''}" for name, count in counts.items())
    print(f"{label}: {said}")


LIBRARIES = {"smpplib": smpplib_parts, "gsmmodem": gsmmodem_parts, "node-pdu": node_parts}
print(
    f"a backtick: smpplib {shown(smpplib_parts(BACKTICK)[0])}, "
    f"gsmmodem {shown(septets(gsmmodem_parts(BACKTICK)[0]))}, node-pdu {shown(septets(node_parts(BACKTICK)[0]))}"
)
seen("150 letters and a section sign", SECTION)
received = "0001000B912120550541F30000015F"  # an SMS with one septet, 0x5F
print(f"a section sign, received: gsmmodem {decodeSmsPdu(received)['text']}")
print(f'20°C: node-pdu "{shown(septets(node_parts(DEGREE)[0]))}"')
seen("140 letters", "a" * 140)
seen("99 letters and an é", "a" * 99 + "é")
messaging = [septets(pdu.pdu) for pdu in SmsSubmit(NUMBER, EDGE).to_pdu()]
seconds = {
    "smpplib": smpplib_parts(EDGE)[1],
    "python-messaging": messaging[1],
    "gsmmodem": septets(gsmmodem_parts(EDGE)[1]),
}
beginnings = ", ".join(f'{name} "{shown(part)[:3]}"' for name, part in seconds.items())
print(f"a euro sign at the edge, the second part: {beginnings}")
PYTHON

"$folder/venv/bin/python" -W ignore "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
a backtick: smpplib §, gsmmodem §, node-pdu §
150 letters and a section sign: smpplib 3 parts, gsmmodem 3 parts, node-pdu 2 parts
a section sign, received: gsmmodem `
20°C: node-pdu "20 C"
140 letters: smpplib 1 part, gsmmodem 1 part, node-pdu 2 parts
99 letters and an é: smpplib 1 part, gsmmodem 1 part, node-pdu 2 parts
a euro sign at the edge, the second part: smpplib "ebb", python-messaging "ebb", gsmmodem "€bb"
SEEN
