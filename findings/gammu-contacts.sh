#!/usr/bin/env bash
# gammu loses the numbers of an iPhone's contacts that have a label, and prefers another number than the person did.
#
# Software:  gammu 1.42.0 (Debian package gammu), and vobject 0.9.9 (PyPI) as a second reader.
# Seen:      2026-11, Debian 12, Python 3.11.
# Behaviour: `gammu convertbackup` writes the contacts of a phone in another form. It says nothing here, and its exit
#            code is 0.
#            (1) For a number with a label that the person wrote, such as "Shop", an iPhone writes "item1.TEL" and the
#                label beside it. The group before the point is a part of vCard (RFC 2426, 4). gammu drops the number.
#                A contact with no other number has none.
#            (2) It drops numbers in the form of vCard 4.0 (tel:+1-…), and those of vCard 2.1 with a label (X-Signal).
#            (3) It drops the mark of the preferred number, and writes PREF at the number from home, which may be a
#                landline. A program that sends to the preferred number sends there.
# Output seen:
#            iPhone, vobject: Ada +12025550101, +12025550102 preferred, +12025550103; Bo +12025550104 preferred
#            iPhone, gammu: Ada +12025550101 preferred, +12025550102; Bo no number
#            Android, vobject: Cy +12025550105, +12025550106 preferred, +12025550107
#            Android, gammu: Cy +12025550105 preferred, +12025550106
#            vCard 4.0, vobject: Dee tel:+1-202-555-0108
#            vCard 4.0, gammu: Dee no number
# For us:    Ibiki refuses a file of vCards, and says to save the contacts as CSV. docs/api/files.md warns of (1).
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
command -v gammu >/dev/null || { echo "Install gammu first." >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check vobject==0.9.9

cat >"$folder/observe.py" <<'PYTHON'
import subprocess
import sys
from pathlib import Path

import vobject

FOLDER = Path(sys.argv[1])
CARDS = {
    "iPhone": (
        ("VERSION:3.0", "N:Poe;Ada;;;", "FN:Ada", "TEL;type=HOME;type=VOICE:+12025550101")
        + ("TEL;type=CELL;type=VOICE;type=pref:+12025550102", "item1.TEL:+12025550103", "item1.X-ABLabel:Signal"),
        ("VERSION:3.0", "N:;Bo;;;", "FN:Bo", "item1.TEL;type=pref:+12025550104", "item1.X-ABLabel:Shop"),
    ),
    "Android": (
        ("VERSION:2.1", "N:;Cy;;;", "FN:Cy", "TEL;HOME:+12025550105", "TEL;CELL;PREF:+12025550106")
        + ("TEL;X-Signal:+12025550107",),
    ),
    "vCard 4.0": (("VERSION:4.0", "N:;Dee;;;", "FN:Dee", "TEL;VALUE=uri;TYPE=cell:tel:+1-202-555-0108"),),
}


def show(label, text):
    people = []
    for card in vobject.readComponents(text):
        numbers = [tel.value + " preferred" * is_preferred(tel) for tel in card.contents.get("tel", ())]
        people.append(f"{card.fn.value} {', '.join(numbers) or 'no number'}")
    print(f"{label}: {'; '.join(people)}")


def is_preferred(tel):
    return "pref" in str((tel.params, tel.singletonparams)).lower()


for label, cards in CARDS.items():
    text = "".join("\r\n".join(("BEGIN:VCARD", *card, "END:VCARD", "")) for card in cards)
    (FOLDER / "in.vcf").write_bytes(text.encode())
    command = ("gammu", "convertbackup", str(FOLDER / "in.vcf"), str(FOLDER / "out.vcf"))
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    said = [line for line in (done.stdout + done.stderr).splitlines() if line and "configuration" not in line]
    assert done.returncode == 0 and not said, said
    show(f"{label}, vobject", text)
    show(f"{label}, gammu", (FOLDER / "out.vcf").read_text())
    (FOLDER / "out.vcf").unlink()
PYTHON

"$folder/venv/bin/python" "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
iPhone, vobject: Ada +12025550101, +12025550102 preferred, +12025550103; Bo +12025550104 preferred
iPhone, gammu: Ada +12025550101 preferred, +12025550102; Bo no number
Android, vobject: Cy +12025550105, +12025550106 preferred, +12025550107
Android, gammu: Cy +12025550105 preferred, +12025550106
vCard 4.0, vobject: Dee tel:+1-202-555-0108
vCard 4.0, gammu: Dee no number
SEEN
