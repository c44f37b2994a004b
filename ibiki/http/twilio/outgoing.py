"""The form of a new message: which fields count, and which are refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from domain.numbers import Normaliser
from ibiki.http.twilio.errors import TwilioRefused, invalid
from ibiki.http.twilio.forms import number_of

IGNORED = frozenset(
    {"Attempt", "ForceDelivery", "MessageIntent", "ProvideFeedback", "RiskCheck", "SmartEncoded"}
    | {"TrafficType", "From", "FallbackFrom", "MessagingServiceSid"}
)
"""Fields that change neither the message nor what is charged or stored here."""

HARMLESS = {
    "AddressRetention": {"retain"},
    "ContentRetention": {"retain"},
    "SendAsMms": {"false"},
    "ShortenUrls": {"false"},
}
"""Values of fields that ask for what is done anyway."""

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
    "ScheduleType": (35111, "Messages cannot be scheduled here."),
    "SendAt": (35111, "Messages cannot be scheduled here."),
    "StatusCallback": (21609, "StatusCallback is not supported here."),
    "ValidityPeriod": (20001, "ValidityPeriod is not supported here."),
}
"""Fields that would be broken promises if they were ignored."""

KNOWN = frozenset(IGNORED | REFUSED.keys() | {"To", "Body"})


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What to send."""

    to: str
    text: str


def read_outgoing(normaliser: Normaliser, form: Mapping[str, str]) -> Outgoing:
    """The message of a form. Raises TwilioRefused."""
    for name, (code, reason) in REFUSED.items():
        if name in form and form[name].lower() not in HARMLESS.get(name, ()):
            raise TwilioRefused(400, code, reason)
    if not form.get("To", "").strip():
        raise invalid("To is required: the number to send to.", 21604)
    if not form.get("Body"):
        raise invalid("Body is required: the text to send.", 21602)
    return Outgoing(number_of(normaliser, form["To"]), form["Body"])
