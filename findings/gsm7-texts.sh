#!/usr/bin/env bash
# npm's gsm7 sends "Geëerde klant" as "Ge€rde klant", and reads the answer "Call me" as "Call me@".
#
# Software:  gsm7 1.3.1 (npm), "a GSM7 encoder and decoder", and gsm0338 1.1.0 (PyPI), which follows 3GPP TS 23.038.
# Seen:      2026-12, Node 20, Python 3.11.
# Behaviour: encode() packs a text into octets as they are in an SMS, and decode() unpacks them. Neither raises.
#            (1) A character that GSM-7 does not have becomes the escape alone. A phone reads the escape together with
#                the next letter: "ëe" of a Dutch salutation becomes a euro sign, and "“(" a brace. If the two
#                are no character, gsm0338 and phones show the letter only, and the character is lost.
#            (2) The unused bits behind the last letter are zero in an SMS (TS 23.038, 6.1.2.1.1). decode() takes seven
#                of them for an "@": each text of 7, 15, 23 … letters from a phone gets one. It takes no length.
#            Its own texts come back right, because encode() fills up with a carriage return, as USSD does. A test
#            that encodes and decodes a text sees nothing of (2).
# Output seen:
#            sent Geëerde klant: the phone reads "Ge€rde klant"
#            sent Open “(9-17)”: the phone reads "Open {9-17)"
#            sent 10€: the phone reads "10€"
#            received STOP: gsm7 reads "STOP"
#            received Call me: gsm7 reads "Call me@"
#            received See you at 8 pm: gsm7 reads "See you at 8 pm@"
#            encoded and decoded Call me: "Call me"
# For us:    Ibiki gives texts to providers in UTF-8, and packs none.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check gsm0338==1.1.0
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts gsm7@1.3.1 >/dev/null)

cat >"$folder/observe.py" <<'PYTHON'
import subprocess
import sys

import gsm0338

CODEC = gsm0338.Codec()


def gsm7(expression, argument):
    """The text that a line of JavaScript writes about its argument."""
    script = f"const gsm7 = require('gsm7'); const given = process.argv[1]; process.stdout.write({expression})"
    done = subprocess.run(
        ("node", "-e", script, argument), cwd=sys.argv[1], check=True, capture_output=True, encoding="utf-8"
    )
    return done.stdout


def packed(text):
    """The octets of a text in an SMS: seven bits for each letter, the lowest first, and zeros at the end."""
    number = 0
    for place, code in enumerate(CODEC.encode(text)[0]):
        number |= code << (7 * place)
    return number.to_bytes((7 * len(text) + 7) // 8, "little").hex()


def unpacked(octets, septets):
    """What a phone reads."""
    number = int.from_bytes(octets, "little")
    codes = bytes(number >> (7 * place) & 127 for place in range(septets))
    return CODEC.decode(codes, "ignore")[0]


for text in ("Geëerde klant", "Open “(9-17)”", "10€"):
    octets = bytes.fromhex(gsm7("gsm7.encode(given).toString('hex')", text))
    septets = len(text) + text.count("€")
    print(f'sent {text}: the phone reads "{unpacked(octets, septets)}"')
for text in ("STOP", "Call me", "See you at 8 pm"):
    seen = gsm7("gsm7.decode(Buffer.from(given, 'hex'))", packed(text))
    print(f'received {text}: gsm7 reads "{seen}"')
print(f'encoded and decoded Call me: "{gsm7("gsm7.decode(gsm7.encode(given))", "Call me")}"')
PYTHON

"$folder/venv/bin/python" "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
sent Geëerde klant: the phone reads "Ge€rde klant"
sent Open “(9-17)”: the phone reads "Open {9-17)"
sent 10€: the phone reads "10€"
received STOP: gsm7 reads "STOP"
received Call me: gsm7 reads "Call me@"
received See you at 8 pm: gsm7 reads "See you at 8 pm@"
encoded and decoded Call me: "Call me"
SEEN
