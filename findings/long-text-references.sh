#!/usr/bin/env bash
# Gammu and python-messaging give several long texts the same reference, so a phone joins parts of two texts.
#
# Software:  gammu-smsd-inject 1.42.0 (Debian package gammu-smsd), and python-messaging 0.5.13 (PyPI).
# Seen:      2026-11, Debian 12, Python 3.11.
# Behaviour: A phone joins the parts of a long text by their sender, reference and count. The reference is to be a
#            counter modulo 256 (3GPP TS 23.040, 9.2.3.24.1), so that two texts to one phone differ.
#            (1) Gammu takes it from the clock. All long texts of one second have the same, such as two alarms. The
#                same second of the next minutes has it too, until ten minutes are full. So a job that runs each
#                minute can send every text with the same reference.
#            (2) python-messaging calls it a random ID, and it is 0 for every text.
#            If a part is lost or late, the phone completes the text with a part of another one. Nothing tells the
#            sender or the person who reads it.
# Output seen:
#            gammu, two texts in one second: the same reference
#            gammu, a text one minute later: the same reference
#            python-messaging, two texts: reference 0 reference 0
#            the first part of one and the second of the other: 1 text, 'Pump 1 failed.' … 'Pump 2 is fine.'
# For us:    Ibiki gives Kannel whole texts, and Kannel splits them.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
command -v gammu-smsd-inject >/dev/null || { echo "Install gammu-smsd first." >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check python-messaging==0.5.13

cat >"$folder/observe.py" <<'PYTHON'
import re
import subprocess
import sys
import time
from pathlib import Path

from messaging.sms import SmsSubmit

FOLDER = Path(sys.argv[1])
PHONE = "+12025550143"
FIRST, SECOND = "Pump 1 failed. " * 12, "Pump 2 is fine. " * 12
SETTINGS = f"""[gammu]
port = /dev/null
connection = at
[smsd]
service = files
outboxpath = {FOLDER}/outbox/
"""
(FOLDER / "outbox").mkdir()
(FOLDER / "smsd").write_text(SETTINGS)


def by_gammu(text):
    """The reference of a text that waits for the modem."""
    command = ["gammu-smsd-inject", "-c", str(FOLDER / "smsd"), "TEXT", PHONE, "-len", "400", "-text", text]
    subprocess.run(command, check=True, capture_output=True)
    [file] = (FOLDER / "outbox").iterdir()
    [first, second] = re.findall("UDH = 050003(..)02(?:01|02)", file.read_text())
    file.unlink()
    assert first == second
    return first


def in_one_second(moment, texts):
    """Their references, if Gammu has queued all of them in the second that begins then."""
    time.sleep(moment - time.time())
    found = [by_gammu(text) for text in texts]
    return found if time.time() < moment + 1 else None


def observed():
    """The references of three texts: two in one second, and one a minute later. None if the machine was too slow."""
    moment = int(time.time()) + 2
    if moment % 600 > 530:  # the references change every ten minutes
        moment += 600 - moment % 600
    together, later = in_one_second(moment, [FIRST, SECOND]), in_one_second(moment + 60, [SECOND])
    return together and later and together + later


found = next(filter(None, (observed() for _ in range(9))))
print("gammu, two texts in one second:", "the same reference" if found[0] == found[1] else "other references")
print("gammu, a text one minute later:", "the same reference" if found[0] == found[2] else "another reference")


def parts(text):
    """[reference, count, number, text] of each part that python-messaging makes."""
    made = []
    for pdu in SmsSubmit(PHONE, text).to_pdu():
        octets = bytes.fromhex(pdu.pdu)
        start = octets.index(b"\x05\x00\x03")
        bits = int.from_bytes(octets[start:], "little")
        shown = "".join(chr(bits >> 7 * at & 0x7F) for at in range(7, octets[start - 1]))
        made.append((*octets[start + 3 : start + 6], shown))
    return made


def phone(received):
    """The texts that a phone shows. It keeps parts until one of each number is there."""
    waiting, texts = {}, []
    for reference, count, number, text in received:
        of_text = waiting.setdefault((reference, count), {})
        of_text[number] = text
        if len(of_text) == count:
            texts.append("".join(of_text[each] for each in sorted(of_text)))
            del waiting[reference, count]
    return texts


print("python-messaging, two texts:", *(f"reference {parts(text)[0][0]}" for text in (FIRST, SECOND)))
(first_1, _), (_, second_2) = parts(FIRST), parts(SECOND)
[text] = phone([first_1, second_2])
print(f"the first part of one and the second of the other: 1 text, {text[:14]!r} … {text[-16:].strip()!r}")
PYTHON

"$folder/venv/bin/python" -W ignore "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
gammu, two texts in one second: the same reference
gammu, a text one minute later: the same reference
python-messaging, two texts: reference 0 reference 0
the first part of one and the second of the other: 1 text, 'Pump 1 failed.' … 'Pump 2 is fine.'
SEEN
