"""The OpenAPI 3.1 document of the REST API, from the models that check its requests."""

from __future__ import annotations

import re
from functools import cache

from openapi_pydantic import (
    Components,
    Header,
    Info,
    MediaType,
    OpenAPI,
    Operation,
    Parameter,
    PathItem,
    Reference,
    RequestBody,
    Response,
    SecurityScheme,
)
from openapi_pydantic.util import PydanticSchema, construct_open_api_with_schema_class
from pydantic import BaseModel

from ibiki.http.rest.answers import Failure
from ibiki.http.rest.endpoints import ENDPOINTS, Endpoint
from ibiki.http.rest.models import KEY_TEXT

VERSION = "2"
MEANINGS = {
    400: "A value is missing or wrong, or nothing can be sent to any recipient.",
    401: "There is no valid credential.",
    402: "The balance is too low. Nothing was sent or charged.",
    403: "The account is not active, or the role does not allow this.",
    404: "It does not exist, or belongs to somebody else.",
    409: "The Idempotency-Key was used with another body.",
    408: "The body arrived too slowly.",
    413: "The body is too large.",
    415: "The body is not application/json in UTF-8.",
    429: "There were too many requests. Nothing was done.",
    500: "There is a defect in the program. Report the correlationId.",
    503: "The service is not available now. Nothing was done.",
    504: "It is not known whether the request was carried out.",
}
KEY = (
    "Your own key for this request, 1 to 255 printable ASCII characters. A repeated request "
    "with the same key and body gets the first success and sends nothing more. A refused request "
    "leaves the key unused. This header has no effect on quote and settle."
)


@cache
def export_openapi() -> str:
    """The document as JSON, as it is kept in openapi.json. It is made once."""
    document = OpenAPI(
        openapi="3.1.1",
        info=Info(
            title="SMS REST API",
            version=VERSION,
            description="The short API for sending. GraphQL is the full API: see docs/api.",
        ),
        paths=_paths(),
        security=[{"bearer": []}],
        components=Components(
            securitySchemes={
                "bearer": SecurityScheme(
                    type="http", scheme="bearer", description="An API key or an access token."
                )
            }
        ),
    )
    complete = construct_open_api_with_schema_class(document)
    # Unset values are left out: the default values of a header or a path parameter have names
    # that OpenAPI 3.1 allows for a query only.
    exported = complete.model_dump_json(
        by_alias=True, exclude_none=True, exclude_unset=True, indent=2
    )
    return exported + "\n"


def _paths() -> dict[str, PathItem]:
    return {
        each.path: PathItem.model_validate({each.method.lower(): _operation(each)})
        for each in ENDPOINTS
    }


def _operation(endpoint: Endpoint) -> Operation:
    always = (400, 401, 403, 500, 503) + ((408, 413, 415) if endpoint.body else ())
    refusals = sorted({*always, *endpoint.refusals})
    return Operation(
        operationId=endpoint.name,
        tags=[endpoint.tag],
        summary=endpoint.summary,
        parameters=_parameters(endpoint),
        requestBody=_body(endpoint),
        responses={
            "200": Response(description="Done.", content=_json(endpoint.answer)),
            **{str(status): _refusal(status) for status in refusals},
        },
    )


def _parameters(endpoint: Endpoint) -> list[Parameter | Reference]:
    parameters = [
        {"name": each, "in": "path", "required": True, "schema": {"type": "string"}}
        for each in re.findall(r"{(\w+)}", endpoint.path)
    ]
    query = endpoint.query.model_json_schema(ref_template="#/components/schemas/{model}")
    for name, schema in query.get("properties", {}).items():
        about = schema.pop("description")
        parameters.append({"name": name, "in": "query", "description": about, "schema": schema})
    if endpoint.method == "POST":
        text = {"type": "string", **KEY_TEXT}
        key = {"name": "Idempotency-Key", "in": "header", "description": KEY, "schema": text}
        parameters.append(key)
    return [Parameter.model_validate(each) for each in parameters]


def _body(endpoint: Endpoint) -> RequestBody | None:
    if endpoint.body is None:
        return None
    return RequestBody(required=True, content=_json(endpoint.body))


def _refusal(status: int) -> Response:
    retry = Header.model_validate(
        {"description": "Seconds to wait.", "required": True, "schema": {"type": "integer"}}
    )
    return Response(
        description=MEANINGS[status],
        content=_json(Failure),
        headers={"Retry-After": retry} if status in (429, 503) else None,
    )


def _json(model: type[BaseModel]) -> dict[str, MediaType]:
    return {
        "application/json": MediaType(schema=PydanticSchema.model_validate({"schema_class": model}))
    }
