"""The part of ExtremeSMS in the simulator: all its calls, and webhook calls in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from providers.simulator import formats
from providers.simulator.behaviours import MAGIC_NUMBERS
from providers.simulator.calls import WebhookCall, json_call
from providers.simulator.faults import Faults
from providers.simulator.formats import MODEM, PORT, RequestedMessage, SendRequest
from providers.simulator.request_log import RequestLog
from providers.simulator.vendors import ReceivedCall, Request, Response, Sent, SimulatedVendor

# In a call with one text for each number, such a message is refused alone.
REFUSED_ALONE: Final = ("invalid_recipient", "invalid_params")


class SimulatedExtreme(SimulatedVendor):
    """The account at ExtremeSMS. It gets the calls to all paths that no other vendor owns.

    `open_calls`: of all vendors.
    """

    provider = "extreme"

    def __init__(self, log: RequestLog, faults: Faults, *, api_key: str) -> None:
        super().__init__(log, faults)
        self.open_calls = 0
        self._authorization = f"Bearer {api_key}"

    def owns(self, path: str) -> bool:
        return True

    def new_id(self) -> str:
        return formats.new_id()

    def read(self, call: ReceivedCall) -> Request:
        endpoint = (call.method, call.path)
        is_send = endpoint in formats.SENDS
        request = formats.parse_send(endpoint, call.body) if is_send else SendRequest(())
        is_query = call.method == "GET" and call.path.startswith(formats.STATUS_PATH)
        problem = request.problem
        if not (is_send or is_query or endpoint == formats.BALANCE):
            problem = "not_found"
        elif call.headers.get("Authorization", "") != self._authorization:
            problem = "bad_key"
        return Request(
            request.messages,
            problem,
            call.path.removeprefix(formats.STATUS_PATH) if is_query else None,
            endpoint=endpoint,
            modem=request.modem,
            port=request.port,
        )

    def answer(self, request: Request, ids: list[str | None], kind: str) -> Response:
        if request.endpoint in formats.SENDS:
            return 200, formats.send_response(request.endpoint, ids, request.messages)
        if request.reference is None:
            return 200, formats.balance_response(self.log.balance)
        status = self.status_word(request.reference)
        if status is None:
            return 404, formats.NO_SUCH_MESSAGE
        accepted_at = self.log.accepted_at[request.reference]
        return 200, formats.status_response(request.reference, accepted_at, status)

    def logged(self, request: Request, ids: list[str | None]) -> Mapping[str, object]:
        return {"modem": request.modem, "port": request.port}

    def refusal(self, kind: str) -> Response | None:
        return None

    def refuses_alone(self, request: Request, message: RequestedMessage) -> bool:
        magic = MAGIC_NUMBERS.get(message.recipient)
        is_among_many = request.endpoint == formats.SEND_MANY_TEXTS
        return is_among_many and magic is not None and magic.kind in REFUSED_ALONE

    def report(self, sent: Sent, word: str, url: str, secret: str | None) -> WebhookCall:
        body = formats.report_body(sent.id, sent.message.recipient, word)
        return json_call(body)(url, secret)

    def reply(self, sent: Sent, url: str, secret: str | None) -> WebhookCall:
        modem, port = sent.request.modem or MODEM, sent.request.port or PORT
        phone, text = sent.message.recipient, sent.message.text
        return json_call(formats.inbound_body(phone, text, modem=modem, port=port))(url, secret)

    def inbound(
        self, sender: str, text: str, receiver: str, url: str, secret: str | None
    ) -> WebhookCall:
        body = formats.inbound_body(sender, text, modem=MODEM, port=PORT, receiver=receiver or None)
        return json_call(body)(url, secret)
