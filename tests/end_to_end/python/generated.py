"""Does the main job with a client that was generated from openapi.json: FOLDER ADDRESS KEY TO.

Started by the tests. Prints what the calls return, as JSON.
"""

import json
import sys
import time
from typing import Any

folder, address, key, to = sys.argv[1:]
sys.path.insert(0, folder)

from ibiki_client import AuthenticatedClient  # noqa: E402
from ibiki_client.api.console import webhook_events  # noqa: E402
from ibiki_client.api.schools import bulk_sms, check_credits  # noqa: E402
from ibiki_client.api.v2 import (  # noqa: E402
    balance,
    inbox,
    message_status,
    quote,
    send_bulk,
    send_bulk_multi,
    send_single,
)
from ibiki_client.models import (  # noqa: E402
    BulkAnswer,
    Failure,
    FailureCode,
    SchoolBulk,
    SendBulk,
    SendItem,
    SendSingle,
    SingleAnswer,
    StatusAnswer,
)

client = AuthenticatedClient(base_url=address, token=key, raise_on_unexpected_status=True)
hello = SendSingle(recipient=to, message="Good morning")
many = SendBulk(recipients=[to, "nonsense"], content="Good morning")
found: dict[str, Any] = {"before": balance.sync(client=client).balance}

one = send_single.sync(client=client, body=hello, idempotency_key="order-17")
assert isinstance(one, SingleAnswer), one
again = send_single.sync(client=client, body=hello, idempotency_key="order-17")
assert again == one, "a repeated key gets the first answer"
quoted = quote.sync(client=client, body=many)
bulk = send_bulk.sync(client=client, body=many)
assert isinstance(bulk, BulkAnswer), bulk
assert (bulk.total_sent, quoted.accepted, bulk.rejected[0].reason) == (1, 1, "INVALID")
multi = send_bulk_multi.sync(
    client=client, body=[SendItem(recipient=each, content="Hi") for each in (to, "nonsense")]
)
assert [each.status for each in multi.results] == ["queued", "failed"]
school = bulk_sms.sync(client=client, body=SchoolBulk(recipients=[to], message="Bye"))
assert check_credits.sync(client=client).balance == school.balance
status = message_status.sync(one.message_id, client=client)
assert isinstance(status, StatusAnswer), status

wrong = send_single.sync_detailed(client=client, body=SendSingle(recipient="12", message="Hi"))
assert isinstance(wrong.parsed, Failure), wrong
assert wrong.parsed.code is FailureCode.INVALID_RECIPIENT
assert wrong.parsed.rejected[0].position == 0
conflict = send_single.sync(
    client=client, body=SendSingle(recipient=to, message="Other"), idempotency_key="order-17"
)
missing = message_status.sync("msg_1", client=client)
refused = webhook_events.sync(client=client)
stranger = balance.sync(client=AuthenticatedClient(base_url=address, token="wrong"))
found["codes"] = [str(each.code) for each in (conflict, missing, refused, stranger)]
found["after"] = balance.sync(client=client).balance
found["inbox"] = []
give_up_at = time.monotonic() + 60
# the phone replies with the text that it gets
while not found["inbox"] and time.monotonic() < give_up_at:
    found["inbox"] = [each.sender for each in inbox.sync(client=client, limit=1).messages]
found["bulk"] = bulk.message_ids
print(json.dumps(found))
