#!/usr/bin/env bash
# openapi-pydantic writes an OpenAPI document that is not valid as soon as it has a path or a header parameter.
#
# Software:  openapi-pydantic 0.6.0 and, as readers, openapi-core 0.23.1 with openapi-spec-validator 0.8.5 (PyPI), and
#            @apidevtools/swagger-parser 13.0.0 (npm).
# Seen:      2026-11, Python 3.11, Node 20.
# Behaviour: The document is written as the package's README says: model_dump_json(by_alias=True, exclude_none=True).
#            (1) Each parameter gets "allowEmptyValue": false and "allowReserved": false, which nobody has set. In
#                OpenAPI 3.1, only a parameter of the query may have them (4.8.12, and the published schema).
#            (2) Readers differ: swagger-parser takes the document, and openapi-core does not load it at all.
#            (3) A document whose parameters are all in the query is valid.
#            With exclude_unset=True as well, the document is valid.
# Output seen:
#            query parameter: openapi-core loaded, swagger-parser loaded
#            path parameter: openapi-core refused (allowEmptyValue, allowReserved), swagger-parser loaded
#            header parameter: openapi-core refused (allowEmptyValue, allowReserved), swagger-parser loaded
#            header parameter, exclude_unset: openapi-core loaded, swagger-parser loaded
# For us:    openapi.json had this defect. ibiki/http/rest/openapi.py leaves unset values out, and
#            tests/rest/test_openapi.py validates the document.
#
# Exits with 1 if the behaviour changes.
set -euo pipefail
for program in node npm; do
  command -v $program >/dev/null || { echo "Install nodejs and npm first." >&2; exit 2; }
done
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
  openapi-pydantic==0.6.0 openapi-core==0.23.1 openapi-spec-validator==0.8.5
(cd "$folder" && npm install --silent --no-audit --no-fund --ignore-scripts @apidevtools/swagger-parser@13.0.0 >/dev/null)

cat >"$folder/read.cjs" <<'NODE'
require("@apidevtools/swagger-parser")
  .validate(process.argv[2])
  .then(() => console.log("loaded"), () => console.log("refused"));
NODE

cat >"$folder/observe.py" <<'PYTHON'
import json
import re
import subprocess

from openapi_core import OpenAPI as Reader
from openapi_pydantic import Info, OpenAPI, Operation, Parameter, PathItem, Response



def written(place, **options):
    name = {"query": "to", "path": "id", "header": "Idempotency-Key"}[place]
    parameter = Parameter.model_validate(
        {"name": name, "in": place, "schema": {"type": "string"}} | ({"required": True} if place == "path" else {})
    )
    path = "/messages/{id}" if place == "path" else "/messages"
    operation = Operation(parameters=[parameter], responses={"200": Response(description="Done.")})
    document = OpenAPI(openapi="3.1.1", info=Info(title="sms", version="1"), paths={path: PathItem(get=operation)})
    return document.model_dump_json(by_alias=True, exclude_none=True, **options)


def seen(label, text):
    try:
        Reader.from_dict(json.loads(text))
        core = "loaded"
    except Exception as error:
        names = re.findall(r"'(allow\w+)'", str(error))[:2]
        core = f"refused ({', '.join(names)})"
    with open("api.json", "w") as file:
        file.write(text)
    parser = subprocess.run(["node", "read.cjs", "api.json"], capture_output=True, text=True, check=True)
    print(f"{label}: openapi-core {core}, swagger-parser {parser.stdout.strip()}")


for place in ("query", "path", "header"):
    seen(f"{place} parameter", written(place))
seen("header parameter, exclude_unset", written("header", exclude_unset=True))
PYTHON

cd "$folder"
venv/bin/python observe.py | tee seen
diff seen - <<'SEEN'
query parameter: openapi-core loaded, swagger-parser loaded
path parameter: openapi-core refused (allowEmptyValue, allowReserved), swagger-parser loaded
header parameter: openapi-core refused (allowEmptyValue, allowReserved), swagger-parser loaded
header parameter, exclude_unset: openapi-core loaded, swagger-parser loaded
SEEN
