"""Runs the vendor's SDK of the EgoSMS JSON API: python comms.py ADDRESS KEY NUMBER...

Started by the tests with each version of the SDK. Prints what the calls return, as JSON.
"""

import contextlib
import io
import json
import sys

from comms_sdk.v1 import CommsSDK
from comms_sdk.v1.models import MessagePriority

address, key, *numbers = sys.argv[1:]
CommsSDK.API_URL = address
with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does
    sdk = CommsSDK.authenticate("acme", key)
    found = {"authenticated": sdk.is_authenticated}
    if sdk.is_authenticated:
        found["before"] = sdk.get_balance()
        found["one"] = sdk.send_sms(numbers[0], "Good morning")
        found["many"] = vars(sdk.query_send_sms(numbers, "Good night", "Acme", MessagePriority.LOW))
        found["after"] = sdk.get_balance()
print(json.dumps(found))
