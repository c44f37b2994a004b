#!/usr/bin/env bash
# gnokii sends a long text without its middle part, and a text from a cron job only up to its first "é".
#
# Software:  gnokii 0.6.30 (Debian package gnokii-cli), with a modem on a pseudo terminal in this script. gsm0338 1.1.0
#            (PyPI) decodes what leaves.
# Seen:      2026-11, Debian 12, Python 3.11.
# Behaviour: `gnokii --sendsms` reads the text from the standard input, and sends it through a modem. In each case, it
#            says that the message was sent, with a reference for each part. Its exit code is 0.
#            (1) It cuts a long text into bytes of UTF-8. If a part ends inside a character, the next part is sent
#                without any text. Of 200 "é" the middle is missing. A euro sign behind 152 letters takes the whole
#                rest of the text away. With one letter more or less, the text arrives.
#            (2) Without a locale, as in a cron job or a service, the text ends before the first character that is not
#                ASCII, such as an "é", although GSM-7 has it. In a terminal, the same command sends all of it.
#            (3) --validity, "in minutes" in the manual, changes nothing. Each text is valid for four days: a code
#                that is worth nothing after an hour is still delivered after three days.
# Output seen:
#            LC_ALL=C.UTF-8
#                200 times é: 3 parts of 76, 0, 47 characters left, exit code 0
#                152 letters, €, 20 letters: 2 parts of 152, 0 characters left, exit code 0
#                153 letters, €, 20 letters: 2 parts of 153, 21 characters left, exit code 0
#                'The café is open, your code is 4711': 'The café is open, your code is 4711' left, exit code 0
#            LC_ALL=C
#                'The café is open, your code is 4711': 'The caf' left, exit code 0
#            without --validity: valid for 5760 minutes
#            --validity 60: valid for 5760 minutes
#            --validity 10080: valid for 5760 minutes
# For us:    Ibiki reaches modems through Kannel, which it gives whole texts.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
command -v gnokii >/dev/null || { echo "Install gnokii-cli first." >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check gsm0338==1.1.0

cat >"$folder/observe.py" <<'PYTHON'
"""Gives texts to gnokii, and prints what leaves. The modem is on a pseudo terminal."""
import os
import pty
import re
import subprocess
import sys
import threading
import tty
from pathlib import Path

import gsm0338  # noqa: F401

FOLDER = Path(sys.argv[1])
SAID = {
    "AT+CPIN?": "+CPIN: READY",
    "AT+CREG?": '+CREG: 2,1,"0001","0001"',
    "AT+CGMM": "MODEM",
    "AT+CGMI": "Maker",
    "AT+CGMR": "1.0",
    "AT+CGSN": "490154203237518",
    "AT+CMGF=?": "+CMGF: (0,1)",
    "AT+CNMI=?": "+CNMI: (0-2),(0-3),(0,2),(0-2),(0,1)",
    "AT+CPMS=?": '+CPMS: ("SM","ME"),("SM","ME"),("SM","ME")',
    "AT+CSCA?": '+CSCA: "+12025550199",145',
    "AT+CSCS?": '+CSCS: "GSM"',
    "AT+CSCS=?": '+CSCS: ("GSM","UCS2")',
}


class Modem:
    """Keeps the text and the validity period of each part that it is given."""

    def __init__(self):
        self.parts, self.echo = [], True
        self.line, slave = pty.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        waiting, is_text = "", False
        while True:
            heard = os.read(self.line, 4096)
            if self.echo:
                os.write(self.line, heard)
            waiting += heard.decode("latin-1")
            while found := re.search("\x1a" if is_text else "[\r\n]", waiting):
                words, waiting = waiting[: found.start()].strip("\x1b \r\n"), waiting[found.end() :]
                if is_text:
                    self.parts.append(part_of(bytes.fromhex(words)))
                    said, is_text = "+CMGS: 1\r\n\r\nOK\r\n", False
                elif words.upper().startswith("AT+CMGS="):
                    said, is_text = "> ", True
                elif words:
                    if words.upper().startswith("ATE"):
                        self.echo = words.upper() != "ATE0"
                    more = SAID.get(words.upper())
                    said = f"{more}\r\n\r\nOK\r\n" if more else "OK\r\n"
                else:
                    continue
                os.write(self.line, f"\r\n{said}".encode())


def part_of(pdu):
    """The text and the validity of an SMS-SUBMIT in GSM-7, with a relative validity (3GPP TS 23.040, 9.2.2.2)."""
    start = 1 + pdu[0]
    coding = start + 4 + (pdu[start + 2] + 1) // 2 + 1
    assert pdu[start] & 0x18 == 0x10 and pdu[coding] & 0x0C == 0
    bits = int.from_bytes(pdu[coding + 3 :], "little")
    septets = bytes(bits >> 7 * place & 127 for place in range(pdu[coding + 2]))
    header = 7 if pdu[start] & 0x40 else 0
    return septets[header:].decode("gsm03.38"), minutes(pdu[coding + 1])


def minutes(validity):
    """9.2.3.12.1"""
    if validity < 144:
        return (validity + 1) * 5
    return (validity - 143) * 30 + 720 if validity < 168 else (validity - 166) * 1440


MODEM = Modem()
(FOLDER / "config").write_text(f"[global]\nmodel = AT\nport = {MODEM.port}\nconnection = serial\n")


def send(text, *options, locale="C.UTF-8"):
    MODEM.parts.clear()
    command = ("gnokii", "--config", str(FOLDER / "config"), "--sendsms", "+12025550101", *options)
    done = subprocess.run(
        command, input=text.encode(), capture_output=True, timeout=60, env={**os.environ, "LC_ALL": locale}
    )
    return list(MODEM.parts), done.returncode


print("LC_ALL=C.UTF-8")
for label, text in {
    "200 times é": "é" * 200,
    "152 letters, €, 20 letters": "a" * 152 + "€" + "b" * 20,
    "153 letters, €, 20 letters": "a" * 153 + "€" + "b" * 20,
}.items():
    parts, code = send(text)
    lengths = ", ".join(str(len(part)) for part, _ in parts)
    print(f"    {label}: {len(parts)} parts of {lengths} characters left, exit code {code}")
TEXT = "The café is open, your code is 4711"
for locale in ("C.UTF-8", "C"):
    if locale == "C":
        print("LC_ALL=C")
    [(left, _)], code = send(TEXT, locale=locale)
    print(f"    {TEXT!r}: {left!r} left, exit code {code}")
for options in ((), ("--validity", "60"), ("--validity", "10080")):
    [(_, valid)], _ = send("Hello", *options)
    print(f"{' '.join(options) or 'without --validity'}: valid for {valid} minutes")
PYTHON

PYTHONIOENCODING=utf-8 "$folder/venv/bin/python" "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
LC_ALL=C.UTF-8
    200 times é: 3 parts of 76, 0, 47 characters left, exit code 0
    152 letters, €, 20 letters: 2 parts of 152, 0 characters left, exit code 0
    153 letters, €, 20 letters: 2 parts of 153, 21 characters left, exit code 0
    'The café is open, your code is 4711': 'The café is open, your code is 4711' left, exit code 0
LC_ALL=C
    'The café is open, your code is 4711': 'The caf' left, exit code 0
without --validity: valid for 5760 minutes
--validity 60: valid for 5760 minutes
--validity 10080: valid for 5760 minutes
SEEN
