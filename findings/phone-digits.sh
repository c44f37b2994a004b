#!/usr/bin/env bash
# npm's phone takes a digit out of valid numbers of Cambodia, Gabon and Italy: the text goes to somebody else.
#
# Software:  phone 3.1.72 (npm), which writes mobile numbers in E.164, and phonenumbers 9.0.43 (PyPI).
# Seen:      2026-11, Node 20, Python 3.11.
# Behaviour: Each number is in E.164, and phonenumbers calls it a valid mobile number.
#            (1) If `phone` does not know a prefix, it removes the first digit behind the country code. If it knows
#                the rest, that is the answer, with isValid true: often the number of another person. The README
#                calls this the detection of a trunk code and shows a 0. The code removes any digit. This concerns a
#                part of the numbers in Cambodia, Gabon and Italy, and all of Saint Helena, where the answer is no
#                number at all. The option strictDetection prevents it, and is off.
#            (2) With the option country, the same numbers are refused.
#            (3) It refuses the example numbers of 17 countries and islands that phonenumbers has, such as those of Benin
#                (ten digits since 2024), Chile, the Gambia and Somalia. A program that drops what is not valid never
#                sends to Benin.
# Output seen:
#            +855312000000: +85512000000, isValid true, valid for phonenumbers: true, with country: isValid false
#            +24165000000: +2415000000, isValid true, valid for phonenumbers: true, with country: isValid false
#            +394390000000: +39390000000, isValid true, valid for phonenumbers: true, with country: isValid false
#            +29051234: +2901234, isValid true, valid for phonenumbers: false, with country: isValid false
#            refused: AC AG AT AZ BJ CL GM GW IO KI KP LI NU SM SO TO
# For us:    Ibiki and its console check numbers with the data of phonenumbers and libphonenumber-js.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check phonenumbers==9.0.43
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts phone@3.1.72 >/dev/null)

cat >"$folder/observe.py" <<'PYTHON'
import json
import subprocess
import sys

import phonenumbers

NUMBERS = {"+855312000000": "KH", "+24165000000": "GA", "+394390000000": "IT", "+29051234": "SH"}
MOBILE = phonenumbers.PhoneNumberType.MOBILE
TYPES = (MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE)


def is_mobile(text):
    number = phonenumbers.parse(text)
    return phonenumbers.is_valid_number(number) and phonenumbers.number_type(number) in TYPES


def example(region):
    number = phonenumbers.example_number_for_type(region, MOBILE)
    return number and phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def asked(*pairs):
    script = "const {phone} = require('phone');" + (
        "console.log(JSON.stringify(JSON.parse(process.argv[1]).map(([text, options]) => phone(text, options))))"
    )
    done = subprocess.run(
        ("node", "-e", script, json.dumps(pairs)), cwd=sys.argv[1], check=True, capture_output=True
    )
    return json.loads(done.stdout)


def word(value):
    return str(value).lower()


for text, country in NUMBERS.items():
    plain, strict, with_country = asked(
        (text, {}), (text, {"strictDetection": True}), (text, {"country": country})
    )
    assert is_mobile(text) and not strict["isValid"]
    print(
        f"{text}: {plain['phoneNumber']}, isValid {word(plain['isValid'])}, valid for phonenumbers: "
        f"{word(is_mobile(plain['phoneNumber']))}, with country: isValid {word(with_country['isValid'])}"
    )
examples = {region: example(region) for region in sorted(phonenumbers.SUPPORTED_REGIONS) if example(region)}
answers = asked(*((text, {}) for text in examples.values()))
refused = [region for region, answer in zip(examples, answers, strict=True) if not answer["isValid"]]
print("refused:", *refused)
PYTHON

"$folder/venv/bin/python" "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
+855312000000: +85512000000, isValid true, valid for phonenumbers: true, with country: isValid false
+24165000000: +2415000000, isValid true, valid for phonenumbers: true, with country: isValid false
+394390000000: +39390000000, isValid true, valid for phonenumbers: true, with country: isValid false
+29051234: +2901234, isValid true, valid for phonenumbers: false, with country: isValid false
refused: AC AG AT AZ BJ CL GM GW IO KI KP LI NU SM SO TO
SEEN
