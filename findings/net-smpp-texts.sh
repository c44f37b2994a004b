#!/usr/bin/env bash
# Net::SMPP sends 44 letters of a text of 300, and drops a text from a phone that comes while it sends one.
#
# Software:  Net::SMPP 1.19 (Debian package libnet-smpp-perl), a client in Perl, smpplib 2.2.4 (PyPI) for comparison, and
#            smpp 0.5.1 (npm) as the network.
# Seen:      2026-11, Debian 12, Python 3.11, Node 20.
# Behaviour: SMPP 3.4 has one byte for the length of a text (sm_length, 5.2.21), and message_payload for longer ones.
#            (1) `submit_sm` takes a text of any length as short_message, and writes the length modulo 256. Of 300
#                letters, 44 are sent, and of 256 none. The letters behind them are read as a parameter that nobody
#                knows. The network answers with status 0, and nothing is raised or printed. With 255 letters or fewer,
#                as in most tests, all are sent. The manual asks for message_payload if a text is longer, and nothing
#                checks it. smpplib raises an exception.
#            (2) `submit_sm` waits for its answer. The text of a phone that comes before is neither answered nor kept:
#                `read_pdu` does not return it later. The network may give it again only after a new bind. Under load, a
#                client that also receives loses texts and receipts. The manual says that wait_pdu "handles or
#                discards" other PDUs, and says nothing of it for submit_sm.
# Output seen:
#            Net::SMPP, 160 letters: status 0, the network has 160
#            Net::SMPP, 255 letters: status 0, the network has 255
#            Net::SMPP, 256 letters: status 0, the network has 0, and parameter 24930
#            Net::SMPP, 300 letters: status 0, the network has 44, and parameter 29556
#            smpplib, 300 letters: exception
#            a text from a phone, before the answer: not answered, not received
#            a text from a phone, after the answer: answered, received "Yes"
# For us:    Ibiki speaks no SMPP itself: Kannel splits long texts into parts, and answers each inbound text.
#
# Starts the network on a loopback port. Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
perl -MNet::SMPP -e1 2>/dev/null || { echo "Install libnet-smpp-perl first." >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check smpplib==2.2.4
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts smpp@0.5.1 >/dev/null)

cat >"$folder/send.pl" <<'PERL'
# Sends a text, prints the status, and reads a text from a phone for at most two seconds.
use strict;
use warnings;
use IO::Select;
use Net::SMPP;

my ($port, $letters) = @ARGV;
my $network = Net::SMPP->new_transceiver('127.0.0.1', port => $port, system_id => 'u', password => 'p') or die;
my $text = join '', map { chr(97 + $_ % 26) } 0 .. $letters - 1;
my $answer = $network->submit_sm(source_addr => '20255', destination_addr => '12025550101', short_message => $text);
my $received = '';
if (IO::Select->new($network)->can_read(2)) {
    my $pdu = $network->read_pdu();
    $network->deliver_sm_resp(seq => $pdu->{seq}, message_id => '');
    $received = $pdu->{short_message};
}
print "$answer->{status} $received";
PERL

cat >"$folder/send.py" <<'PYTHON'
# Sends a text, and prints its status, or that there was an exception.
import logging
import sys

from smpplib.client import Client

logging.disable()
client = Client("127.0.0.1", int(sys.argv[1]))
client.connect()
client.bind_transceiver(system_id="u", password="p")
try:
    client.send_message(source_addr="20255", destination_addr="12025550101", short_message=b"a" * int(sys.argv[2]))
    print("sent")
except Exception:
    print("exception")
PYTHON

cat >"$folder/network.cjs" <<'NODE'
const { execFile } = require("node:child_process");
const { promisify } = require("node:util");
const smpp = require("smpp");

const run = promisify(execFile);
let submitted, deliver, answered;

function phone(session) {
  session.deliver_sm({ source_addr: "12025550102", destination_addr: "20255", short_message: "Yes" }, () => {
    answered = true;
  });
}

const server = smpp.createServer((session) => {
  session.on("error", () => {});
  session.on("bind_transceiver", (pdu) => session.send(pdu.response()));
  session.on("unbind", (pdu) => session.send(pdu.response()));
  session.on("submit_sm", (pdu) => {
    submitted = pdu;
    if (deliver === "before") phone(session);
    session.send(pdu.response({ message_id: "1" }));
    if (deliver === "after") phone(session);
  });
});

server.listen(0, "127.0.0.1", async () => {
  const send = async (program, file, letters) => {
    [submitted, answered] = [undefined, false];
    const command = [`${__dirname}/${file}`, String(server.address().port), String(letters)];
    return (await run(program, command, { timeout: 60_000 })).stdout;
  };
  for (const letters of [160, 255, 256, 300]) {
    const [status] = (await send("perl", "send.pl", letters)).split(" ");
    const unknown = Object.keys(submitted).filter((key) => /^[0-9]+$/.test(key));
    const more = unknown.length ? `, and parameter ${unknown}` : "";
    const has = String(submitted.short_message.message ?? "").length;
    console.log(`Net::SMPP, ${letters} letters: status ${status}, the network has ${has}${more}`);
  }
  console.log("smpplib, 300 letters:", (await send(`${__dirname}/venv/bin/python`, "send.py", 300)).trim());
  for (deliver of ["before", "after"]) {
    const [, text] = (await send("perl", "send.pl", 5)).split(" ");
    const received = text ? `received "${text}"` : "not received";
    const label = `a text from a phone, ${deliver} the answer`;
    console.log(`${label}: ${answered ? "answered" : "not answered"}, ${received}`);
  }
  process.exit();
});
NODE

timeout 120 node "$folder/network.cjs" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
Net::SMPP, 160 letters: status 0, the network has 160
Net::SMPP, 255 letters: status 0, the network has 255
Net::SMPP, 256 letters: status 0, the network has 0, and parameter 24930
Net::SMPP, 300 letters: status 0, the network has 44, and parameter 29556
smpplib, 300 letters: exception
a text from a phone, before the answer: not answered, not received
a text from a phone, after the answer: answered, received "Yes"
SEEN
