#!/usr/bin/env bash
# The Python client of openapi-generator clears each field that a change does not name.
#
# Software:  openapi-generator-cli 7.26.0 (PyPI) with the generators python and javascript, superagent 5.3.1 (npm), which
#            the generated code uses, and rfc3339-validator 0.1.4 (PyPI).
# Seen:      2026-11, Java 17, Python 3.11, Node 20.
# Behaviour: A valid OpenAPI 3.0 document has a PATCH whose fields may be null, and null clears a field.
#            (1) Python: `Change.from_dict({"name": "Ada"})` sets all other fields to null, and sends them. The note and
#                the birthday are lost. `Change(name="Ada")` sends the name only. Programs that get their values as a
#                dict, from a form or a file, call from_dict.
#            (2) Python: a time in the query has "+0300" without a colon. In the body, the same time has it. RFC 3339
#                demands it, and "format: date-time" refers to RFC 3339.
#            (3) JavaScript: a day ("format: date") is written as a time in UTC, in the body and in the query.
# Output seen:
#            Python, from_dict: {"name": "Ada", "birthday": null, "note": null}
#            Python, constructor: {"name": "Ada"}
#            Python, time in the query: 2026-12-01T09:00:00.000000+0300, RFC 3339: False
#            Python, time in the body: 2026-12-01T09:00:00+03:00, RFC 3339: True
#            JavaScript, day in the body: 1990-05-01T00:00:00.000Z
#            JavaScript, day in the query: 1990-05-01T00:00:00.000Z
# For us:    In Ibiki's REST API, null means the same as an absent field. It refused (2), and now takes it.
#
# Runs a server on a loopback port. Exits with 1 if the behaviour changes.
set -euo pipefail
for program in java node npm; do
  command -v $program >/dev/null || { echo "Install a Java runtime (17), nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openapi-generator-cli==7.26.0 pydantic==2.12.5 \
  urllib3==2.6.2 python-dateutil==2.9.0.post0 rfc3339-validator==0.1.4
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts superagent@5.3.1 esbuild@0.25.12 >/dev/null)

cat >"$folder/openapi.yaml" <<'YAML'
openapi: 3.0.3
info: {title: People, version: "1"}
paths:
  /people/{number}:
    get:
      operationId: read
      parameters:
        - {name: number, in: path, required: true, schema: {type: string}}
        - {name: since, in: query, schema: {type: string, format: date-time}}
        - {name: day, in: query, schema: {type: string, format: date}}
      responses: {"204": {description: nothing}}
    patch:
      operationId: change
      parameters:
        - {name: number, in: path, required: true, schema: {type: string}}
      requestBody: {required: true, content: {application/json: {schema: {$ref: "#/components/schemas/Change"}}}}
      responses: {"204": {description: changed}}
components:
  schemas:
    Change:
      type: object
      properties:
        name: {type: string, nullable: true}
        birthday: {type: string, format: date, nullable: true}
        note: {type: string, nullable: true}
        at: {type: string, format: date-time}
YAML

cat >"$folder/observe.py" <<'PYTHON'
import json
import subprocess
import sys
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from rfc3339_validator import validate_rfc3339

sys.path.insert(0, "python")
from openapi_client import ApiClient, Change, Configuration, DefaultApi  # noqa: E402

NUMBER = "+12025550101"
NINE = datetime(2026, 12, 1, 9, tzinfo=timezone(timedelta(hours=3)))
bodies, queries = [], []


class Server(BaseHTTPRequestHandler):
    def do_PATCH(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        bodies.append(body.decode())
        queries.append({name: each[0] for name, each in parse_qs(urlsplit(self.path).query).items()})
        self.send_response(204)
        self.end_headers()

    do_GET = do_PATCH

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}"
client = DefaultApi(ApiClient(Configuration(host=url)))

client.change(NUMBER, Change.from_dict({"name": "Ada"}))
print("Python, from_dict:", bodies[-1])
client.change(NUMBER, Change(name="Ada"))
print("Python, constructor:", bodies[-1])
client.read(NUMBER, since=NINE)
client.change(NUMBER, Change(at=NINE))
for place, time in (("query", queries[-2]["since"]), ("body", json.loads(bodies[-1])["at"])):
    print(f"Python, time in the {place}: {time}, RFC 3339: {validate_rfc3339(time)}")
subprocess.run(("node", "observe.cjs", url), check=True)
print("JavaScript, day in the body:", json.loads(bodies[-2])["birthday"])
print("JavaScript, day in the query:", queries[-1]["day"])
PYTHON

cat >"$folder/observe.js" <<'NODE'
import { ApiClient, Change, DefaultApi } from "./javascript/src/index.js";
const api = new DefaultApi(new ApiClient(process.argv[2]));
const birthday = new Date("1990-05-01");
const change = Object.assign(new Change(), { birthday });
api.change("+12025550101", change, () => api.read("+12025550101", { day: birthday }, () => {}));
NODE

cd "$folder"
for generator in python javascript; do
  venv/bin/openapi-generator-cli generate -i openapi.yaml -g $generator -o $generator >generator.log 2>&1
done
node_modules/.bin/esbuild observe.js --bundle --platform=node --outfile=observe.cjs --log-level=error
venv/bin/python observe.py | tee seen
diff seen - <<'SEEN'
Python, from_dict: {"name": "Ada", "birthday": null, "note": null}
Python, constructor: {"name": "Ada"}
Python, time in the query: 2026-12-01T09:00:00.000000+0300, RFC 3339: False
Python, time in the body: 2026-12-01T09:00:00+03:00, RFC 3339: True
JavaScript, day in the body: 1990-05-01T00:00:00.000Z
JavaScript, day in the query: 1990-05-01T00:00:00.000Z
SEEN
