#!/usr/bin/env bash
# smsd of smstools sends "Take 1½ tablets" as "Take 1o tablets", and ends a text at the first letter of Adlam.
#
# Software:  smsd 3.1.21 (Debian package smstools), with a modem on a pseudo terminal in this script. gsm0338 1.1.0 (PyPI)
#            decodes what leaves.
# Seen:      2026-11, Debian 12, Python 3.11.
# Behaviour: A program writes a file with a number and a text in UTF-8 into the folder "outgoing". smsd sends it and
#            moves the file to "sent".
#            (1) Without a line "Alphabet", smsd takes UTF-8 too, and drops what GSM-7 lacks, as its manual says. But
#                ¼, ½ and ¾ are sent as O, o and Y: it takes their codes in ISO 8859-1 for those in ISO 8859-15, where
#                Œ, œ and Ÿ have these places, and then sends letters that look similar.
#            (2) The dropped characters can be a minus sign (a debt becomes a balance), the dash between two times, or
#                a word in another alphabet.
#            (3) With "Alphabet: UTF-8", these texts leave as they are. But at a letter above U+FFFF, such as those of
#                Adlam, a West African alphabet, the text ends: a code behind it is not sent.
# Output seen:
#            no Alphabet
#                'Take 1½ tablets': 'Take 1o tablets' left, the file is in sent
#                '¼ or ¾ of it': 'O or Y of it' left, the file is in sent
#                'Balance: −5': 'Balance: 5' left, the file is in sent
#                'Open 12:30–13:00': 'Open 12:3013:00' left, the file is in sent
#                'Hello Привет': 'Hello ' left, the file is in sent
#            Alphabet: UTF-8
#                'Take 1½ tablets–now': 'Take 1½ tablets–now' left, the file is in sent
#                'Hello Привет': 'Hello Привет' left, the file is in sent
#                'Your name is 𞤢, your code is 4711': 'Your name is ' left, the file is in sent
# For us:    Ibiki reaches modems through Kannel, with the coding that the text needs.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
PATH=$PATH:/usr/sbin
command -v smsd >/dev/null || { echo "Install smstools first." >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check gsm0338==1.1.0

cat >"$folder/observe.py" <<'PYTHON'
"""Gives texts to smsd, and prints what leaves. The modem is on a pseudo terminal."""
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
import tty
from contextlib import contextmanager
from pathlib import Path

import gsm0338  # noqa: F401

FOLDER = Path(sys.argv[1])
SECONDS = 60
SETTINGS = """
devices = M
outgoing = {folder}/outgoing
checked = {folder}/checked
incoming = {folder}/incoming
sent = {folder}/sent
failed = {folder}/failed
logfile = {folder}/log
infofile = {folder}/running
pidfile = {folder}/pid
stats = {folder}
delaytime = 1

[M]
device = {port}
incoming = no
"""
SAID = {
    "AT+CPIN?": "+CPIN: READY",
    "AT+CREG?": '+CREG: 2,1,"0001","0001"',
    "AT+CSQ": "+CSQ: 20,0",
    "AT+CGMM": "MODEM",
    "AT+CGMI": "Maker",
    "AT+CGMR": "1.0",
    "AT+CGSN": "490154203237518",
    "AT+CIMI": "310150123456789",
    "AT+CNMI=?": "+CNMI: (0-2),(0-3),(0,2),(0-2),(0,1)",
    "AT+CPMS=?": '+CPMS: ("SM","ME"),("SM","ME"),("SM","ME")',
    "AT+CSCA?": '+CSCA: "+12025550199",145',
    "AT+CBC": "+CBC: 0,100",
    "AT+CGATT?": "+CGATT: 1",
    "AT+CSCS?": '+CSCS: "GSM"',
    "AT+CSCS=?": '+CSCS: ("GSM","UCS2")',
}


class Modem:
    """Keeps the text of each part that it is given."""

    def __init__(self):
        self.texts = []
        self.line, slave = pty.openpty()
        tty.setraw(slave)
        self.port = os.ttyname(slave)
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        waiting, is_text = "", False
        while True:
            waiting += os.read(self.line, 4096).decode("latin-1")
            while found := re.search("\x1a" if is_text else "[\r\n]", waiting):
                words, waiting = waiting[: found.start()].strip("\x1b \r\n"), waiting[found.end() :]
                if is_text:
                    self.texts.append(text_of(bytes.fromhex(words)))
                    said, is_text = "+CMGS: 1\r\n\r\nOK\r\n", False
                elif words.upper().startswith("AT+CMGS="):
                    said, is_text = "> ", True
                else:
                    more = SAID.get(words.upper())
                    said = f"{more}\r\n\r\nOK\r\n" if more else "OK\r\n"
                os.write(self.line, f"\r\n{said}".encode())


def text_of(pdu):
    """The text of an SMS-SUBMIT of one part (3GPP TS 23.040, 9.2.2.2)."""
    start = 1 + pdu[0]
    coding = start + 4 + (pdu[start + 2] + 1) // 2 + 1
    length, text = pdu[coding + 2], pdu[coding + 3 :]
    if pdu[coding] & 0x0C == 8:
        return text.decode("utf-16-be")
    bits = int.from_bytes(text, "little")
    return bytes(bits >> 7 * place & 127 for place in range(length)).decode("gsm03.38")


@contextmanager
def smsd(folder, port):
    (folder / "smsd.conf").write_text(SETTINGS.format(folder=folder, port=port))
    command = ("smsd", "-t", "-c", str(folder / "smsd.conf"))
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def send(number, head, texts):
    """One smsd sends all texts in turn."""
    modem, folder = Modem(), FOLDER / str(number)
    for each in ("outgoing", "checked", "incoming", "sent", "failed"):
        (folder / each).mkdir(parents=True)
    with smsd(folder, modem.port):
        for place, text in enumerate(texts):
            (folder / "text").write_text(f"To: 12025550101\n{head}\n{text}", encoding="utf-8")
            (folder / "text").rename(folder / "outgoing" / str(place))
            ends = [folder / each / str(place) for each in ("sent", "failed")]
            end = time.monotonic() + SECONDS
            while not any(each.exists() for each in ends) and time.monotonic() < end:
                time.sleep(0.05)
            where = next((each.parent.name for each in ends if each.exists()), "outgoing")
            left = repr(modem.texts[place]) if place < len(modem.texts) else "nothing"
            print(f"    {text!r}: {left} left, the file is in {where}")


print("no Alphabet")
send(1, "", ["Take 1½ tablets", "¼ or ¾ of it", "Balance: −5", "Open 12:30–13:00", "Hello Привет"])
print("Alphabet: UTF-8")
send(2, "Alphabet: UTF-8\n", ["Take 1½ tablets–now", "Hello Привет", "Your name is \U0001e922, your code is 4711"])
PYTHON

PYTHONIOENCODING=utf-8 "$folder/venv/bin/python" "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
no Alphabet
    'Take 1½ tablets': 'Take 1o tablets' left, the file is in sent
    '¼ or ¾ of it': 'O or Y of it' left, the file is in sent
    'Balance: −5': 'Balance: 5' left, the file is in sent
    'Open 12:30–13:00': 'Open 12:3013:00' left, the file is in sent
    'Hello Привет': 'Hello ' left, the file is in sent
Alphabet: UTF-8
    'Take 1½ tablets–now': 'Take 1½ tablets–now' left, the file is in sent
    'Hello Привет': 'Hello Привет' left, the file is in sent
    'Your name is 𞤢, your code is 4711': 'Your name is ' left, the file is in sent
SEEN
