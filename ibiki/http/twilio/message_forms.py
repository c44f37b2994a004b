"""The form of a new message: which fields are used, and which are refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from domain.errors import InvalidInput
from domain.hooks.addresses import AddressRules
from domain.numbers import Normaliser
from domain.sending.messages import Callback
from ibiki.http.twilio.callbacks import callback_to
from ibiki.http.twilio.errors import TwilioRefused, invalid
from ibiki.http.twilio.forms import number_of, time_of

IGNORED = frozenset(
    {"Attempt", "ForceDelivery", "MessageIntent", "ProvideFeedback", "RiskCheck", "SmartEncoded"}
    | {"TrafficType", "FallbackFrom", "MessagingServiceSid"}
)
"""Fields that change neither the message nor what is charged or stored here."""

HARMLESS = {
    "AddressRetention": {"retain"},
    "ContentRetention": {"retain"},
    "SendAsMms": {"false"},
    "ShortenUrls": {"false"},
}
"""Values of refused fields that are accepted: they ask for what is done anyway."""

REFUSED = {
    "MediaUrl": (21620, "MediaUrl is not supported: only texts can be sent."),
    "ContentSid": (21656, "ContentSid is not supported. Give the text in Body."),
    "ContentVariables": (21656, "ContentVariables is not supported. Give the text in Body."),
    "PersistentAction": (20001, "PersistentAction is not supported: only texts can be sent."),
    "ApplicationSid": (20001, "ApplicationSid is not supported. Use StatusCallback."),
    "MaxPrice": (20001, "MaxPrice is not supported: the price of a message is fixed."),
    "AddressRetention": (20001, "AddressRetention can only be retain."),
    "ContentRetention": (20001, "ContentRetention can only be retain. Empty the Body later."),
    "SendAsMms": (20001, "SendAsMms is not supported: only texts can be sent."),
    "ShortenUrls": (20001, "ShortenUrls is not supported. The text is sent as it is."),
}
"""Fields that are refused: to ignore them would send another message than was requested."""

KNOWN = frozenset(
    IGNORED
    | REFUSED.keys()
    | {"To", "From", "Body", "ScheduleType", "SendAt", "StatusCallback", "ValidityPeriod"}
)
FIXED = "fixed"
WRONG_TIME = 35114
LONGEST_VALIDITY = 36_000


@dataclass(frozen=True, slots=True)
class MessageForm:
    """What to send. `send_at`: None for now. `callback`: None for no callbacks.

    `valid_seconds`: None for no limit. `sender`: the number in From; None for anything else.
    """

    to: str
    text: str
    send_at: datetime | None
    callback: Callback | None
    valid_seconds: int | None
    sender: str | None


def read_message_form(
    normaliser: Normaliser, addresses: AddressRules, form: Mapping[str, str]
) -> MessageForm:
    """The message of a form. Raises TwilioRefused."""
    for name, (code, reason) in REFUSED.items():
        if name in form and form[name].lower() not in HARMLESS.get(name, ()):
            raise TwilioRefused(400, code, reason)
    if not form.get("To", "").strip():
        raise invalid("To is required: the number to send to.", 21604)
    if not form.get("Body"):
        raise invalid("Body is required: the text to send.", 21602)
    return MessageForm(
        number_of(normaliser, form["To"]),
        form["Body"],
        _send_at(form),
        _callback(addresses, form),
        _valid_seconds(form),
        _sender(normaliser, form),
    )


def _sender(normaliser: Normaliser, form: Mapping[str, str]) -> str | None:
    given = form.get("From", "")
    if given.startswith(" "):
        given = f"+{given[1:]}"  # a + that was not written as %2B
    (number,) = normaliser.normalise_many([given])
    return number


def _valid_seconds(form: Mapping[str, str]) -> int | None:
    given = form.get("ValidityPeriod")
    if not given:
        return None
    seconds = int(given) if re.fullmatch(r"[0-9]{1,6}", given) else 0
    if not 1 <= seconds <= LONGEST_VALIDITY:
        raise invalid(f"ValidityPeriod must be 1 to {LONGEST_VALIDITY:,} seconds.")
    return seconds


def _callback(addresses: AddressRules, form: Mapping[str, str]) -> Callback | None:
    if not form.get("StatusCallback"):
        return None
    try:
        return callback_to(addresses, form["StatusCallback"])
    except InvalidInput as refusal:
        raise invalid(f"StatusCallback: {refusal}", 21609) from None


def _send_at(form: Mapping[str, str]) -> datetime | None:
    kind, given = form.get("ScheduleType"), form.get("SendAt")
    if not kind and not given:
        return None
    if kind != FIXED:
        raise invalid(f"ScheduleType must be {FIXED} if SendAt is given.")
    if not given:
        raise invalid(f"SendAt is required if ScheduleType is {FIXED}.", WRONG_TIME)
    return time_of("SendAt", given, code=WRONG_TIME)
