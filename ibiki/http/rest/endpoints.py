"""The endpoints of the REST API. The routes and openapi.json are made from this list."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, get_type_hints

from pydantic import BaseModel

from domain.identity.access import Role
from ibiki.http.rest import models, operations, operator, schools
from ibiki.http.rest.operations import RestCall
from resolvers.context import Access

PREFIX = "/api/v2"
SENDERS = Access((Role.SUPERVISOR, Role.CLIENT), account=True)
READERS = Access(tuple(Role), account=True)
EVERYONE = Access(tuple(Role))
CLIENTS = Access((Role.CLIENT,), account=True)
OPERATORS = Access((Role.ADMIN,))
SEND_REFUSALS = (402, 404, 409, 429, 504)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path.

    `refusals`: statuses besides those that every endpoint has. `tag`: the group that it belongs
    to. `given_name`: if another endpoint has the same operation.
    """

    method: str
    path: str
    run: Callable[[RestCall], Awaitable[BaseModel]]
    access: Access
    _: KW_ONLY
    body: type[BaseModel] | None = None
    query: type[BaseModel] = models.NoQuery
    refusals: tuple[int, ...] = ()
    tag: str = "v2"
    given_name: str | None = None

    @property
    def name(self) -> str:
        """The name for generated clients: the name of the operation, if none is given."""
        return self.given_name or self.run.__name__

    @property
    def answer(self) -> type[BaseModel]:
        """The model of its answers: what the operation returns."""
        model: type[BaseModel] = get_type_hints(self.run)["return"]
        return model

    @property
    def summary(self) -> str:
        """What it does, in a sentence."""
        return (self.run.__doc__ or "").strip()


def _send(
    path: str, run: Callable[[RestCall], Awaitable[BaseModel]], body: type[BaseModel], **more: Any
) -> Endpoint:
    return Endpoint("POST", path, run, SENDERS, body=body, **{"refusals": SEND_REFUSALS, **more})


SMS, SCHOOLS = f"{PREFIX}/sms", "/api/v1/communications"
ENDPOINTS = (
    _send(f"{SMS}/sendsingle", operations.send_single, models.SendSingle),
    _send(f"{SMS}/sendbulk", operations.send_bulk, models.SendBulk),
    _send(
        f"{SMS}/sendbulkmulti",
        operations.send_bulk_multi,
        models.SendBulkMulti,
        query=models.SendBulkMultiQuery,
    ),
    _send(f"{SMS}/quote", operations.quote, models.SendBulk, refusals=(429,)),
    _send(f"{SMS}/settle", operations.settle, models.SettleKey, refusals=(404, 409, 429, 504)),
    Endpoint(
        "GET",
        f"{SMS}/status/{{messageId}}",
        operations.message_status,
        READERS,
        refusals=(404,),
    ),
    Endpoint("GET", f"{PREFIX}/account/balance", operations.balance, EVERYONE, refusals=(404,)),
    Endpoint(
        "GET",
        f"{PREFIX}/inbox",
        operations.inbox,
        SENDERS,
        query=models.InboxQuery,
        refusals=(404,),
    ),
    _send(
        "/api/sms/send",
        operations.send_single,
        models.SendSingle,
        tag="console",
        given_name="send",
    ),
    _send(
        "/api/sms/reply",
        operator.reply,
        operator.SendReply,
        refusals=(*SEND_REFUSALS, 404),
        tag="console",
    ),
    Endpoint(
        "GET",
        "/api/admin/webhook/events",
        operator.webhook_events,
        OPERATORS,
        query=operator.EventsQuery,
        tag="console",
    ),
    Endpoint(
        "GET", "/api/admin/webhook/last", operator.last_webhook_event, OPERATORS, tag="console"
    ),
    Endpoint("GET", f"{SCHOOLS}/credits", schools.check_credits, CLIENTS, tag="schools"),
    _send(f"{SCHOOLS}/single-sms", schools.single_sms, models.SendSingle, tag="schools"),
    _send(f"{SCHOOLS}/bulk-sms", schools.bulk_sms, schools.SchoolBulk, tag="schools"),
)
