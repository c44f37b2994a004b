#!/usr/bin/env bash
# openapi-python-client sends filters under other names than the document says, and adds values nobody gave.
#
# Software:  openapi-python-client 0.29.1 (PyPI), with httpx 0.28.1 as the generated code uses it.
# Seen:      2026-11, Python 3.11.
# Behaviour: A valid OpenAPI 3.1 document describes how each parameter of a query is written (style, explode).
#            The generator ignores it and prints no warning:
#            (1) deepObject: filter[to]=… is sent as to=…. A server that ignores names which it does not know
#                sees no filter at all: a request to cancel some messages cancels all of them.
#            (2) form without explode, and pipeDelimited: status=queued,scheduled is sent as two parameters.
#                Many servers read the last one only.
#            (3) A "default" in the schema of a body is sent as if the caller had given it. The server cannot
#                tell that it was not, and a new default never reaches clients that exist.
# Output seen:
#            warnings: 0
#            document: filter[to]=%2B12025550101&status=queued,scheduled&ids=1|2
#            sent:     to=%2B12025550101&status=queued&status=scheduled&ids=1&ids=2
#            given: text, to
#            sent:  flash, text, to, validity
# For us:    openapi.json has only simple parameters. The REST API refuses parameters that it does not know,
#            and its defaults mean the same as an absent field.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openapi-python-client==0.29.1 httpx==0.28.1

cat >"$folder/api.json" <<'JSON'
{
  "openapi": "3.1.0",
  "info": {"title": "sms", "version": "1"},
  "paths": {
    "/messages": {
      "delete": {
        "operationId": "cancel",
        "parameters": [
          {"name": "filter", "in": "query", "style": "deepObject", "explode": true,
           "schema": {"type": "object", "properties": {"to": {"type": "string"}}}},
          {"name": "status", "in": "query", "style": "form", "explode": false,
           "schema": {"type": "array", "items": {"type": "string"}}},
          {"name": "ids", "in": "query", "style": "pipeDelimited", "explode": false,
           "schema": {"type": "array", "items": {"type": "string"}}}
        ],
        "responses": {"204": {"description": "Cancelled."}}
      },
      "post": {
        "operationId": "send",
        "requestBody": {
          "required": true,
          "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Send"}}}
        },
        "responses": {"202": {"description": "Accepted."}}
      }
    }
  },
  "components": {
    "schemas": {
      "Send": {
        "type": "object",
        "required": ["to", "text"],
        "properties": {
          "to": {"type": "string"},
          "text": {"type": "string"},
          "validity": {"type": "integer", "default": 86400},
          "flash": {"type": "boolean", "default": false}
        }
      }
    }
  }
}
JSON

cat >"$folder/observe.py" <<'PYTHON'
import json

import httpx
from sms_client import Client
from sms_client.api.default import cancel, send
from sms_client.models import CancelFilter, Send

requests = []


def answer(request):
    requests.append(request)
    return httpx.Response(204 if request.method == "DELETE" else 202)


client = Client(base_url="http://sms.example")
transport = httpx.MockTransport(answer)
client.set_httpx_client(httpx.Client(base_url="http://sms.example", transport=transport))
cancel.sync_detailed(
    client=client, filter_=CancelFilter(to="+12025550101"), status=["queued", "scheduled"], ids=["1", "2"]
)
send.sync_detailed(client=client, body=Send(to="+12025550101", text="Hello"))
print("document: filter[to]=%2B12025550101&status=queued,scheduled&ids=1|2")
print(f"sent:     {requests[0].url.query.decode()}")
print("given: text, to")
print(f"sent:  {', '.join(sorted(json.loads(requests[1].content)))}")
PYTHON

cd "$folder"
PATH=$folder/venv/bin:$PATH openapi-python-client generate --path api.json --meta none --output-path sms_client \
  >generated 2>&1
{
  echo "warnings: $(grep -ci "warning" generated || true)"
  PYTHONPATH=$folder venv/bin/python observe.py
} | tee seen
diff seen - <<'SEEN'
warnings: 0
document: filter[to]=%2B12025550101&status=queued,scheduled&ids=1|2
sent:     to=%2B12025550101&status=queued&status=scheduled&ids=1&ids=2
given: text, to
sent:  flash, text, to, validity
SEEN
