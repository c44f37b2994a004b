"""The reads of `benchmarks/reads.py`: GraphQL documents for each role. `$…` is filled in before."""

from __future__ import annotations

from dataclasses import dataclass

PAGE_MS = 20
SEARCH_MS = 200


@dataclass(frozen=True, slots=True)
class Question:
    """One read, and the goal for its p95."""

    name: str
    document: str
    goal_ms: int = PAGE_MS


SEND = "id kind createdAt charged accepted finished counts { queued sent delivered rejected }"
MESSAGE = "id direction number text status failure createdAt updatedAt segments"
CONVERSATION = "id number unread contact { name } lastMessage { id text }"
CONTACT = "id number name business optedOut createdAt"
TRANSFER = "id kind amount balanceAfter description createdAt"
EVENT = "id receivedAt provider outcome reason sender payload client { id name }"
BALANCES = "version account { balance } group { balance unallocated }"
PLATFORM = "platform { pool allocated remaining inFlight state alarms { kind } }"
CLIENT = "id name status"


def page(field: str, columns: str, arguments: str = "", size: str = "first: 50") -> str:
    """A document that reads one page of a list."""
    given = ", ".join(each for each in (size, arguments) if each)
    return f"{{ {field}({given}) {{ nodes {{ {columns} }} pageInfo {{ endCursor }} }} }}"


def _list(
    field: str, columns: str, filters: dict[str, str], goal_ms: int = PAGE_MS
) -> list[Question]:
    return [Question(f"{field}: {n}", page(field, columns, f), goal_ms) for n, f in filters.items()]


DEEP = {"first page": "", "deep page": 'after: "$after"'}
DAY = 'createdAfter: "$early", createdBefore: "$late"'
STATUSES = (
    "QUEUED",
    "SUBMITTING",
    "SENT",
    "DELIVERED",
    "UNDELIVERED",
    "REJECTED",
    "UNKNOWN",
    "CANCELLED",
)
MESSAGE_FILTERS = {
    "INBOUND": "direction: INBOUND",
    "OUTBOUND": "direction: OUTBOUND",
    "a number": 'number: "$number"',
    "a day": DAY,
    "a large send": 'sendId: "$bulk"',
    "a send and QUEUED": 'sendId: "$bulk", status: QUEUED',
    "a day and REJECTED": f"{DAY}, status: REJECTED",
}
PEOPLE = {
    "search name": 'search: "ada hill"',
    "search nothing": 'search: "zebra"',
    "search number": 'search: "$digits"',
}
TEXTS = {
    "search rare word": 'search: "zebra"',
    "search common word": 'search: "order"',
    "search number": 'search: "$digits"',
    "search short": 'search: "a"',
}


def of_both() -> list[Question]:
    """What an account and an admin read."""
    return [
        *_sends(),
        *_messages(),
        *_transfers(),
        *_people(),
        Question("balances", f"{{ balances {{ {BALANCES} {PLATFORM} }} }}"),
        Question("viewer", "{ viewer { id role } }"),
    ]


def _sends() -> list[Question]:
    kinds = {kind: f"filter: {{kind: {kind}}}" for kind in ("BULK", "REPLY", "SINGLE")}
    filters = kinds | {"a day": f"filter: {{{DAY}}}", "OLDEST": "orderBy: OLDEST"}
    messages = f"messages(first: 50) {{ nodes {{ {MESSAGE} }} }}"
    return [
        *_list("sends", SEND, DEEP | filters),
        Question("sends: last page", page("sends", SEND, size="last: 50")),
        Question("sends: IDs only", page("sends", "id")),
        Question("a large send", f'{{ send(id: "$bulk") {{ {SEND} }} }}'),
        Question("messages of a large send", f'{{ send(id: "$bulk") {{ {messages} }} }}'),
    ]


def _messages() -> list[Question]:
    filters = {f"filter {name}": f"filter: {{{each}}}" for name, each in MESSAGE_FILTERS.items()}
    return [
        *_list("messages", MESSAGE, DEEP),
        Question("messages: last page", page("messages", MESSAGE, size="last: 50")),
        *_list("messages", MESSAGE, {each: f"status: {each}" for each in STATUSES} | filters),
        *_list("messages", MESSAGE, TEXTS, SEARCH_MS),
        Question("messageStats: a day by HOUR", _stats("HOUR", "early", "late")),
        Question("messageStats: a month by DAY", _stats("DAY", "month", "late"), SEARCH_MS),
    ]


def _transfers() -> list[Question]:
    kinds = ("SEND", "REFUND", "ALLOCATION", "OPENING", "SYNC", "RECONCILE")
    filters = {"first page": "", "OLDEST": "orderBy: OLDEST", "a day": f"filter: {{{DAY}}}"}
    return _list("transfers", TRANSFER, filters | {kind: f"kind: {kind}" for kind in kinds})


def _people() -> list[Question]:
    orders = {each: f"orderBy: {each}" for each in ("NAME", "OLDEST")}
    opted_out = {"opted out": "filter: {optedOut: true}"}
    messages = f"messages(first: 50) {{ nodes {{ {MESSAGE} }} }}"
    return [
        *_list("contacts", CONTACT, DEEP | orders | opted_out),
        *_list("contacts", CONTACT, PEOPLE, SEARCH_MS),
        *_list("inbox", CONVERSATION, DEEP | {"unread": "unreadOnly: true"}),
        *_list("inbox", CONVERSATION, PEOPLE, SEARCH_MS),
        Question(
            "a conversation",
            f'{{ conversation(id: "$conversation") {{ {CONVERSATION} {messages} }} }}',
        ),
    ]


def of_supervisor() -> list[Question]:
    """What a supervisor without an account reads."""
    return [
        Question("balances", f"{{ balances {{ {BALANCES} }} }}"),
        *_list(
            "allocations",
            "balance lastSentAt client { id name }",
            {"first page": "", "search": 'search: "Client 1"'},
        ),
        *_list("transfers", TRANSFER, {"first page": "", "ALLOCATION": "kind: ALLOCATION"}),
    ]


def of_admin() -> list[Question]:
    """What only an admin reads."""
    outcomes = ("ROUTED", "UNROUTED", "DUPLICATE", "REFUSED", "INVALID")
    return [
        *_list(
            "clients",
            CLIENT,
            {"first page": "", "NAME": "orderBy: NAME", "search": 'search: "Client 17"'},
        ),
        *_list("users", "id email role", {"first page": "", "search": 'search: "zebra"'}),
        *_list("allocations", "balance lastSentAt client { id name }", {"first page": ""}),
        *_list("sends", SEND, {"of a client": 'filter: {clientId: "$client"}'}),
        *_list(
            "transfers",
            TRANSFER,
            {
                "of a client": 'clientId: "$client"',
                "of a client, ALLOCATION": 'clientId: "$client", kind: ALLOCATION',
            },
        ),
        Question("balances of a client", f'{{ balances(clientId: "$client") {{ {BALANCES} }} }}'),
        *_list(
            "webhookEvents",
            EVENT,
            {"first page": ""} | {each: f"outcome: {each}" for each in outcomes},
        ),
        Question(
            "webhookStatus",
            "{ webhookStatus { eventsLastHour unrouted pendingOptOuts"
            " refusedLastHour lastEvent { id } lastRoutedClient { id } } }",
        ),
        Question("modemRoutes", "{ modemRoutes { id modem port } }"),
        Question("providerAccounts", f"{{ providerAccounts {{ id {PLATFORM} }} }}"),
    ]


def _stats(by: str, start: str, end: str) -> str:
    return (
        f'{{ messageStats(by: {by}, from: "${start}", to: "${end}")'
        " { startsAt charged counts { delivered rejected } } }"
    )
