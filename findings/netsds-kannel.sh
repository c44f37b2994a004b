#!/usr/bin/env bash
# NetSDS::Kannel asks for no reports if it is called as its manual says, and sends the text "0" as an empty SMS.
#
# Software:  NetSDS::Kannel 1.300 (Debian package libnetsds-kannel-perl), with bearerbox and smsbox 1.4.5 (kannel), and
#            an SMPP 3.4 server in this script.
# Seen:      2026-11, Debian 12.
# Behaviour: The module sends texts through Kannel, and reads what Kannel calls. Kannel says "Accepted" to each text.
#            (1) The manual has dlr_url in the constructor and msgid in each call. With both, no report is requested
#                from Kannel and the network. Only a dlr_url in the call does it.
#            (2) `receive_dlr` returns the state as dlr_state and dlr_msg. The manual calls them dlr and dlrmsg: a
#                program that reads $dlr{dlr} never learns that a text was delivered or refused. Nothing is raised.
#            (3) The text "0", as in "Reply 1 for yes, 0 for no", is sent as an SMS without text. If a phone sends it,
#                `receive` returns no text. "1" is right.
#            (4) The example of the manual calls `send_sms`. There is no such method. `send` is the method.
# Output seen:
#            text Hello, dlr_url in the constructor: 0: Accepted for delivery, left "Hello", report requested: 0
#            text Hello, dlr_url in the call: 0: Accepted for delivery, left "Hello", report requested: 1
#            text 1: 0: Accepted for delivery, left "1", report requested: 0
#            text 0: 0: Accepted for delivery, left "", report requested: 0
#            received text=1: text 1
#            received text=0: text none
#            a report: dlr none, dlrmsg none, dlr_state 1, dlr_msg id:1 stat:DELIVRD
#            send_sms: no such method
# For us:    Ibiki calls Kannel itself. tests/kannel/test_traffic.py receives the text "0".
#
# Starts Kannel on loopback ports. Exits with 1 if the behaviour changes.
set -euo pipefail
PATH=$PATH:/usr/sbin
for program in bearerbox smsbox; do
  command -v $program >/dev/null || { echo "Install kannel first." >&2; exit 2; }
done
perl -MNetSDS::Kannel -e1 2>/dev/null || { echo "Install libnetsds-kannel-perl first." >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

cat >"$folder/call.pl" <<'PERL'
use strict;
use CGI;
use NetSDS::Kannel;

my ($url, $method, @given) = @ARGV;
my $dlr = 'http://127.0.0.1/dlr';
my $kannel = NetSDS::Kannel->new(
    sendsms_url => $url, sendsms_user => 'u', sendsms_passwd => 'p', dlr_url => $dlr, default_smsc => '',
);
if ($method eq 'send') {
    my ($text, $place) = @given;
    my %more = $place eq 'call' ? (dlr_url => $dlr) : ();
    print $kannel->send(from => '20255', to => '+12025550101', text => $text, msgid => 7, %more);
} elsif ($method eq 'can') {
    print $kannel->can($given[0]) ? 'exists' : 'no such method';
} else {
    my ($query, @keys) = @given;
    my %got = $kannel->receive(CGI->new($query));
    print join ', ', map { "$_ " . ($got{$_} // 'none') } @keys;
}
PERL

cat >"$folder/observe.py" <<'PYTHON'
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from queue import Queue
from socket import create_connection, socket
from socketserver import StreamRequestHandler, ThreadingTCPServer
from urllib.parse import quote

FOLDER = Path(sys.argv[1])
SUBMIT = 4
CONFIGURATION = """
group = core
admin-port = {admin}
admin-password = a
smsbox-port = {box}

group = smsc
smsc = smpp
host = 127.0.0.1
port = {network}
smsc-username = u
smsc-password = p
system-type = ""
transceiver-mode = true

group = smsbox
bearerbox-host = 127.0.0.1
sendsms-port = {send}

group = sendsms-user
username = u
password = p
"""
submitted = Queue()


class Network(StreamRequestHandler):
    def handle(self):
        while head := self.rfile.read(16):
            length, command, _, number = struct.unpack(">IIII", head)
            body = self.rfile.read(length - 16)
            if command == SUBMIT:
                *_, rest = body.split(b"\0", 1)[1][2:].split(b"\0", 1)[1][2:].split(b"\0", 1)
                rest = rest[3:].split(b"\0", 2)[2]
                submitted.put((rest[0] & 1, rest[5 : 5 + rest[4]].decode()))
            if command < 0x80000000:
                self.wfile.write(struct.pack(">IIII", 18, command | 0x80000000, 0, number) + b"1\0")


def free_port():
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def wait_for(port):
    for _ in range(400):
        with suppress(OSError):
            create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on {port}")


def start(stack, *command):
    process = stack.enter_context(
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    )
    stack.callback(lambda: os.killpg(process.pid, signal.SIGKILL))


def module(*arguments):
    command = ("perl", FOLDER / "call.pl", f"http://127.0.0.1:{ports['send']}/cgi-bin/sendsms", *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def send(label, text, place="constructor"):
    said = module("send", text, place)
    reports, left = submitted.get(timeout=60)
    print(f'{label}: {said}, left "{left}", report requested: {reports}')


with ExitStack() as stack:
    network = stack.enter_context(ThreadingTCPServer(("127.0.0.1", 0), Network))
    network.daemon_threads, network.block_on_close = True, False
    threading.Thread(target=network.serve_forever, daemon=True).start()
    stack.callback(network.shutdown)
    ports = {each: free_port() for each in ("admin", "box", "send")}
    file = FOLDER / "kannel.conf"
    file.write_text(CONFIGURATION.format(**ports, network=network.server_address[1]))
    start(stack, "bearerbox", str(file))
    wait_for(ports["box"])
    start(stack, "smsbox", str(file))
    wait_for(ports["send"])
    time.sleep(1)
    send("text Hello, dlr_url in the constructor", "Hello")
    send("text Hello, dlr_url in the call", "Hello", "call")
    send("text 1", "1")
    send("text 0", "0")
    for text in "10":
        query = f"type=mo&from=%2B12025550101&to=20255&text={text}&coding=0&charset=UTF-8"
        print(f"received text={text}:", module("receive", query, "text"))
    query = f"type=dlr&msgid=7&dlr=1&dlrmsg={quote('id:1 stat:DELIVRD')}"
    print("a report:", module("receive", query, "dlr", "dlrmsg", "dlr_state", "dlr_msg"))
    print("send_sms:", module("can", "send_sms"))
PYTHON

timeout 200 python3 "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
text Hello, dlr_url in the constructor: 0: Accepted for delivery, left "Hello", report requested: 0
text Hello, dlr_url in the call: 0: Accepted for delivery, left "Hello", report requested: 1
text 1: 0: Accepted for delivery, left "1", report requested: 0
text 0: 0: Accepted for delivery, left "", report requested: 0
received text=1: text 1
received text=0: text none
a report: dlr none, dlrmsg none, dlr_state 1, dlr_msg id:1 stat:DELIVRD
send_sms: no such method
SEEN
