#!/usr/bin/env bash
# ofxparse counts a payment that the bank has deleted, and reads 100,000 shillings as 100,000 dollars.
#
# Software:  ofxparse 0.21 and ofxtools 1.1.1 (PyPI), readers of bank statements in OFX 1.0.2.
# Seen:      2026-11, Python 3.11.
# Behaviour: A program reads the statement of its bank and tops up the accounts of those who paid. The account is in
#            dollars (CURDEF). ofxparse raises nothing, and its transactions have no more fields than these.
#            (1) A bank corrects a line by another one with CORRECTFITID, the ID of the first, and CORRECTACTION, which
#                is DELETE or REPLACE. ofxparse drops both fields: a payment of 100 that was deleted adds up to 200.
#            (2) An amount in another currency has a CURRENCY with its code and rate. ofxparse drops it.
#            (3) A time may have an offset from GMT, with or without the name of the zone: [+3:EAT] or [+3]. ofxparse
#                ignores the second, so that the two differ by three hours. Here, they are on different days.
#            ofxtools returns the correction and the currency, and the same time for both.
# Output seen:
#            ofxparse
#                a payment, deleted: 100 + 100 = 200
#                100,000 shillings: 100000 usd
#                01:30 in +3:EAT: 2026-11-30 22:30
#                01:30 in +3: 2026-12-01 01:30
#            ofxtools
#                a payment, deleted: 100 + 100 DELETE 1
#                100,000 shillings: 100000 UGX
#                01:30 in +3:EAT: 2026-11-30 22:30
#                01:30 in +3: 2026-11-30 22:30
# For us:    Ibiki reads no bank statements. A program of the operator that does so calls `allocate` for each payment.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ofxparse==0.21 ofxtools==1.1.1

cat >"$folder/observe.py" <<'PYTHON'
from io import BytesIO

import ofxparse
from ofxtools.Parser import OFXTree

HEADER = {
    "OFXHEADER": "100",
    "DATA": "OFXSGML",
    "VERSION": "102",
    "SECURITY": "NONE",
    "ENCODING": "USASCII",
    "CHARSET": "1252",
    "COMPRESSION": "NONE",
    "OLDFILEUID": "NONE",
    "NEWFILEUID": "NONE",
}
STATUS = "<STATUS><CODE>0<SEVERITY>INFO</STATUS>"
CORRECTION = "<CORRECTFITID>1<CORRECTACTION>DELETE"
CURRENCY = "<CURRENCY><CURRATE>0.00027<CURSYM>UGX</CURRENCY>"
ZONES = ("+3:EAT", "+3")


def document(*lines):
    head = "".join(f"{name}:{value}\r\n" for name, value in HEADER.items())
    return BytesIO(
        (
            f"{head}\r\n<OFX><SIGNONMSGSRSV1><SONRS>{STATUS}<DTSERVER>20261201120000<LANGUAGE>ENG</SONRS></SIGNONMSGSRSV1>"
            f"<BANKMSGSRSV1><STMTTRNRS><TRNUID>0{STATUS}<STMTRS><CURDEF>USD<BANKACCTFROM><BANKID>1<ACCTID>2"
            "<ACCTTYPE>CHECKING</BANKACCTFROM><BANKTRANLIST><DTSTART>20261101<DTEND>20261202"
            f"{''.join(lines)}</BANKTRANLIST><LEDGERBAL><BALAMT>0<DTASOF>20261202</LEDGERBAL>"
            "</STMTRS></STMTTRNRS></BANKMSGSRSV1></OFX>"
        ).encode("cp1252")
    )


def line(number, amount=100, date="20261201", correction="", currency=""):
    return (
        f"<STMTTRN><TRNTYPE>CREDIT<DTPOSTED>{date}<TRNAMT>{amount}<FITID>{number}{correction}"
        f"<NAME>Ada{currency}</STMTTRN>"
    )


DELETED = (line(1), line(2, correction=CORRECTION))
SHILLINGS = (line(1, 100000, currency=CURRENCY),)
TIMES = tuple(line(place, date=f"20261201013000[{zone}]") for place, zone in enumerate(ZONES))


def parse(*lines):
    return ofxparse.OfxParser.parse(document(*lines)).account.statement


def convert(*lines):
    tree = OFXTree()
    tree.parse(document(*lines))
    return tree.convert().statements[0].transactions


def show(name, deleted, shillings, times):
    print(name)
    print(f"    a payment, deleted: {deleted}")
    print(f"    100,000 shillings: {shillings}")
    for zone, time in zip(ZONES, times, strict=True):
        print(f"    01:30 in {zone}: {time:%Y-%m-%d %H:%M}")


first, second = parse(*DELETED).transactions
assert not any("correct" in name.lower() or "currency" in name.lower() for name in vars(second))
statement = parse(*SHILLINGS)
show(
    "ofxparse",
    f"{first.amount} + {second.amount} = {first.amount + second.amount}",
    f"{statement.transactions[0].amount} {statement.currency}",
    [each.date for each in parse(*TIMES).transactions],
)
first, second = convert(*DELETED)
[paid] = convert(*SHILLINGS)
show(
    "ofxtools",
    f"{first.trnamt} + {second.trnamt} {second.correctaction} {second.correctfitid}",
    f"{paid.trnamt} {paid.currency.cursym}",
    [each.dtposted for each in convert(*TIMES)],
)
PYTHON

"$folder/venv/bin/python" "$folder/observe.py" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
ofxparse
    a payment, deleted: 100 + 100 = 200
    100,000 shillings: 100000 usd
    01:30 in +3:EAT: 2026-11-30 22:30
    01:30 in +3: 2026-12-01 01:30
ofxtools
    a payment, deleted: 100 + 100 DELETE 1
    100,000 shillings: 100000 UGX
    01:30 in +3:EAT: 2026-11-30 22:30
    01:30 in +3: 2026-11-30 22:30
SEEN
