#!/usr/bin/env bash
# Four readers of received SMS lose letters, alphabets and times: "Hello" is read as "ello", and "çok" as "ok".
#
# Software:  smspdudecoder 2.2.0 with bitstring 4.4.0, python-gsmmodem-new 0.13.0 and python-messaging 0.5.13
#            (PyPI), and node-pdu 2.1.1 (npm).
# Seen:      2026-11, Python 3.11, Node 20.
# Behaviour: A modem delivers an SMS as a PDU (3GPP TS 23.040). These PDUs are valid, and nothing is raised.
#            (1) gsmmodem loses the first letter of each part of a long text whose reference has 16 bits. It
#                also loses an "@" that is the last of eight characters.
#            (2) A text in UCS-2 can be marked: it tells of a waiting message, or is to be deleted after it was
#                read (TS 23.038, 4). All four read the first as GSM-7, and gsmmodem the second too.
#            (3) A sender with seven letters has an "@" behind them in smspdudecoder and python-messaging. The
#                length of a sender is given in half octets. Both read the bits that are left over as a letter.
#            (4) None knows the national tables (TS 23.038, annex A), which are for Turkish, Spanish, Portuguese
#                and languages of India. A "ç" from the Turkish table is missing or is other characters.
#            (5) node-pdu writes the zone of India (+05:30) as "+5.5:00", which Node does not understand.
#            Wireshark 4.0.17 reads (1), (2), (3) and (5) as they were meant.
# Output seen:
#            received: smspdudecoder | gsmmodem | python-messaging | node-pdu
#            a part with a 16-bit reference, 'Hello': 'Hello' | 'ello' | 'Hello' | 'Hello'
#            'rsvp me@': 'rsvp me@' | 'rsvp me' | 'rsvp me@' | 'rsvp me@'
#            'Привет', tells of a waiting message: 'è>Δ@D@Å$2òT!' | 'è>Δ@D@Å$2òT! ' | 'è>Δ@D@Å$2òT!' | 'è>Δ@D@Å$2òT!'
#            'Привет', to be deleted: 'Привет' | 'è>Δ@D@Å$2òT! ' | 'Привет' | 'Привет'
#            from ABCDEFG: 'ABCDEFG@' | 'ABCDEFG' | 'ABCDEFG@' | 'ABCDEFG'
#            'çok', Turkish table: ' ok' | 'ok' | '\xa0cok' | '`ok'
#            09:30 in India: 04:00:00+00:00 | 09:30:00+05:30 | 04:00:00 | 2026-12-01T09:30:00+5.5:00
#            the last time, as Node reads it: Invalid Date
# For us:    Ibiki reads no PDUs: Kannel, the network or a phone does, and passes texts.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check smspdudecoder==2.2.0 bitstring==4.4.0 \
  python-gsmmodem-new==0.13.0 python-messaging==0.5.13
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts node-pdu@2.1.1 >/dev/null)

cat >"$folder/read.cjs" <<'NODE'
// Prints [sender, text, time, the time as Date understands it] of each argument.
const pdu = require("node-pdu");
const read = (octets) => {
  const sms = pdu.parse(octets);
  const time = sms.serviceCenterTimeStamp.getIsoString();
  return [sms.address.phone, sms.data.getText(), time, String(new Date(time))];
};
console.log(JSON.stringify(process.argv.slice(2).map(read)));
NODE

cat >"$folder/observe.py" <<'PYTHON'
import json
import subprocess
import sys

from gsmmodem.pdu import decodeSmsPdu
from messaging.sms import SmsDeliver
from smspdudecoder.easy import read_incoming_sms

PHONE = "0B912120550501F1"  # +1 202 555 0101
UCS2 = "Привет".encode("utf-16-be")


def packed(septets, free_bits=0):
    """Septets, as TS 23.038, 6.1.2.1 packs them, behind free bits."""
    bits = sum(each << free_bits + 7 * at for at, each in enumerate(septets))
    return bits.to_bytes((free_bits + 7 * len(septets) + 7) // 8, "little")


def deliver(text, header=b"", coding=0, sender=PHONE, zone="00"):
    """An SMS-DELIVER of 2026-12-01 09:30. `text`: septets in GSM-7, or octets in another coding."""
    before = -(-8 * len(header) // 7)  # septets that the header takes
    data = header + (text if coding else packed(text, 7 * before - 8 * len(header)))
    length = len(data) if coding else before + len(text)
    return f"00{'44' if header else '04'}{sender}00{coding:02X}622110900300{zone}{length:02X}{data.hex().upper()}"


def ascii_as_gsm(text):
    """The septets of letters, digits and @, most of which are those of ASCII."""
    return bytes(0 if each == "@" else ord(each) for each in text)


PDUS = {
    "a part with a 16-bit reference, 'Hello'": deliver(ascii_as_gsm("Hello"), bytes.fromhex("06080412340201")),
    "'rsvp me@'": deliver(ascii_as_gsm("rsvp me@")),
    "'Привет', tells of a waiting message": deliver(UCS2, coding=0xE0),
    "'Привет', to be deleted": deliver(UCS2, coding=0x48),
    "from ABCDEFG": deliver(ascii_as_gsm("Hello"), sender="0DD0" + packed(b"ABCDEFG").hex().upper()),
    "'çok', Turkish table": deliver(b"\x1b\x63ok", bytes.fromhex("03250101")),
    "09:30 in India": deliver(ascii_as_gsm("Hello"), zone="22"),
}
command = ["node", f"{sys.argv[1]}/read.cjs", *PDUS.values()]
by_node = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

print("received: smspdudecoder | gsmmodem | python-messaging | node-pdu")
for (label, pdu), node in zip(PDUS.items(), by_node):
    easy, modem, messaging = read_incoming_sms(pdu), decodeSmsPdu(pdu), SmsDeliver(pdu)
    if label.startswith("from"):
        seen = map(repr, (easy["sender"], modem["number"], messaging.number, node[0]))
    elif label.startswith("09:30"):
        seen = easy["date"].isoformat()[11:], modem["time"].isoformat()[11:], messaging.date.isoformat()[11:], node[2]
    else:
        seen = map(repr, (easy["content"], modem["text"], messaging.text, node[1]))
    print(f"{label}: " + " | ".join(seen))
print(f"the last time, as Node reads it: {by_node[-1][3]}")
PYTHON

"$folder/venv/bin/python" -W ignore "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
received: smspdudecoder | gsmmodem | python-messaging | node-pdu
a part with a 16-bit reference, 'Hello': 'Hello' | 'ello' | 'Hello' | 'Hello'
'rsvp me@': 'rsvp me@' | 'rsvp me' | 'rsvp me@' | 'rsvp me@'
'Привет', tells of a waiting message: 'è>Δ@D@Å$2òT!' | 'è>Δ@D@Å$2òT! ' | 'è>Δ@D@Å$2òT!' | 'è>Δ@D@Å$2òT!'
'Привет', to be deleted: 'Привет' | 'è>Δ@D@Å$2òT! ' | 'Привет' | 'Привет'
from ABCDEFG: 'ABCDEFG@' | 'ABCDEFG' | 'ABCDEFG@' | 'ABCDEFG'
'çok', Turkish table: ' ok' | 'ok' | '\xa0cok' | '`ok'
09:30 in India: 04:00:00+00:00 | 09:30:00+05:30 | 04:00:00 | 2026-12-01T09:30:00+5.5:00
the last time, as Node reads it: Invalid Date
SEEN
