#!/usr/bin/env bash
# vCards that a phone exports: npm's vcf returns a name in code, and vcard-parser makes one person of two.
#
# Software:  vcf 2.1.2 and vcard-parser 1.0.0 (npm), and vobject 0.9.9 (PyPI).
# Seen:      2026-11, Node 20, Python 3.11.
# Behaviour: (1) Android exports contacts as vCard 2.1. A name outside ASCII is in quoted-printable, and on several
#                lines if it is long. vcf and vcard-parser return the code of the first line as the name, and the
#                rest is lost. vobject raises, unless it is called with allowQP=True.
#            (2) A comma in a name is written as "\," (RFC 6350, 3.4). vcf returns it with the backslash.
#            (3) A file of contacts has a vCard for each person. vcard-parser puts all names and numbers into one:
#                a program that reads card.fn[0] and card.tel greets everyone by the name of the first.
#            vcf and vcard-parser raise nothing. A message can begin with "Dear =D0=90=D0=BB".
# Output seen:
#            android, vobject: ParseError
#            comma, vobject: Ada Poe, Jr. +12025550101
#            people, vobject: Ada +12025550101; Bo +12025550102
#            android, vobject with allowQP: Александра +12025550101
#            android, vcf: =D0=90=D0=BB=D0=B5=D0=BA=D1=81= +12025550101
#            android, vcard-parser: =D0=90=D0=BB=D0=B5=D0=BA=D1=81= +12025550101
#            comma, vcf: Ada Poe\, Jr. +12025550101
#            comma, vcard-parser: Ada Poe, Jr. +12025550101
#            people, vcf: Ada +12025550101; Bo +12025550102
#            people, vcard-parser: Ada & Bo +12025550101 & +12025550102
# For us:    Ibiki refuses a file of vCards, and says to save the contacts as CSV. docs/api/files.md warns of (1).
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check vobject==0.9.9
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts vcf@2.1.2 vcard-parser@1.0.0 \
  >/dev/null)

cat >"$folder/observe.py" <<'PYTHON'
"""Writes the files, and prints what vobject reads."""
from pathlib import Path

import vobject
from vobject.base import ParseError


def quoted(name, text):
    """A property as Android writes it: in quoted-printable, with at most 76 characters in a line."""
    lines = [f"{name};CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:"]
    for octet in text.encode():
        if len(lines[-1]) > 72:
            lines[-1] += "="
            lines.append("")
        lines[-1] += ";" if octet == ord(";") else f"={octet:02X}"
    return lines


def card(version, *lines):
    return "".join(f"{line}\r\n" for line in ("BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD"))


def person(name, number):
    return card("3.0", f"N:{name};;;;", f"FN:{name}", f"TEL;TYPE=CELL:{number}")


FILES = {
    "android": card("2.1", *quoted("N", ";Александра;;;"), *quoted("FN", "Александра"), "TEL;CELL:+12025550101"),
    "comma": person("Ada Poe\\, Jr.", "+12025550101"),
    "people": person("Ada", "+12025550101") + person("Bo", "+12025550102"),
}


def read(text, **options):
    try:
        cards = list(vobject.readComponents(text, **options))
    except ParseError as error:
        return type(error).__name__
    return "; ".join(f"{each.fn.value} {each.tel.value}" for each in cards)


for name, text in FILES.items():
    Path(f"{name}.vcf").write_text(text, newline="")
    print(f"{name}, vobject: {read(text)}")
print(f"android, vobject with allowQP: {read(FILES['android'], allowQP=True)}")
PYTHON

cat >"$folder/observe.mjs" <<'NODE'
import fs from "node:fs";
import parser from "vcard-parser";
import vcf from "vcf";

const values = (found) => [].concat(found).map((each) => each.value ?? each.valueOf()).join(" & ");
const readers = {
  vcf: (text) => vcf.parse(text).map((card) => [card.get("fn"), card.get("tel")]),
  "vcard-parser": (text) => [parser.parse(text)].map((card) => [card.fn, card.tel]),
};
for (const name of ["android", "comma", "people"])
  for (const [label, read] of Object.entries(readers)) {
    const cards = read(fs.readFileSync(`${name}.vcf`, "utf8"));
    console.log(`${name}, ${label}: ${cards.map((card) => card.map(values).join(" ")).join("; ")}`);
  }
NODE

(cd "$folder" && venv/bin/python -W ignore observe.py && node observe.mjs) | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
android, vobject: ParseError
comma, vobject: Ada Poe, Jr. +12025550101
people, vobject: Ada +12025550101; Bo +12025550102
android, vobject with allowQP: Александра +12025550101
android, vcf: =D0=90=D0=BB=D0=B5=D0=BA=D1=81= +12025550101
android, vcard-parser: =D0=90=D0=BB=D0=B5=D0=BA=D1=81= +12025550101
comma, vcf: Ada Poe\, Jr. +12025550101
comma, vcard-parser: Ada Poe, Jr. +12025550101
people, vcf: Ada +12025550101; Bo +12025550102
people, vcard-parser: Ada & Bo +12025550101 & +12025550102
SEEN
