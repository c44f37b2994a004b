#!/usr/bin/env bash
# Jasmin 0.11.1 reports nothing about any message: neither that it was delivered nor that the network refused it.
#
# Software:  jasmin 0.11.1 and, for comparison, 0.10.13, an SMS gateway (PyPI), and the programs rabbitmq-server 3.10.8
#            and redis-server (Debian packages). The network is an SMPP 3.4 server in this script.
# Seen:      2026-11, Python 3.11, Debian 12.
# Behaviour: Each message asks for all reports (dlr=yes, dlr-level=3) at a dlr-url. The network takes "Hello" and sends a
#            receipt with stat:DELIVRD. It refuses the other text (0x45, submit failed).
#            (1) Jasmin 0.10.13 reports ESME_ROK and DELIVRD, and ESME_RSUBMITFAIL.
#            (2) Jasmin 0.11.1 reports nothing. Its code that reads the network's answer looks for the answer in
#                the request, so that it never stores where to report. The only signs are lines in messages.log: "no
#                attribute 'response'", and "Got a DLR for an unknown message id" for each receipt.
#            (3) Both say "Success" to the caller and send the text. So a program that pays back what was refused, or
#                sends again what was not delivered, waits for ever after an update.
# Output seen:
#            0.10.13, Hello: Success, reports: DELIVRD ESME_ROK
#            0.10.13, refused: Success, reports: ESME_RSUBMITFAIL
#            0.10.13, taken by the network: 2
#            0.11.1, Hello: Success, reports: none
#            0.11.1, refused: Success, reports: none
#            0.11.1, taken by the network: 2
# For us:    Ibiki has no adapter for Jasmin. A message without a report stays SENT: it is not refunded, and not repeated.
#
# Starts RabbitMQ, Redis, Jasmin and a network on loopback ports. Exits with 1 if the behaviour changes.
set -euo pipefail
for program in /usr/lib/rabbitmq/bin/rabbitmq-server redis-server; do
  command -v $program >/dev/null || { echo "Install rabbitmq-server and redis-server first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
for pins in "0.10.13 smpp.twisted3==0.7" "0.11.1 smpp.twisted3==0.8"; do
  read -r version other <<<"$pins"
  python3 -m venv "$folder/$version"
  "$folder/$version/bin/pip" install --quiet --disable-pip-version-check "jasmin==$version" smpp.pdu3==0.6 "$other"
done
mkdir "$folder/resource"
cp "$folder"/0.11.1/lib/python3*/site-packages/txamqp/specs/rabbitmq/amqp0-8.stripped.rabbitmq.xml "$folder/resource"
cp "$folder"/0.11.1/lib/python3*/site-packages/txamqp/specs/standard/amqp0-9-1.stripped.xml \
  "$folder/resource/amqp0-9-1.xml"

cat >"$folder/observe.py" <<'PYTHON'
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from urllib.parse import parse_qs, urlencode
from urllib.request import urlopen

FOLDER = Path(sys.argv[1])
SECTIONS = ("http-api", "smpp-server", "smpp-server-pb", "client-management", "router", "jcli")
SET_UP = """group -a;gid all;ok;user -a;username ibiki;password secret;gid all;uid ibiki;ok
smppccm -a;cid network;host 127.0.0.1;port {port};username a;password b;submit_throughput 100;bind transceiver;ok
smppccm -1 network;mtrouter -a;type DefaultRoute;connector smppc(network);rate 0.0;ok"""


def free_port():
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return each.getsockname()[1]


def until(is_over, seconds=60):
    end = time.monotonic() + seconds
    while not is_over() and time.monotonic() < end:
        time.sleep(0.05)
    return is_over()


def listens(port):
    with socket.socket() as each:
        return each.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(port, *command, **settings):
    with open(FOLDER / "output", "ab") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=os.environ | settings, start_new_session=True
        )
        try:
            assert until(lambda: listens(port)), f"{command[0]} does not start"
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


@contextmanager
def rabbitmq():
    port, names, broker = free_port(), str(free_port()), str(FOLDER / "broker")
    settings = {
        "HOME": str(FOLDER),
        "ERL_EPMD_PORT": names,
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"observed{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free_port()),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        **dict.fromkeys(("RABBITMQ_MNESIA_BASE", "RABBITMQ_LOG_BASE"), broker),
        "RABBITMQ_PID_FILE": f"{broker}.pid",
        "RABBITMQ_CONFIG_FILE": f"{broker}.conf",
        "RABBITMQ_ENABLED_PLUGINS_FILE": f"{broker}.plugins",
    }
    with running(port, "/usr/lib/rabbitmq/bin/rabbitmq-server", **settings):
        yield port
    subprocess.run(("epmd", "-port", names, "-kill"), stdout=subprocess.DEVNULL)


@contextmanager
def redis():
    port = free_port()
    options = ("--bind", "127.0.0.1", "--save", "", "--dir", str(FOLDER))
    with running(port, "redis-server", "--port", str(port), *options):
        yield port


class Network(BaseRequestHandler):
    """An SMPP 3.4 server. It refuses the text "refused", and delivers each other one."""

    def handle(self):
        while header := self.read(16):
            size, command, _, sequence = struct.unpack(">4I", header)
            body = self.read(size - 16)
            if command == 4:
                is_refused = body.endswith(b"refused")
                self.server.count += 1
                name = b"%08d" % self.server.count
                self.write(0x80000004, 0x45 * is_refused, sequence, b"" if is_refused else name + b"\0")
                if not is_refused:
                    threading.Timer(1, self.deliver, (name,)).start()
            elif command < 0x80000000:
                self.write(command | 0x80000000, 0, sequence, b"network\0" if command in (1, 2, 9) else b"")

    def deliver(self, name):
        text = b"id:%b sub:001 dlvrd:001 submit date:2611301200 done date:2611301201 stat:DELIVRD err:000 text:" % name
        ends = b"\0\1\00112025550101\0\1\00112025550100\0\4\0\0\0\0\0\0\0\0"
        self.write(5, 0, self.server.count, ends + bytes([len(text)]) + text)

    def write(self, command, status, sequence, body):
        self.request.sendall(struct.pack(">4I", 16 + len(body), command, status, sequence) + body)

    def read(self, size):
        read = b""
        while len(read) < size and (more := self.request.recv(size - len(read))):
            read += more
        return read


class Callback(BaseHTTPRequestHandler):
    """Keeps the status of each report."""

    def do_POST(self):
        fields = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        self.server.reports.append(fields["message_status"][0])
        self.send_response(200)
        self.send_header("content-length", "10")
        self.end_headers()
        self.wfile.write(b"ACK/Jasmin")

    def log_message(self, *args):
        pass


def serve(kind, handler):
    server = kind(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def observe(version, broker, store):
    network, callback = serve(ThreadingTCPServer, Network), serve(ThreadingHTTPServer, Callback)
    network.count, callback.reports = 0, []
    root, ports = FOLDER / f"root-{version}", {section: free_port() for section in SECTIONS}
    for each in ("etc/jasmin/store", "var/log/jasmin"):
        (root / each).mkdir(parents=True)
    (root / "etc/jasmin/resource").symlink_to(FOLDER / "resource")
    every = {**ports, "amqp-broker": broker, "redis-client": store}
    lines = (f"[{section}]\nbind = 127.0.0.1\nhost = 127.0.0.1\nport = {port}\n" for section, port in every.items())
    (root / "etc/jasmin/jasmin.cfg").write_text("".join(lines))

    def send(text):
        fields = {"username": "ibiki", "password": "secret", "to": "12025550101", "content": text, "dlr": "yes"}
        fields |= {"dlr-level": "3", "dlr-method": "POST", "dlr-url": f"http://127.0.0.1:{callback.server_port}/"}
        with urlopen(f"http://127.0.0.1:{ports['http-api']}/send?{urlencode(fields)}", timeout=20) as answer:
            return answer.read().decode().split()[0]

    daemon = (str(FOLDER / version / "bin/jasmind.py"), "--enable-dlr-thrower", "--enable-dlr-lookup")
    with running(ports["jcli"], *daemon, "-u", "jcliadmin", "-p", "jclipwd", ROOT_PATH=str(root)):
        set_up = SET_UP.format(port=network.server_address[1])
        with socket.create_connection(("127.0.0.1", ports["jcli"]), 20) as console:
            for line in ["", "jcliadmin", "jclipwd", *re.split("[;\n]", set_up)]:
                console.sendall(line.encode() + b"\r\n" * bool(line))
                said = b""
                while not re.search(rb"(required\.|Password:|jcli :|>)\s*$", said):
                    said += console.recv(4096)
        for text, expected in (("Hello", 2), ("refused", 1)):
            callback.reports.clear()
            answer = send(text)
            until(lambda: len(callback.reports) >= expected, 40)
            print(f"{version}, {text}: {answer}, reports: {' '.join(sorted(callback.reports)) or 'none'}")
    print(f"{version}, taken by the network: {network.count}")


with rabbitmq() as broker, redis() as store:
    for version in ("0.10.13", "0.11.1"):
        observe(version, broker, store)
PYTHON

python3 "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
0.10.13, Hello: Success, reports: DELIVRD ESME_ROK
0.10.13, refused: Success, reports: ESME_RSUBMITFAIL
0.10.13, taken by the network: 2
0.11.1, Hello: Success, reports: none
0.11.1, refused: Success, reports: none
0.11.1, taken by the network: 2
SEEN
