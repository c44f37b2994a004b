"""The JSON API of EgoSMS ("Comms"), so that its SDKs work with another address and an API key.

Source: what the vendor's Python SDK (PyPI `comms-sdk` 1.0.1 and 1.1.0) sends and accepts, 2026-11.
The SDK fails on any key that it does not know, and does not look at the HTTP status. A request
contains its credential: no part of it may be in a log or an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from domain import ids
from domain.errors import (
    AccountInactive,
    InsufficientBalance,
    InvalidInput,
    NoValidRecipients,
    OutcomeUnknown,
    Refusal,
    RejectedRecipient,
    Unauthenticated,
)
from domain.identity.access import Actor, require
from domain.identity.actors import is_secret
from domain.identity.ports import Authenticator
from domain.ids import Kind
from domain.installation import Installation
from domain.ledger.balances import view_of
from domain.long_work import in_thread
from domain.numbers import Normaliser
from domain.sending import send as sending
from domain.sending.messages import Send
from domain.sending.text import OutgoingText
from ibiki.http.graphql_http import SMALL_BYTES, check_density, read_bytes
from ibiki.http.middleware import MEBIBYTE, ROUTE, BodyLimit
from ibiki.http.requests import (
    EGOSMS,
    RequestRefused,
    headers_of,
    idempotency_key_of,
    json_of,
)
from ibiki.http.rest.endpoints import EVERYONE, SENDERS
from ibiki.http.rest.errors import invalid, refused
from ibiki.http.rest.operations import balance_in

PATHS = (f"{EGOSMS}/", EGOSMS)
LIMIT = BodyLimit(size=5 * MEBIBYTE)
"""The longest text for each of MOST_MESSAGES numbers, with every character escaped, fits."""

MOST_MESSAGES = 1_000
LONGEST_SENDER = 11
MOST_NAMED = 3
"""How many rejected numbers an answer names: its only place for them is one sentence."""

FINAL = frozenset({400, 401, 402, 403, 404, 409})
"""Refusals with these statuses are answered with 200, as the vendor does. The other statuses say
whether the request may be repeated, so they are kept for programs that look at them."""

UNKNOWN = (
    "It is not known whether this was done: the database did not confirm it. Look for the code in "
    "the sent messages before you repeat the request."
)
# What the vendor's answers begin with. Programs look for it.
WORDS: dict[type[Refusal], str] = {
    Unauthenticated: "Invalid credentials",
    InsufficientBalance: "Insufficient balance. {}",
    AccountInactive: "That user does not exist or user not active. {}",
}


class _Given(BaseModel):
    """A part of a request. Names that are not known here are ignored, as the vendor does."""

    model_config = ConfigDict(strict=True)


class Credential(_Given):
    """The credential. The key alone names the user: the user name is not compared with anything."""

    username: str = Field(min_length=1, max_length=255)
    password: str


class Item(_Given):
    """One message. The sender and the priority are checked and not used."""

    number: str
    message: str
    senderid: Annotated[str, Field(max_length=LONGEST_SENDER)] | None = None
    priority: Literal["0", "1", "2", "3", "4"] | None = None


class Given(_Given):
    """A request. There is one balance for both wallets."""

    method: Literal["SendSms", "Balance"]
    userdata: Credential
    msgdata: Annotated[list[Item], Field(max_length=MOST_MESSAGES)] | None = None
    wallet: Literal["Local", "International"] = Field(default="Local", alias="walletType")


class EgoSms:
    """The API of both paths. There is no redirect from one to the other: it would lose the body."""

    def __init__(self, installation: Installation, authenticator: Authenticator) -> None:
        self._installation = installation
        self._authenticator = authenticator

    def routes(self) -> list[BaseRoute]:
        """The routes of the application."""
        return [Route(path, self.answer, methods=["POST"]) for path in PATHS]

    async def answer(self, request: Request) -> Response:
        """Answers one request. Raises RequestRefused if its status is not 200."""
        request.scope["state"][ROUTE] = EGOSMS
        try:
            given = _checked(await _read(request))
            password = given.userdata.password
            is_key = is_secret(password)
            actor = await self._authenticator.actor_for(password) if is_key else None
            if given.method == "Balance":
                return _ok(Balance=await self._balance(actor))
            return await self._send(actor, given.msgdata or [], idempotency_key_of(request.scope))
        except OutcomeUnknown as unknown:
            return _unknown(unknown)
        except Refusal as refusal:
            if refused(refusal).status in FINAL:
                return _response({"Status": "Failed", "Message": _words(refusal)})
            raise refused(refusal) from None

    async def _balance(self, actor: Actor | None) -> int:
        EVERYONE.check(actor)
        view = view_of(require(actor))
        balance, _ = balance_in(await self._installation.store.read_balances(view))
        return balance

    async def _send(self, actor: Actor | None, items: list[Item], key: str | None) -> Response:
        """One send for the whole request. Each message has its own text if the texts differ."""
        SENDERS.check(actor)
        sender = require(actor)
        if not items:
            raise InvalidInput(f"Give 1 to {MOST_MESSAGES:,} messages in msgdata.")
        installation, text = self._installation, items[0].message
        numbers = [each.number for each in items]
        to = await in_thread(partial(_international, installation.normaliser, numbers))
        if len(items) == 1:
            send = await sending.send(installation, sender, to=to[0], text=text, key=key)
        elif all(each.message == text for each in items):
            send = await sending.bulk_send(installation, sender, to=to, text=text, key=key)
        else:
            messages = [
                OutgoingText(number, each.message) for number, each in zip(to, items, strict=True)
            ]
            send = await sending.bulk_send_multi(installation, sender, messages=messages, key=key)
        return _ok(
            Message=_success(send),
            Cost=send.accepted * send.price,
            MsgFollowUpUniqueCode=ids.encode(Kind.SEND, send.id),
        )


def _international(normaliser: Normaliser, numbers: list[str]) -> list[str]:
    """The numbers as they are, or with a plus if they are valid only with one.

    The vendor's clients remove the plus of international numbers.
    """
    as_given = normaliser.normalise_many(numbers)
    with_plus = normaliser.normalise_many([f"+{each}" for each in numbers])
    return [
        found if found is not None and read is None else given
        for given, read, found in zip(numbers, as_given, with_plus, strict=True)
    ]


async def _read(request: Request) -> bytes:
    """The body. Its Content-Type may be any: old clients of the vendor do not say that it is JSON.

    Raises RequestRefused.
    """
    body = await read_bytes(headers_of(request.scope), request.receive)
    if len(body) > SMALL_BYTES:
        check_density(body)
    return body


def _checked(body: bytes) -> Given:
    """Raises InvalidInput. Its sentence has no part of the body."""
    try:
        return Given.model_validate(json_of(body))
    except RequestRefused:
        raise InvalidInput(
            "The body must be JSON in UTF-8, and no object may have a name twice."
        ) from None
    except ValidationError as error:
        raise InvalidInput(invalid(error, whole="an object").message) from None


def _words(refusal: Refusal) -> str:
    if isinstance(refusal, NoValidRecipients):
        return f"No message was accepted. {_named(refusal.rejected)}"
    return WORDS.get(type(refusal), "{}").format(refused(refusal).message)


def _success(send: Send) -> str:
    if not send.rejected_count:
        return "Success"
    count = send.accepted + send.rejected_count
    return f"{send.accepted:,} of {count:,} messages were accepted. {_named(send.rejected)}"


def _named(rejected: Sequence[RejectedRecipient]) -> str:
    return " ".join(f"{each.input}: {each.message}" for each in rejected[:MOST_NAMED])


def _unknown(outcome: OutcomeUnknown) -> Response:
    """A failure with a code. If the send was accepted, it can be found by the code."""
    answer: dict[str, object] = {"Status": "Failed", "Message": UNKNOWN}
    if outcome.send_id is not None:
        answer["MsgFollowUpUniqueCode"] = ids.encode(Kind.SEND, outcome.send_id)
    return _response(answer, status=504)


def _ok(**answer: object) -> Response:
    return _response({"Status": "OK", "Message": "Success", **answer})


def _response(answer: dict[str, object], *, status: int = 200) -> Response:
    return Response(orjson.dumps(answer), status_code=status, media_type="application/json")
