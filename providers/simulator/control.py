"""The simulator's control endpoint: faults on demand, the balance, the log, inbound messages.

GET  /control/fault            the pending faults
POST /control/fault            {"kind", "times", "skip", "seconds", "path"}: see faults.Fault
POST /control/reset            removes all faults and ends calls that hang
GET  /control/balance          {"balance", "opening", "added", "taken", "requests", "open"}
POST /control/balance          {"balance": n} sets it, {"add": n} changes it
GET  /control/log?after=SEQ    a JSON array of the requests after that one; without: all
GET  /control/egosms           {username: balance}: the EgoSMS accounts
POST /control/egosms           {"username", "password", "balance"}: adds an account or changes it
POST /control/inbound          {"from", "message", "modem", "port", "receiver", "provider"}: from a
                               phone; without `provider`, in the format of ExtremeSMS
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Final, TypeGuard

import orjson
from aiohttp import web

from providers.simulator.behaviours import BEHAVIOURS
from providers.simulator.caller import WebhookCaller
from providers.simulator.extreme import MODEM, PORT, SimulatedExtreme
from providers.simulator.faults import Fault
from providers.simulator.vendors import SimulatedVendor

ACCOUNT: Final = web.AppKey("account", SimulatedExtreme)
CALLER: Final = web.AppKey("caller", WebhookCaller)
VENDORS: Final = web.AppKey("vendors", list[SimulatedVendor])
MOST: Final = 10**12
LONGEST_SECONDS: Final = 600
CHUNK_BYTES: Final = 256 * 1024


def control_routes() -> list[web.RouteDef]:
    """The routes under /control. Requests to them are not logged."""
    return [
        web.get("/control/fault", _get_faults),
        web.post("/control/fault", _add_fault),
        web.post("/control/reset", _clear_faults),
        web.get("/control/balance", _get_balance),
        web.post("/control/balance", _change_balance),
        web.get("/control/log", _get_log),
        web.get("/control/egosms", _get_wallets),
        web.post("/control/egosms", _open_wallet),
        web.post("/control/inbound", _send_inbound),
    ]


async def _get_faults(request: web.Request) -> web.Response:
    return _json({"pending": [asdict(fault) for fault in request.app[ACCOUNT].faults.pending]})


async def _add_fault(request: web.Request) -> web.Response:
    request.app[ACCOUNT].faults.add(_fault(await _object(request)))
    return await _get_faults(request)


def _fault(fields: dict[str, object]) -> Fault:
    """The requested fault. Raises HTTPBadRequest with a sentence."""
    kind, path = fields.pop("kind", None), fields.pop("path", "/")
    times, skip = fields.pop("times", 1), fields.pop("skip", 0)
    seconds = fields.pop("seconds", None)
    if not isinstance(kind, str) or kind not in BEHAVIOURS:
        raise _bad_request("kind is one of: " + ", ".join(BEHAVIOURS))
    if not isinstance(path, str):
        raise _bad_request("path is the start of a path.")
    if times is not None and not _is_whole(times, 1):
        raise _bad_request("times is a whole number from 1, or null for every call until a reset.")
    if not _is_whole(skip, 0):
        raise _bad_request("skip is a whole number from 0.")
    if seconds is not None and not _is_number(seconds, 0, LONGEST_SECONDS):
        raise _bad_request(f"seconds is a number from 0 to {LONGEST_SECONDS}.")
    if fields:
        raise _bad_request("Unknown: " + ", ".join(fields))
    return Fault(kind, times, skip, seconds, path)


async def _clear_faults(request: web.Request) -> web.Response:
    request.app[ACCOUNT].faults.clear()
    return await _get_faults(request)


async def _get_balance(request: web.Request) -> web.Response:
    account = request.app[ACCOUNT]
    log = account.log
    return _json(
        {
            "balance": log.balance,
            "opening": log.opening,
            "added": log.added,
            "taken": log.accepted,
            "requests": log.requests,
            "open": account.open_calls,
        }
    )


async def _change_balance(request: web.Request) -> web.Response:
    log = request.app[ACCOUNT].log
    match await _object(request):
        case {"balance": int(balance)} if _is_whole(balance, -MOST):
            log.add_credits(balance - log.balance)
        case {"add": int(more)} if _is_whole(more, -MOST):
            log.add_credits(more)
        case _:
            raise _bad_request('Give {"balance": n} or {"add": n}, a whole number.')
    return await _get_balance(request)


async def _get_wallets(request: web.Request) -> web.Response:
    wallets = request.app[ACCOUNT].log.wallets
    return _json({username: wallet.balance for username, wallet in wallets.items()})


async def _open_wallet(request: web.Request) -> web.Response:
    match await _object(request):
        case {"username": str(username), "password": str(password), "balance": int(balance)} if (
            username and password and _is_whole(balance, -MOST)
        ):
            request.app[ACCOUNT].log.open_wallet(username, password, balance)
        case _:
            sentence = 'Give {"username", "password", "balance"}: two texts and a whole number.'
            raise _bad_request(sentence)
    return await _get_wallets(request)


async def _get_log(request: web.Request) -> web.StreamResponse:
    """Streams the log, so that a long one needs no memory."""
    after = request.query.get("after", "0")
    if not after.isascii() or not after.isdigit():
        raise _bad_request("after is the seq of the last request that you have.")
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    chunk, separator = bytearray(b"["), b""
    for line in request.app[ACCOUNT].log.lines(int(after)):
        chunk += separator + line
        separator = b",\n"
        if len(chunk) > CHUNK_BYTES:
            await response.write(bytes(chunk))
            chunk.clear()
    await response.write(bytes(chunk) + b"]")
    await response.write_eof()
    return response


async def _send_inbound(request: web.Request) -> web.Response:
    """Calls the webhook with a message from a phone. Responds with the HTTP status of that call."""
    fields = await _object(request)
    provider = fields.pop("provider", None)
    sender, text, receiver = (fields.pop(name, None) for name in ("from", "message", "receiver"))
    modem, port = fields.pop("modem", MODEM), fields.pop("port", PORT)
    if fields or not all(isinstance(each, str) for each in (sender, modem, port)):
        raise _bad_request('Give {"from", "message"}, and optionally "modem", "port", "receiver".')
    message = (str(sender), str(text or ""), str(receiver or ""))
    caller = request.app[CALLER]
    for vendor in request.app[VENDORS]:
        if vendor.provider == provider:
            made = partial(vendor.inbound, *message)
            return _json({"status": await caller.call(made, vendor.provider)})
    made = partial(request.app[ACCOUNT].inbound, *message, modem=str(modem), port=str(port))
    return _json({"status": await caller.call(made)})


async def _object(request: web.Request) -> dict[str, object]:
    try:
        fields = orjson.loads(await request.read() or b"{}")
    except orjson.JSONDecodeError:
        raise _bad_request("The body is not JSON.") from None
    if not isinstance(fields, dict):
        raise _bad_request("The body is not a JSON object.")
    return fields


def _is_whole(value: object, least: int) -> TypeGuard[int]:
    return isinstance(value, int) and _is_number(value, least, MOST)


def _is_number(value: object, least: int, most: int) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _bad_request(sentence: str) -> web.HTTPBadRequest:
    body = orjson.dumps({"error": sentence}).decode()
    return web.HTTPBadRequest(text=body, content_type="application/json")


def _json(body: dict[str, object]) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")
