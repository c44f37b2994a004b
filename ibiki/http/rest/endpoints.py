"""The endpoints of the REST API. The routes and openapi.json are made from this list."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from pydantic import BaseModel

from domain.identity.access import Role
from ibiki.http.rest import models, operations, operator, schools
from ibiki.http.rest.operations import Call
from resolvers.context import Access

PREFIX = "/api/v2"
SENDERS = Access((Role.SUPERVISOR, Role.CLIENT), account=True)
READERS = Access(tuple(Role), account=True)
EVERYONE = Access(tuple(Role))
CLIENTS = Access((Role.CLIENT,), account=True)
OPERATORS = Access((Role.ADMIN,))
SEND_REFUSALS = (402, 404, 409, 429, 504)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method of one path.

    `refusals`: statuses besides those that every endpoint has. `tag`: the group that it belongs
    to. `given_name`: if another endpoint has the same operation.
    """

    method: str
    path: str
    run: Callable[[Call], Awaitable[BaseModel]]
    access: Access
    answer: type[BaseModel]
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
    def summary(self) -> str:
        """What it does, in a sentence."""
        return (self.run.__doc__ or "").strip()


ENDPOINTS = (
    Endpoint(
        method="POST",
        path=f"{PREFIX}/sms/sendsingle",
        run=operations.send_single,
        access=SENDERS,
        answer=models.SingleAnswer,
        body=models.SendSingle,
        refusals=SEND_REFUSALS,
    ),
    Endpoint(
        method="POST",
        path=f"{PREFIX}/sms/sendbulk",
        run=operations.send_bulk,
        access=SENDERS,
        answer=models.BulkAnswer,
        body=models.SendBulk,
        refusals=SEND_REFUSALS,
    ),
    Endpoint(
        method="POST",
        path=f"{PREFIX}/sms/sendbulkmulti",
        run=operations.send_bulk_multi,
        access=SENDERS,
        answer=models.MultiAnswer,
        body=models.SendBulkMulti,
        query=models.SendBulkMultiQuery,
        refusals=SEND_REFUSALS,
    ),
    Endpoint(
        method="POST",
        path=f"{PREFIX}/sms/quote",
        run=operations.quote,
        access=SENDERS,
        answer=models.QuoteAnswer,
        body=models.SendBulk,
        refusals=(429,),
    ),
    Endpoint(
        method="GET",
        path=f"{PREFIX}/sms/status/{{messageId}}",
        run=operations.message_status,
        access=READERS,
        answer=models.StatusAnswer,
        refusals=(404,),
    ),
    Endpoint(
        method="GET",
        path=f"{PREFIX}/account/balance",
        run=operations.balance,
        access=EVERYONE,
        answer=models.BalanceAnswer,
        refusals=(404,),
    ),
    Endpoint(
        method="GET",
        path=f"{PREFIX}/inbox",
        run=operations.inbox,
        access=SENDERS,
        answer=models.InboxAnswer,
        query=models.InboxQuery,
        refusals=(404,),
    ),
    Endpoint(
        method="POST",
        path="/api/sms/send",
        run=operations.send_single,
        access=SENDERS,
        answer=models.SingleAnswer,
        body=models.SendSingle,
        refusals=SEND_REFUSALS,
        tag="console",
        given_name="send",
    ),
    Endpoint(
        method="POST",
        path="/api/sms/reply",
        run=operator.reply,
        access=SENDERS,
        answer=operator.ReplyAnswer,
        body=operator.SendReply,
        refusals=(*SEND_REFUSALS, 404),
        tag="console",
    ),
    Endpoint(
        method="GET",
        path="/api/admin/webhook/events",
        run=operator.webhook_events,
        access=OPERATORS,
        answer=operator.EventsAnswer,
        query=operator.EventsQuery,
        tag="console",
    ),
    Endpoint(
        method="GET",
        path="/api/admin/webhook/last",
        run=operator.last_webhook_event,
        access=OPERATORS,
        answer=operator.LastEventAnswer,
        tag="console",
    ),
    Endpoint(
        method="GET",
        path="/api/v1/communications/credits",
        run=schools.check_credits,
        access=CLIENTS,
        answer=schools.CreditsAnswer,
        tag="schools",
    ),
    Endpoint(
        method="POST",
        path="/api/v1/communications/single-sms",
        run=schools.single_sms,
        access=SENDERS,
        answer=schools.SchoolSingleAnswer,
        body=models.SendSingle,
        refusals=SEND_REFUSALS,
        tag="schools",
    ),
    Endpoint(
        method="POST",
        path="/api/v1/communications/bulk-sms",
        run=schools.bulk_sms,
        access=SENDERS,
        answer=schools.SchoolBulkAnswer,
        body=schools.SchoolBulk,
        refusals=SEND_REFUSALS,
        tag="schools",
    ),
)
