#!/usr/bin/env bash
# The SDKs of Vonage and Telnyx post one SMS up to ten times by themselves, if the answer is lost.
#
# Software:  vonage 4.9.1 with vonage-http-client 1.5.2, and telnyx 4.189.0 (PyPI), the vendors' Python SDKs.
# Seen:      2026-11, Python 3.11.
# Behaviour: One call sends one message. The server reads the whole request, so it may have sent the message,
#            but the caller does not get a good answer.
#            (1) Vonage: if the connection closes without an answer, `sms.send` posts the same form ten times,
#                without a pause. The number is that of pooled connections. `max_retries=0` does not change it.
#            (2) Telnyx: `messages.send` posts three times after a 500, a closed connection, or a timeout.
#                `max_retries=0` prevents it.
#            In both, the posts have the same body, and neither an idempotency key nor a message ID of the
#            caller: the server cannot recognise a repetition. The caller sees one exception.
# Output seen:
#            vonage, closed: 10 posts, 1 body, 0 keys, ConnectionError
#            vonage, closed, max_retries 0: 10 posts, 1 body, 0 keys, ConnectionError
#            telnyx, closed: 3 posts, 1 body, 0 keys, APIConnectionError
#            telnyx, 500: 3 posts, 1 body, 0 keys, InternalServerError
#            telnyx, timeout: 3 posts, 1 body, 0 keys, APITimeoutError
#            telnyx, 500, max_retries 0: 1 post, 1 body, 0 keys, InternalServerError
# For us:    Adapters write their requests themselves and never repeat one. A server that such SDKs may call
#            should answer always, also if it does not know the outcome.
#
# Runs servers on loopback ports. Exits with 1 if the behaviour changes.
set -euo pipefail
command -v openssl >/dev/null || { echo "Install openssl first." >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  vonage==4.9.1 vonage-http-client==1.5.2 vonage-sms==1.2.0 telnyx==4.189.0
# Vonage's SDK speaks HTTPS only.
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
  -keyout "$folder/key.pem" -out "$folder/certificate.pem" 2>/dev/null

cat >"$folder/observe.py" <<'PYTHON'
import json
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import telnyx
from vonage import Auth, HttpClientOptions, Vonage
from vonage_sms import SmsMessage

FOLDER = sys.argv[1]
posts = []
answer = "close"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        posts.append((body, [name for name in self.headers if "idempot" in name.lower()]))
        if answer == "500":
            said = json.dumps({"errors": [{"code": "10007", "title": "Unexpected error"}]}).encode()
            self.send_response(500)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)
        elif answer == "late":
            finished.wait(60)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_):
        pass


def serve(certificate=None):
    server = Server(("127.0.0.1", 0), Handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, f"{FOLDER}/key.pem")
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


def through_vonage(**options):
    host = f"localhost:{secure}"
    client = Vonage(Auth(api_key="key", api_secret="secret"), HttpClientOptions(rest_host=host, **options))
    client.sms.send(SmsMessage(to="12025550143", from_="12025550100", text="Hello"))


def through_telnyx(**options):
    client = telnyx.Telnyx(api_key="key", base_url=f"http://127.0.0.1:{plain}", **options)
    client.messages.send(to="+12025550143", from_="+12025550100", text="Hello")


def seen(label, send, **options):
    posts.clear()
    try:
        send(**options)
        said = "no exception"
    except Exception as error:
        said = type(error).__name__
    plural = "post" if len(posts) == 1 else "posts"
    bodies = len({body for body, _ in posts})
    keys = sum(len(keys) for _, keys in posts)
    print(f"{label}: {len(posts)} {plural}, {bodies} body, {keys} keys, {said}")


finished = threading.Event()
secure, plain = serve(f"{FOLDER}/certificate.pem"), serve()
seen("vonage, closed", through_vonage)
seen("vonage, closed, max_retries 0", through_vonage, max_retries=0)
seen("telnyx, closed", through_telnyx)
answer = "500"
seen("telnyx, 500", through_telnyx)
answer = "late"
seen("telnyx, timeout", through_telnyx, timeout=2.0)
finished.set()
answer = "500"
seen("telnyx, 500, max_retries 0", through_telnyx, max_retries=0)
PYTHON

REQUESTS_CA_BUNDLE="$folder/certificate.pem" "$folder/venv/bin/python" "$folder/observe.py" "$folder" |
  tee "$folder/seen"
diff "$folder/seen" - <<'SEEN'
vonage, closed: 10 posts, 1 body, 0 keys, ConnectionError
vonage, closed, max_retries 0: 10 posts, 1 body, 0 keys, ConnectionError
telnyx, closed: 3 posts, 1 body, 0 keys, APIConnectionError
telnyx, 500: 3 posts, 1 body, 0 keys, InternalServerError
telnyx, timeout: 3 posts, 1 body, 0 keys, APITimeoutError
telnyx, 500, max_retries 0: 1 post, 1 body, 0 keys, InternalServerError
SEEN
