"""The requests to Africa's Talking, compared with those of the vendor's SDK, and its webhook calls.

The SDK runs as a separate program: it needs a package named `schema`, like ours (`make clients`).
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from domain.errors import ProviderUnavailable
from domain.inbox.keywords import Keyword
from domain.inbox.webhooks import DeliveryReport, Malformed, Parsed, ReceivedMessage
from domain.provider import OutgoingMessage, ReportedStatus
from domain.sending.messages import Line
from providers.africastalking import parse_webhook
from providers.simulator.accounts import SIMULATED_ACCOUNTS
from tests.providers.recorder import recorder
from tests.providers.simulated import Simulated
from tests.providers.vendors_at import account_of, balance_of

STOCK = Path(__file__).parents[1] / "end_to_end" / "python" / ".venv"
OWN = SIMULATED_ACCOUNTS["africastalking"]
NUMBERS = ["+12025550100", "+12025550101"]
TEXT = "50 % & more? é\n+1 = 你好"
# Reads the calls, makes each at the address, and prints what the SDK returns, or the error.
PROGRAM = """
import json, sys
import africastalking
given = json.load(sys.stdin)
africastalking.initialize(given["username"], given["key"])
answers = []
for service, method, arguments in given["calls"]:
    found = getattr(africastalking, service)
    found._baseUrl = given["address"] + "/version1"
    try:
        answers.append(getattr(found, method)(**arguments))
    except Exception as error:
        answers.append(type(error).__name__ + ": " + str(error))
json.dump(answers, sys.stdout)
"""
BALANCE: tuple[str, str, object] = ("Application", "fetch_application_data", {})


def send(numbers: list[str], **more: object) -> tuple[str, str, dict[str, object]]:
    return "SMS", "send", {"message": TEXT, "recipients": numbers, **more}


async def with_sdk(address: str, *calls: tuple[str, str, object], key: str = OWN.password) -> Any:
    """What the vendor's SDK returns for these calls at this address."""
    python = STOCK / "bin" / "python"
    if not python.exists():
        pytest.skip("the stock clients are not installed: `make clients` installs them")
    requested = {"address": address, "username": OWN.username, "key": key, "calls": calls}
    program = await asyncio.create_subprocess_exec(
        python,
        "-I",  # without the working directory: it has a package named `schema`
        "-c",
        PROGRAM,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=sys.stderr,
    )
    printed, _ = await program.communicate(json.dumps(requested).encode())
    return json.loads(printed)


async def test_our_requests_are_those_of_the_vendors_sdk_field_by_field() -> None:
    headers = ("apiKey", "Accept", "Content-Type")
    async with recorder(*headers, status=201, answer={}) as simulator:
        await with_sdk(
            simulator.base_url,
            send(NUMBERS[:1]),
            send(NUMBERS, sender_id="Kanda"),
            send(NUMBERS[:1], sender_id="22384"),
            BALANCE,
        )
        theirs = simulator.taken()
        more = {"sender": None}
        async with account_of("africastalking", simulator.base_url, **more) as account:
            await account.send(OutgoingMessage(NUMBERS[0], TEXT))
        async with account_of("africastalking", simulator.base_url, sender="Kanda") as account:
            await account.send_many([OutgoingMessage(number, TEXT) for number in NUMBERS])
            await account.send(OutgoingMessage(NUMBERS[0], TEXT, "number", "22384"))
            with pytest.raises(ProviderUnavailable):
                await balance_of(account)
        ours = simulator.taken()
    assert len(ours) == 4
    assert ours == theirs


async def test_the_vendors_sdk_works_against_the_simulator(simulator: Simulated) -> None:
    numbers = [NUMBERS[0], "+12025550160", NUMBERS[1]]
    sent, balance = await with_sdk(simulator.base_url, send(numbers), BALANCE)
    assert sent["SMSMessageData"]["Message"].startswith("Sent to 2/3")
    codes = [each["statusCode"] for each in sent["SMSMessageData"]["Recipients"]]
    assert codes == [101, 403, 101]
    assert balance == {"UserData": {"balance": "KES 998.5000"}}
    assert await simulator.took() == NUMBERS
    [refused] = await with_sdk(simulator.base_url, send(NUMBERS), key="a guess")
    assert refused == "AfricasTalkingException: The supplied authentication is invalid"


# --- Webhooks

INBOUND = {
    "date": "2026-05-03T06:04:45Z",
    "from": NUMBERS[0],
    "id": "b8e2",
    "linkId": "SampleLinkId123",
    "text": "Hello é",
    "to": "22384",
    "networkCode": "63902",
}
REPORT = {"id": "ATXid_1", "phoneNumber": NUMBERS[0], "networkCode": "63902", "retryCount": "0"}

CALLS: list[tuple[str, Mapping[str, str], Parsed]] = [
    (
        "a message",
        INBOUND,
        ReceivedMessage(NUMBERS[0], "Hello é", "b8e2", "22384", Line("number", "22384")),
    ),
    ("only what it needs", {"from": "1", "text": ""}, ReceivedMessage("1", "")),
    *(
        (f"a report: {word}", {**REPORT, "status": word}, DeliveryReport("ATXid_1", word, status))
        for word, status in {
            "Sent": ReportedStatus.TAKEN,
            "Submitted": ReportedStatus.TAKEN,
            "Buffered": ReportedStatus.TAKEN,
            "Success": ReportedStatus.DELIVERED,
            "Rejected": ReportedStatus.FAILED,
            "Failed": ReportedStatus.FAILED,
            "Expired": ReportedStatus.FAILED,
            "New": None,
        }.items()
    ),
    (
        "a report with its reason",
        {**REPORT, "status": "Failed", "failureReason": "UserInBlackList"},
        DeliveryReport("ATXid_1", "Failed UserInBlackList", ReportedStatus.FAILED),
    ),
    (
        "an opt-out of a named sender",
        {"senderId": "Kanda", "phoneNumber": NUMBERS[0]},
        ReceivedMessage(NUMBERS[0], "STOP", receiver="Kanda", keyword=Keyword.STOP),
    ),
    (
        "a report without an ID",
        {"status": "Sent"},
        Malformed("`id` is missing: the ID of the message."),
    ),
    ("a report without a word", {**REPORT, "status": ""}, Malformed("`status` is not a word.")),
    ("no sender", {"text": "x"}, Malformed("`from` is missing: the sender of the message.")),
    ("no text", {"from": "1"}, Malformed("`text` is missing: the text of the message.")),
    (
        "a subscription",
        {"phoneNumber": NUMBERS[0], "shortCode": "22384", "updateType": "addition"},
        Malformed("This is not a message (`from`, `text`), report (`id`, `status`) or opt-out."),
    ),
]


@pytest.mark.parametrize(
    ("fields", "expected"), [each[1:] for each in CALLS], ids=[each[0] for each in CALLS]
)
def test_a_call_is_read(fields: Mapping[str, str], expected: Parsed) -> None:
    assert parse_webhook(urlencode(fields).encode()) == expected
