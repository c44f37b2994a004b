"""How ExtremeSMS speaks: seen in programs that call its HTTP API v2, read 2026-11.

Confirmed by none of the vendor's documents: what is assumed is marked so, and is read leniently
where leniency cannot make a message that was taken look like one that was not.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from domain.errors import ProviderUnavailable
from domain.inbox.webhooks import InboundCall, Malformed, Parsed, ReportCall
from domain.outcomes import Accepted, NotSent, Outcome, Rejected, ReportedStatus, Unknown
from domain.provider import Outgoing, Reading
from domain.sending.sends import Line
from providers.config import ProviderConfig
from providers.replies import (
    call_object,
    json_object,
    reading_of,
    reference,
    retry_after_seconds,
    text_of,
    word_of,
)
from providers.transport import Answer, Exchange, Lost, NotConnected, Transport

# --- Constants

BASE_URL: Final = "https://extremesms.net"
SEND_ONE: Final = "/api/v2/sms/sendsingle"
SEND_ONE_TEXT: Final = "/api/v2/sms/sendbulk"
SEND_MANY_TEXTS: Final = "/api/v2/sms/sendbulkmulti"
STATUS: Final = "/api/v2/sms/status/"
BALANCE: Final = "/api/v2/account/balance"

# The table of replies. What a 400 (or a 2xx with "success": false) says by its code:
REFUSES_MESSAGE: Final = {
    "INVALID_RECIPIENT": "The number was refused: it cannot receive messages.",
    "INVALID_PARAMS": "The message was refused as it stands.",
}
NO_CREDITS: Final = "INSUFFICIENT_CREDITS"
# What a status says of the account, whatever the body: the request was not let in.
REFUSES_ACCOUNT: Final = {
    401: "The account's key was refused.",
    402: "The account has no credits left.",
    403: "The account is not allowed to send.",
}
# A refusal that nevertheless names messages may have taken some of them.
NAMES_MESSAGES: Final = ("messageId", "messageIds", "results")
# An item of a call with many texts that was refused by itself (assumed).
FAILED: Final = "failed"
# What a status says of a message that was taken.
STATUS_WORDS: Final = {
    "queued": ReportedStatus.TAKEN,
    "pending": ReportedStatus.TAKEN,
    "sent": ReportedStatus.TAKEN,
    "delivered": ReportedStatus.DELIVERED,
    FAILED: ReportedStatus.FAILED,
    "expired": ReportedStatus.FAILED,
}
# The status of an inbound message whose sender asked not to be written to; else "received".
BLOCKED: Final = "blocked"
LONGEST_WORD: Final = 128

_log = logging.getLogger(__name__)


# --- Request shapes


def _single(message: Outgoing) -> dict[str, str]:
    shape = {"recipient": message.number, "message": message.text}
    # The webhook says `usedmodem`, this call says `usemodem`.
    if message.modem is not None:
        shape["usemodem"] = message.modem
    if message.port is not None:
        shape["port"] = message.port
    return shape


def _one_text(messages: Sequence[Outgoing]) -> dict[str, object]:
    return {
        "recipients": [message.number for message in messages],
        "content": messages[0].text,
    }


def _many_texts(messages: Sequence[Outgoing]) -> list[dict[str, str]]:
    return [{"recipient": message.number, "content": message.text} for message in messages]


# --- The table of replies


def _read(exchange: Exchange, *, takes_items: bool = False) -> dict[str, object] | Outcome:
    """The body of an answer that says that messages were taken, or the outcome of them all.

    `takes_items`: a body that lists results is returned too where not all of them were taken.
    """
    match exchange:
        case NotConnected(reason):
            return NotSent(reason)
        case Lost(reason):
            return Unknown(reason)
    said = json_object(exchange.body)
    if _is_success(exchange.status) and said.get("success") is True:
        return said
    listed = said.get("success") is False and said.get("results")
    if takes_items and listed and (_is_success(exchange.status) or exchange.status == 400):
        return said
    return _refusal(exchange, said)


def _refusal(answer: Answer, said: Mapping[str, object]) -> Outcome:
    """The outcome of an answer that does not say that the message was taken."""
    if said.get("success") is True or any(said.get(key) for key in NAMES_MESSAGES):
        return Unknown("The answer contradicts itself.")
    if answer.status in REFUSES_ACCOUNT:
        return NotSent(REFUSES_ACCOUNT[answer.status], refuses_account=True)
    if answer.status == 429 or _is_clearly_closed(answer, said):
        pause = retry_after_seconds(answer.headers)
        return NotSent("The network asked to wait.", retry_after_seconds=pause)
    if answer.status == 400 or (_is_success(answer.status) and said.get("success") is False):
        return _refusal_by_code(said.get("code"))
    return Unknown(f"The answer (HTTP {answer.status}) does not say whether it was taken.")


def _refusal_by_code(code: object) -> Outcome:
    if code == NO_CREDITS:
        return NotSent(REFUSES_ACCOUNT[402], refuses_account=True)
    if isinstance(code, str) and code in REFUSES_MESSAGE:
        return Rejected(REFUSES_MESSAGE[code])
    # An unlisted code could be "already sent": nothing may be concluded from it.
    return Unknown("The network refused for a reason that is not known here.")


def _is_clearly_closed(answer: Answer, said: Mapping[str, object]) -> bool:
    """Whether a 503 comes from the provider itself, before it took anything.

    Its own JSON says so, or nothing but a Retry-After. Text or HTML is a proxy's, which sends it
    also after the request was passed on.
    """
    if answer.status != 503:
        return False
    if said:
        return said.get("success") is False or isinstance(said.get("error"), str)
    return not answer.body.strip() and "Retry-After" in answer.headers


def _is_success(status: int) -> bool:
    return 200 <= status < 300


def _accepted(said: Mapping[str, object]) -> Outcome:
    """A single message that was taken; without an id that can be read it has no reference."""
    if said.get("status") == FAILED:
        return Unknown("The answer contradicts itself.")
    return Accepted(reference(said.get("messageId")))


def _outcomes_of_one_text(said: dict[str, object] | Outcome, count: int) -> list[Outcome]:
    """References in the order of the recipients (assumed) only where each has one of its own."""
    if not isinstance(said, dict):
        return _for_each(said, count)
    ids = said.get("messageIds")
    references = [reference(value) for value in ids] if isinstance(ids, list) else []
    if len(references) == len(set(references)) == count and None not in references:
        return [Accepted(one) for one in references]
    _log.warning("%d messages were taken without references: %d given", count, len(references))
    return [Accepted(None)] * count


def _outcomes_of_many_texts(said: dict[str, object] | Outcome, numbers: list[str]) -> list[Outcome]:
    """The outcome that each message's own item names."""
    if not isinstance(said, dict):
        return _for_each(said, len(numbers))
    results = said.get("results")
    if not isinstance(results, list) or not results:
        return _outcomes_without_items(said, len(numbers))
    taken = said.get("success") is True
    return _told_apart([_outcome_of_item(item, taken=taken) for item in _items(results, numbers)])


def _told_apart(outcomes: list[Outcome]) -> list[Outcome]:
    """The same outcomes; a reference given to more than one message is nobody's."""
    given = Counter(one.reference for one in outcomes if isinstance(one, Accepted))
    return [
        Accepted(None) if isinstance(one, Accepted) and given[one.reference] > 1 else one
        for one in outcomes
    ]


def _outcomes_without_items(said: Mapping[str, object], count: int) -> list[Outcome]:
    if said.get("totalFailed") in (None, 0):
        return _outcomes_of_one_text({}, count)
    return [Unknown("Some were refused, and the answer does not say which.")] * count


def _items(results: list[object], numbers: list[str]) -> list[Mapping[str, object]]:
    """One item a number, same order; an empty one where the answer holds none for certain.

    By position while each item names the number there, or none; else by the numbers that stand
    once on either side.
    """
    items: list[Mapping[str, object]] = [item if isinstance(item, dict) else {} for item in results]
    theirs = [_digits(item.get("recipient")) for item in items]
    ours = [_digits(number) for number in numbers]
    if len(theirs) == len(ours) and all(
        their in ("", our) for their, our in zip(theirs, ours, strict=True)
    ):
        return items
    by_number = dict(zip(theirs, items, strict=True))
    once = {number for number in ours if ours.count(number) == theirs.count(number) == 1}
    return [by_number[number] if number in once else {} for number in ours]


def _digits(number: object) -> str:
    return "".join(filter(str.isdigit, number)) if isinstance(number, str) else ""


def _outcome_of_item(item: Mapping[str, object], *, taken: bool) -> Outcome:
    if item.get("status") == FAILED:
        return _refusal_of_item(item)
    own = reference(item.get("messageId"))
    if taken and (own is not None or item.get("status") in ("queued", "pending", "sent")):
        return Accepted(own)
    return Unknown("The answer does not say whether this message was taken.")


def _refusal_of_item(item: Mapping[str, object]) -> Outcome:
    """An item that failed was not taken, whatever its code."""
    code = item.get("code")
    if code == NO_CREDITS:
        return NotSent(REFUSES_ACCOUNT[402], refuses_account=True)
    known = REFUSES_MESSAGE.get(code) if isinstance(code, str) else None
    return Rejected(known or "The network refused this message.")


def _for_each(outcome: Outcome, count: int) -> list[Outcome]:
    """The same for all; a refused call took nothing, and does not say for which message's sake."""
    if isinstance(outcome, Rejected):
        return [NotSent("A call for many was refused as a whole.", alone=True)] * count
    return [outcome] * count


# --- Send, send many, balance, status


class ExtremeSMS:
    """One account at ExtremeSMS: fills the port `domain.provider.Provider`."""

    def __init__(self, config: ProviderConfig, transport: Transport | None = None) -> None:
        self.largest_batch = config.largest_batch
        self._transport = transport or config.transport()
        self._headers = {
            "Authorization": f"Bearer {config.api_key}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }

    async def send(self, message: Outgoing) -> Outcome:
        """The outcome of handing over one message; a reply goes out by its modem and port."""
        said = _read(await self._post(SEND_ONE, _single(message)))
        return _accepted(said) if isinstance(said, dict) else said

    async def send_many(self, messages: Sequence[Outgoing]) -> list[Outcome]:
        """One outcome a message, same order. Raises ValueError for a batch that is none."""
        self._check(messages)
        if len(messages) < 2:
            return [await self.send(message) for message in messages]
        if len({message.text for message in messages}) == 1:
            said = _read(await self._post(SEND_ONE_TEXT, _one_text(messages)))
            return _outcomes_of_one_text(said, len(messages))
        said = _read(await self._post(SEND_MANY_TEXTS, _many_texts(messages)), takes_items=True)
        return _outcomes_of_many_texts(said, [message.number for message in messages])

    async def balance(self) -> Reading:
        """The account's credits now. Raises ProviderUnavailable, in our words."""
        exchange = await self._transport.request("GET", BALANCE, headers=self._headers)
        if not isinstance(exchange, Answer):
            raise ProviderUnavailable
        if exchange.status in REFUSES_ACCOUNT:
            raise ProviderUnavailable("The SMS network refused the account: check its key.")
        reading = reading_of(exchange.body, "balance") if _is_success(exchange.status) else None
        if reading is None or json_object(exchange.body).get("success") is not True:
            raise ProviderUnavailable("The SMS network did not say a balance that can be read.")
        return reading

    async def status(self, reference: str) -> ReportedStatus | None:
        """What became of a message; None for a word or an answer that says nothing here.

        Raises ProviderUnavailable where it cannot be asked now.
        """
        path = STATUS + quote(reference, safe="")
        exchange = await self._transport.request("GET", path, headers=self._headers)
        if not isinstance(exchange, Answer):
            raise ProviderUnavailable
        if exchange.status in REFUSES_ACCOUNT or exchange.status == 429 or exchange.status >= 500:
            raise ProviderUnavailable
        said = json_object(exchange.body)
        word = word_of(said.get("status"), LONGEST_WORD)
        if not _is_success(exchange.status) or said.get("success") is not True or word is None:
            return None
        return STATUS_WORDS.get(word.strip().lower())

    async def close(self) -> None:
        """Lets go of its connections."""
        await self._transport.close()

    async def _post(self, path: str, shape: object) -> Exchange:
        body = json.dumps(shape).encode()
        return await self._transport.request("POST", path, headers=self._headers, body=body)

    def _check(self, messages: Sequence[Outgoing]) -> None:
        if len(messages) > self.largest_batch:
            raise ValueError(f"At most {self.largest_batch} messages fit into one call.")
        if len(messages) > 1 and any(message.modem or message.port for message in messages):
            raise ValueError("A message that names a modem or port needs a call of its own.")


# --- Inbound and report parsing


def read_call(body: bytes) -> Parsed:
    """Parses a webhook call: an inbound message or, assumed, a delivery report.

    No delivery report of this provider has been seen. A call without a sender that looks like its
    answer to a status query is read as one.
    """
    said = call_object(body)
    if not said:
        return Malformed("The body is neither a JSON object with fields nor a form.")
    named, word = reference(said.get("messageId")), word_of(said.get("status"), LONGEST_WORD)
    if "from" not in said and named is not None and word is not None:
        number = word_of(said.get("recipient"), LONGEST_WORD)
        return ReportCall(named, word, STATUS_WORDS.get(word.strip().lower()), number)
    return _inbound(said, named)


def _inbound(said: Mapping[str, object], named: str | None) -> Parsed:
    sender, text = word_of(said.get("from"), LONGEST_WORD), text_of(said.get("message"))
    if sender is None:
        return Malformed("`from` is missing: the number that the message came from.")
    if text is None:
        return Malformed("`message` is not a text.")
    names = [word_of(said.get(key), LONGEST_WORD) for key in ("firstname", "lastname")]
    return InboundCall(
        sender=sender,
        text=text,
        key=named,
        receiver=word_of(said.get("receiver"), LONGEST_WORD),
        line=_line(said),
        name=" ".join(" ".join(filter(None, names)).split()) or None,
        business=" ".join((word_of(said.get("business"), LONGEST_WORD) or "").split()) or None,
        blocked=(word_of(said.get("status"), LONGEST_WORD) or "").strip().lower() == BLOCKED,
    )


def _line(said: Mapping[str, object]) -> Line | None:
    """Modem and port exactly as written: a reply repeats them."""
    modem = word_of(said.get("usedmodem"), LONGEST_WORD)
    port = word_of(said.get("port"), LONGEST_WORD)
    return Line(modem, port) if modem is not None and port is not None else None
