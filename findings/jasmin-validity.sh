#!/usr/bin/env bash
# Jasmin loses every tenth message with a validity period after it has said "Success".
#
# Software:  jasmin 0.11.1, an SMS gateway, with smpp.pdu3 0.6 (PyPI), and the programs rabbitmq-server 3.10.8 and
#            redis-server (Debian packages). The network is an SMPP 3.4 server in this script.
# Seen:      2026-11, Python 3.11, Debian 12.
# Behaviour: A program sends with GET /send and validity-period=60: the message is worth nothing after an hour.
#            (1) Jasmin adds the minutes to the clock and gives the sum, with its microseconds, to smpp.pdu3. In the
#                last tenth of each second, smpp.pdu3 refuses it ("tenths of second must be one digit"). The
#                message is dropped. The caller has its answer, "Success" and an ID, and may have been charged.
#            (2) The clock is the local one, and its time leaves as UTC. In Kampala (+03:00) the hour becomes four.
#                In Bogota (-05:00) it has ended four hours ago, so that a network expires or refuses the message.
#            A message without a validity period has neither problem. A test with one message passes nine times of ten.
# Output seen:
#            UTC: valid until 60 minutes from now
#            answers to 80 messages: Success
#            without a validity period: 40 of 40 left
#            with a validity period: all but two to six of 40 left
#            Africa/Kampala: valid until 240 minutes from now
#            America/Bogota: valid until -240 minutes from now
# For us:    Ibiki sends no validity period, and reaches SMPP networks through Kannel.
#
# Starts RabbitMQ, Redis, Jasmin and a network on loopback ports. Exits with 1 if the behaviour changes.
set -euo pipefail
for program in /usr/lib/rabbitmq/bin/rabbitmq-server redis-server; do
  command -v $program >/dev/null || { echo "Install rabbitmq-server and redis-server first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check jasmin==0.11.1 smpp.pdu3==0.6 smpp.twisted3==0.8
mkdir "$folder/resource"
cp "$folder"/venv/lib/python3*/site-packages/txamqp/specs/rabbitmq/amqp0-8.stripped.rabbitmq.xml "$folder/resource"
cp "$folder"/venv/lib/python3*/site-packages/txamqp/specs/standard/amqp0-9-1.stripped.xml "$folder/resource/amqp0-9-1.xml"

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
from datetime import UTC, datetime
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from urllib.parse import urlencode
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
    """An SMPP 3.4 server. It keeps the text and the validity_period of each submit_sm."""

    def handle(self):
        while header := self.read(16):
            size, command, _, sequence = struct.unpack(">4I", header)
            body = self.read(size - 16)
            if command == 4:
                _, rest = body.split(b"\0", 1)
                _, rest = rest[2:].split(b"\0", 1)
                _, rest = rest[2:].split(b"\0", 1)
                _, validity, rest = rest[3:].split(b"\0", 2)
                self.server.taken[rest[5 : 5 + rest[4]].decode()] = validity.decode()
            if command < 0x80000000:
                name = b"network\0" if command in (1, 2, 4, 9) else b""
                answer = struct.pack(">4I", 16 + len(name), command | 0x80000000, 0, sequence)
                self.request.sendall(answer + name)

    def read(self, size):
        read = b""
        while len(read) < size and (more := self.request.recv(size - len(read))):
            read += more
        return read


@contextmanager
def jasmin(broker, store, zone):
    """Yields a function that sends a text, and what the network has taken."""
    network = ThreadingTCPServer(("127.0.0.1", 0), Network)
    network.daemon_threads, network.taken = True, {}
    threading.Thread(target=network.serve_forever, daemon=True).start()
    root, ports = FOLDER / zone, {section: free_port() for section in SECTIONS}
    for each in ("etc/jasmin/store", "var/log/jasmin"):
        (root / each).mkdir(parents=True)
    (root / "etc/jasmin/resource").symlink_to(FOLDER / "resource")
    every = {**ports, "amqp-broker": broker, "redis-client": store}
    lines = (f"[{section}]\nbind = 127.0.0.1\nhost = 127.0.0.1\nport = {port}\n" for section, port in every.items())
    (root / "etc/jasmin/jasmin.cfg").write_text("".join(lines))

    def send(text, **fields):
        fields = {"username": "ibiki", "password": "secret", "to": "12025550101", "content": text, **fields}
        with urlopen(f"http://127.0.0.1:{ports['http-api']}/send?{urlencode(fields)}", timeout=20) as answer:
            return answer.read().decode().split()[0]

    daemon = (str(FOLDER / "venv/bin/jasmind.py"), "--username", "jcliadmin", "--password", "jclipwd")
    with running(ports["jcli"], *daemon, ROOT_PATH=str(root), TZ=zone):
        set_up = SET_UP.format(port=network.server_address[1])
        with socket.create_connection(("127.0.0.1", ports["jcli"]), 20) as console:
            for line in ["", "jcliadmin", "jclipwd", *re.split("[;\n]", set_up)]:
                console.sendall(line.encode() + b"\r\n" * bool(line))
                said = b""
                while not re.search(rb"(required\.|Password:|jcli :|>)\s*$", said):
                    said += console.recv(4096)
        yield send, network.taken


def wait_for(part):
    """Waits for this part of a second."""
    time.sleep((part - time.time()) % 1)


def minutes(validity):
    """Reads YYMMDDhhmmsstnnp (SMPP 3.4, 7.1.1): how long from now."""
    assert validity[13:] == "00+", validity
    until_then = datetime.strptime(validity[:12], "%y%m%d%H%M%S").replace(tzinfo=UTC) - datetime.now(UTC)
    return round(until_then.total_seconds() / 60)


HOUR = {"validity-period": "60"}
with rabbitmq() as broker, redis() as store:
    for zone in ("UTC", "Africa/Kampala", "America/Bogota"):
        with jasmin(broker, store, zone) as (send, taken):
            wait_for(0.3)
            send(zone, **HOUR)
            until(lambda: zone in taken)
            print(f"{zone}: valid until {minutes(taken[zone])} minutes from now")
            if zone != "UTC":
                continue
            answers = []
            for part in range(40):
                answers.append(send(f"without {part}"))
                wait_for((part + 0.5) / 40)
                answers.append(send(f"with {part}", **HOUR))
            until(lambda: "with 0" in taken and f"without {part}" in taken)
            time.sleep(3)
            lost = {part for part in range(40) if f"with {part}" not in taken}
            kept = sum(f"without {part}" in taken for part in range(40))
            print(f"answers to 80 messages: {' '.join(sorted(set(answers)))}")
            print(f"without a validity period: {kept} of 40 left")
            amount = "all but two to six" if 2 <= len(lost) <= 6 else 40 - len(lost)
            print(f"with a validity period: {amount} of 40 left")
PYTHON

python3 "$folder/observe.py" "$folder" | tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
UTC: valid until 60 minutes from now
answers to 80 messages: Success
without a validity period: 40 of 40 left
with a validity period: all but two to six of 40 left
Africa/Kampala: valid until 240 minutes from now
America/Bogota: valid until -240 minutes from now
SEEN
