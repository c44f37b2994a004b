#!/usr/bin/env bash
# Jasmin makes one text of the parts of two phones, and sends 765 letters of a text of 1,000 with the answer "Success".
#
# Software:  jasmin 0.10.13, an SMS gateway (PyPI), and the programs rabbitmq-server 3.10.8 and redis-server (Debian
#            packages). The network is an SMPP 3.4 server in this script.
# Seen:      2026-11, Python 3.11, Debian 12.
# Behaviour: Jasmin has its default settings, a user, a route to the network, and a route from it to a program (HTTP).
#            (1) Parts of a long text have a reference that the phone chooses, one of 256 (TS 23.040, 9.2.3.24.1). If
#                two phones use the same one, and their parts come by turns, the program gets one text: it has the
#                sender and the beginning of one, and the end of the other. The rest is lost. Each part is answered with
#                status 0.
#            (2) A text is sent in at most five parts. The rest of a longer one is dropped, and the answer is "Success".
#                The documentation says that long_content_max_parts is the maximum, and not what becomes of the rest.
#            (3) A euro sign has two septets, which must be in the same part (9.2.3.24.1). At the edge, Jasmin cuts it.
#            (4) A text from a phone with "id:", and "stat:" with seven letters, is taken for a receipt, and the program
#                never gets it. Machines write such texts. Jasmin does not look at esm_class, which says whether it is a
#                receipt (SMPP 3.4, 5.2.12).
#            (5) A receipt whose state has fewer letters is given to the program as a text that the phone has written.
#                The format of receipts is specific to the network (SMPP 3.4, appendix B).
# Output seen:
#            400 letters: Success, 400 in 3 parts
#            765 letters: Success, 765 in 5 parts
#            1000 letters: Success, 765 in 5 parts
#            a euro sign behind 152 letters: Success, a part ends with b'\x1b', the next begins with b'e'
#            parts of two phones in turns: the program gets from 12025550102 "Second, first."
#            a phone writes "id:8812 stat:OK": the program gets from 12025550101 "id:8812 stat:OK"
#            a phone writes "id:8812 stat:ALARM01": the program gets nothing
#            a receipt with stat:UNDELIV: the program gets nothing
#            a receipt with stat:FAILED: the program gets from 12025550101 "id:1 sub:001 … stat:FAILED err:001 text:"
# For us:    Ibiki has no adapter for Jasmin. Kannel joins parts by their sender, and sends all that Ibiki accepts.
#
# Starts RabbitMQ, Redis, Jasmin and a network on loopback ports. Exits with 1 if the behaviour changes.
set -euo pipefail
for program in /usr/lib/rabbitmq/bin/rabbitmq-server redis-server; do
  command -v $program >/dev/null || { echo "Install rabbitmq-server and redis-server first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jasmin==0.10.13 smpp.pdu3==0.6 smpp.twisted3==0.7
mkdir "$folder/resource"
cp "$folder"/venv/lib/python3*/site-packages/txamqp/specs/rabbitmq/amqp0-8.stripped.rabbitmq.xml "$folder/resource"
cp "$folder"/venv/lib/python3*/site-packages/txamqp/specs/standard/amqp0-9-1.stripped.xml \
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
DATES = "dlvrd:000 submit date:2611301200 done date:2611301201"
SECTIONS = ("http-api", "smpp-server", "smpp-server-pb", "client-management", "router", "jcli")
SET_UP = """group -a;gid all;ok;user -a;username ibiki;password secret;gid all;uid ibiki;ok
smppccm -a;cid network;host 127.0.0.1;port {port};username a;password b;submit_throughput 100;bind transceiver;ok
smppccm -1 network;mtrouter -a;type DefaultRoute;connector smppc(network);rate 0.0;ok
httpccm -a;cid program;method POST;url http://127.0.0.1:{callback}/;ok
morouter -a;type DefaultRoute;connector http(program);ok"""


def free_port():
    with socket.socket() as each:
        each.bind(("127.0.0.1", 0))
        return each.getsockname()[1]


def until(is_over, seconds=120):
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
    """An SMPP 3.4 server. It takes each text."""

    def handle(self):
        self.server.link = self
        while header := self.read(16):
            size, command, _, sequence = struct.unpack(">4I", header)
            body = self.read(size - 16)
            if command == 4:
                self.server.parts.append(text_of(body))
            elif command == 0x80000005:
                self.server.answers += 1
            if command < 0x80000000:
                self.write(command | 0x80000000, 0, sequence, b"1\0")

    def deliver(self, text, esm_class=0, phone=b"12025550101"):
        """A text of a phone, a part of one, or a receipt."""
        self.server.count += 1
        ends = b"\0\1\1%b\0\1\00112025550100\0%c\0\0\0\0\0\0\0\0" % (phone, esm_class)
        self.write(5, 0, self.server.count, ends + bytes([len(text)]) + text)

    def write(self, command, status, sequence, body):
        self.request.sendall(struct.pack(">4I", 16 + len(body), command, status, sequence) + body)

    def read(self, size):
        read = b""
        while len(read) < size and (more := self.request.recv(size - len(read))):
            read += more
        return read


def text_of(submit_sm):
    """The text of a part, without its header of six octets."""
    *_, rest = submit_sm.split(b"\0", 1)[1][2:].split(b"\0", 1)[1][2:].split(b"\0", 1)
    rest = rest[3:].split(b"\0", 2)[2]
    return rest[11 : 5 + rest[4]]


class Callback(BaseHTTPRequestHandler):
    """The program: keeps each text that it gets."""

    def do_POST(self):
        fields = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        self.server.texts.append((fields["from"][0], fields["content"][0]))
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


def observe(broker, store):
    network, callback = serve(ThreadingTCPServer, Network), serve(ThreadingHTTPServer, Callback)
    network.parts, network.link, network.count, network.answers, callback.texts = [], None, 0, 0, []
    root, ports = FOLDER / "root", {section: free_port() for section in SECTIONS}
    for each in ("etc/jasmin/store", "var/log/jasmin"):
        (root / each).mkdir(parents=True)
    (root / "etc/jasmin/resource").symlink_to(FOLDER / "resource")
    every = {**ports, "amqp-broker": broker, "redis-client": store}
    lines = (f"[{section}]\nbind = 127.0.0.1\nhost = 127.0.0.1\nport = {port}\n" for section, port in every.items())
    (root / "etc/jasmin/jasmin.cfg").write_text("".join(lines))

    def send(text, parts):
        """Jasmin's answer, and the parts of the text that the network has."""
        network.parts.clear()
        fields = {"username": "ibiki", "password": "secret", "to": "12025550101", "content": text}
        with urlopen(f"http://127.0.0.1:{ports['http-api']}/send?{urlencode(fields)}", timeout=20) as answer:
            said = answer.read().decode().split()[0]
        until(lambda: len(network.parts) > parts, 3)
        return said, network.parts

    def received(*texts, esm_class=0):
        """What the program gets, when the network has delivered the texts."""
        callback.texts.clear()
        for count, text in enumerate(texts, network.answers + 1):
            network.link.deliver(*(text if isinstance(text, tuple) else (text.encode(), esm_class)))
            until(lambda: network.answers == count)
        until(lambda: callback.texts, 5)
        shown = ((sender, text.replace(DATES, "…")) for sender, text in callback.texts)
        return ", ".join(f'from {sender} "{text}"' for sender, text in shown) or "nothing"

    daemon = (str(FOLDER / "venv/bin/jasmind.py"), "-u", "jcliadmin", "-p", "jclipwd")
    with running(ports["jcli"], *daemon, ROOT_PATH=str(root)):
        set_up = SET_UP.format(port=network.server_address[1], callback=callback.server_port)
        with socket.create_connection(("127.0.0.1", ports["jcli"]), 20) as console:
            for line in ["", "jcliadmin", "jclipwd", *re.split("[;\n]", set_up)]:
                console.sendall(line.encode() + b"\r\n" * bool(line))
                said = b""
                while not re.search(rb"(required\.|Password:|jcli :|>)\s*$", said):
                    said += console.recv(4096)
        until(lambda: network.link)
        for letters, parts in ((400, 3), (765, 5), (1000, 7)):
            said, sent = send("a" * letters, parts)
            print(f"{letters} letters: {said}, {sum(map(len, sent))} in {len(sent)} parts")
        said, sent = send("a" * 152 + "\u20ac" + "a" * 40, 2)
        edge = f"a part ends with {sent[0][-1:]}, the next begins with {sent[1][:1]}"
        print(f"a euro sign behind 152 letters: {said}, {edge}")
        first, second = b"12025550101", b"12025550102"
        parts = [(b"\5\0\3\7\2\1First, ", 64, first), (b"\5\0\3\7\2\1Second, ", 64, second)]
        parts += [(b"\5\0\3\7\2\2first.", 64, first), (b"\5\0\3\7\2\2second.", 64, second)]
        print("parts of two phones in turns: the program gets", received(*parts))
        for text in ("id:8812 stat:OK", "id:8812 stat:ALARM01"):
            print(f'a phone writes "{text}": the program gets', received(text))
        for state in ("UNDELIV", "FAILED"):
            receipt = f"id:1 sub:001 {DATES} stat:{state} err:001 text:"
            print(f"a receipt with stat:{state}: the program gets", received(receipt, esm_class=4))


with rabbitmq() as broker, redis() as store:
    observe(broker, store)
PYTHON

python3 "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
400 letters: Success, 400 in 3 parts
765 letters: Success, 765 in 5 parts
1000 letters: Success, 765 in 5 parts
a euro sign behind 152 letters: Success, a part ends with b'\x1b', the next begins with b'e'
parts of two phones in turns: the program gets from 12025550102 "Second, first."
a phone writes "id:8812 stat:OK": the program gets from 12025550101 "id:8812 stat:OK"
a phone writes "id:8812 stat:ALARM01": the program gets nothing
a receipt with stat:UNDELIV: the program gets nothing
a receipt with stat:FAILED: the program gets from 12025550101 "id:1 sub:001 … stat:FAILED err:001 text:"
SEEN
