#!/usr/bin/env bash
# phonenumbers names the time zone of each number in India "Asia/Calcutta", which Debian 13 does not have.
#
# Software:  phonenumbers 9.0.43 and tzdata 2026.6 (PyPI), and the packages tzdata and tzdata-legacy of Debian 13
#            (2026f-0+deb13u1).
# Seen:      2026-11, Python 3.11.
# Behaviour: phonenumbers.timezone says in which zones a number may be, so that no message arrives at night.
#            (1) 11 of its 285 names are old ones, such as those of India, Argentina, Nepal and Myanmar. In Debian 13,
#                tzdata lacks them: they are in tzdata-legacy, which is not installed with it. ZoneInfo then
#                raises ZoneInfoNotFoundError for such a number. The same program works on Debian 12, and where
#                another package has brought tzdata of PyPI.
#            (2) It is not that the data is old: for Ukraine and Vietnam it has the present names.
# Output seen:
#            tzdata: 274 of 285 zones are known
#            not known: Africa/Asmera America/Buenos_Aires America/Godthab Asia/Calcutta Asia/Choibalsan Asia/Katmandu
#                Asia/Rangoon Atlantic/Faeroe Pacific/Enderbury Pacific/Ponape Pacific/Truk
#            a number in IN: Asia/Calcutta (not known)
#            a number in AR: America/Buenos_Aires (not known)
#            a number in UA: Europe/Kyiv
#            a number in VN: Asia/Ho_Chi_Minh
#            tzdata and tzdata-legacy: 285 of 285 zones are known
#            tzdata and tzdata of PyPI: 285 of 285 zones are known
# For us:    tzdata is a dependency of Ibiki. tests/sending/test_quiet_hours.py checks that it has all names.
#
# Downloads both packages from the mirror that this machine uses, and installs none of them. Exits with 1 if the
# behaviour changes.
set -euo pipefail
for program in apt-get dpkg-deb; do
  command -v $program >/dev/null || { echo "This needs $program, as on Debian." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check phonenumbers==9.0.43

mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
key=/usr/share/keyrings/debian-archive-keyring.gpg
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -1)
[ -n "$mirror" ] || { echo "Run apt-get update first." >&2; exit 2; }
echo "deb [signed-by=$key] $mirror trixie main" >"$folder/sources"
of_debian_13=(-o "Dir::Etc::SourceList=$folder/sources" -o Dir::Etc::SourceParts=/dev/null
  -o "Dir::State::Lists=$folder/lists" -o "Dir::Cache=$folder/cache" -o "APT::Sandbox::User=$(id -un)")
apt-get -qq "${of_debian_13[@]}" update
for package in tzdata tzdata-legacy; do
  (mkdir "$folder/$package" && cd "$folder/$package" && apt-get -qq "${of_debian_13[@]}" download $package >/dev/null)
done

cat >"$folder/observe.py" <<'PYTHON'
import sys
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from phonenumbers import example_number
from phonenumbers.timezone import time_zones_for_number
from phonenumbers.tzdata import TIMEZONE_DATA


def is_known(name):
    try:
        ZoneInfo(name)
    except ZoneInfoNotFoundError:
        return False
    return True


names = {name for zones in TIMEZONE_DATA.values() for name in zones}
print(f"{sys.argv[1]}: {sum(map(is_known, names))} of {len(names)} zones are known")
if len(sys.argv) > 2:
    print("not known:", *sorted(name for name in names if not is_known(name)))
    for region in ("IN", "AR", "UA", "VN"):
        zones = time_zones_for_number(example_number(region))
        print(f"a number in {region}:", *(f"{name}{'' if is_known(name) else ' (not known)'}" for name in zones))
PYTHON

observe() { PYTHONTZPATH=$folder/$1/usr/share/zoneinfo "$folder/venv/bin/python" "$folder/observe.py" "${@:2}"; }
dpkg-deb -x "$folder"/tzdata/*.deb "$folder/alone"
for package in tzdata tzdata-legacy; do dpkg-deb -x "$folder/$package"/*.deb "$folder/both"; done
{
  observe alone tzdata more
  observe both "tzdata and tzdata-legacy"
  "$folder/venv/bin/pip" install --quiet --disable-pip-version-check tzdata==2026.6
  observe alone "tzdata and tzdata of PyPI"
} | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
tzdata: 274 of 285 zones are known
not known: Africa/Asmera America/Buenos_Aires America/Godthab Asia/Calcutta Asia/Choibalsan Asia/Katmandu Asia/Rangoon Atlantic/Faeroe Pacific/Enderbury Pacific/Ponape Pacific/Truk
a number in IN: Asia/Calcutta (not known)
a number in AR: America/Buenos_Aires (not known)
a number in UA: Europe/Kyiv
a number in VN: Asia/Ho_Chi_Minh
tzdata and tzdata-legacy: 285 of 285 zones are known
tzdata and tzdata of PyPI: 285 of 285 zones are known
SEEN
