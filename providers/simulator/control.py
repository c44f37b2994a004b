"""The simulator's control endpoint: faults on demand, its balance, its word on what it took.

GET  /control/fault            the faults still to come
POST /control/fault            {"kind", "times", "skip", "seconds", "path"}: see faults.Fault
POST /control/reset            lifts all faults and lets hanging calls go
GET  /control/balance          {"balance", "opening", "added", "taken", "requests", "open"}
POST /control/balance          {"balance": n} sets it, {"add": n} changes it
GET  /control/log?after=SEQ    a JSON array of the requests after that one, all without
POST /control/inbound          {"from", "message", "modem", "port", "receiver"}: a phone writes
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Final, TypeGuard

import orjson
from aiohttp import web

from providers.simulator.behaviours import BEHAVIOURS
from providers.simulator.caller import MODEM, PORT, Caller
from providers.simulator.desk import Desk
from providers.simulator.faults import Fault
from providers.simulator.formats import inbound_body

DESK: Final = web.AppKey("desk", Desk)
CALLER: Final = web.AppKey("caller", Caller)
MOST: Final = 10**12
LONGEST_SECONDS: Final = 600
CHUNK_BYTES: Final = 256 * 1024


def control_routes() -> list[web.RouteDef]:
    """The routes under /control; requests to them do not stand in the log."""
    return [
        web.get("/control/fault", _say_faults),
        web.post("/control/fault", _ask_for_fault),
        web.post("/control/reset", _lift_faults),
        web.get("/control/balance", _say_balance),
        web.post("/control/balance", _change_balance),
        web.get("/control/log", _say_log),
        web.post("/control/inbound", _write_in),
    ]


async def _say_faults(request: web.Request) -> web.Response:
    return _json({"pending": [asdict(fault) for fault in request.app[DESK].faults.pending]})


async def _ask_for_fault(request: web.Request) -> web.Response:
    request.app[DESK].faults.ask(_fault(await _object(request)))
    return await _say_faults(request)


def _fault(asked: dict[str, object]) -> Fault:
    """The fault that was asked for. Raises a plain 400."""
    kind, path = asked.pop("kind", None), asked.pop("path", "/")
    times, skip, seconds = asked.pop("times", 1), asked.pop("skip", 0), asked.pop("seconds", None)
    if not isinstance(kind, str) or kind not in BEHAVIOURS:
        raise _bad("kind is one of: " + ", ".join(BEHAVIOURS))
    if not isinstance(path, str):
        raise _bad("path is the beginning of a path.")
    if times is not None and not _is_whole(times, 1, MOST):
        raise _bad("times is a whole number from 1, or null for every call until a reset.")
    if not _is_whole(skip, 0, MOST):
        raise _bad("skip is a whole number from 0.")
    if seconds is not None and not _is_number(seconds, 0, LONGEST_SECONDS):
        raise _bad(f"seconds is a number from 0 to {LONGEST_SECONDS}.")
    if asked:
        raise _bad("Unknown: " + ", ".join(asked))
    return Fault(kind, times, skip, seconds, path)


async def _lift_faults(request: web.Request) -> web.Response:
    request.app[DESK].faults.lift()
    return await _say_faults(request)


async def _say_balance(request: web.Request) -> web.Response:
    desk = request.app[DESK]
    book = desk.book
    return _json(
        {
            "balance": book.balance,
            "opening": book.opening,
            "added": book.added,
            "taken": book.taken,
            "requests": book.requests,
            "open": desk.open_calls,
        }
    )


async def _change_balance(request: web.Request) -> web.Response:
    book = request.app[DESK].book
    match await _object(request):
        case {"balance": int(wished)} if _is_whole(wished, -MOST, MOST):
            book.add(wished - book.balance)
        case {"add": int(more)} if _is_whole(more, -MOST, MOST):
            book.add(more)
        case _:
            raise _bad('Give {"balance": n} or {"add": n}, a whole number.')
    return await _say_balance(request)


async def _say_log(request: web.Request) -> web.StreamResponse:
    """Streams the log, so that its length costs no memory."""
    after = request.query.get("after", "0")
    if not after.isascii() or not after.isdigit():
        raise _bad("after is the seq of the last request that you have.")
    answer = web.StreamResponse(headers={"Content-Type": "application/json"})
    await answer.prepare(request)
    chunk, separator = bytearray(b"["), b""
    for line in request.app[DESK].book.lines(int(after)):
        chunk += separator + line
        separator = b",\n"
        if len(chunk) > CHUNK_BYTES:
            await answer.write(bytes(chunk))
            chunk.clear()
    await answer.write(bytes(chunk) + b"]")
    await answer.write_eof()
    return answer


async def _write_in(request: web.Request) -> web.Response:
    """Calls the webhook with a message from a phone; answers with the status it was told."""
    asked = await _object(request)
    words = {name: asked.pop(name, None) for name in ("from", "message", "receiver")}
    modem, port = asked.pop("modem", MODEM), asked.pop("port", PORT)
    if asked or not all(isinstance(each, str) for each in (words["from"], modem, port)):
        raise _bad('Give {"from", "message"}, and "modem", "port", "receiver" if you like.')
    body = inbound_body(
        str(words["from"]),
        str(words["message"] or ""),
        modem=str(modem),
        port=str(port),
        receiver=str(words["receiver"]) if words["receiver"] else None,
    )
    return _json({"status": await request.app[CALLER].call(body)})


async def _object(request: web.Request) -> dict[str, object]:
    try:
        asked = orjson.loads(await request.read() or b"{}")
    except orjson.JSONDecodeError:
        raise _bad("The body is not JSON.") from None
    if not isinstance(asked, dict):
        raise _bad("The body is not a JSON object.")
    return asked


def _is_whole(value: object, least: int, most: int) -> TypeGuard[int]:
    return isinstance(value, int) and _is_number(value, least, most)


def _is_number(value: object, least: int, most: int) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _bad(sentence: str) -> web.HTTPBadRequest:
    said = orjson.dumps({"error": sentence}).decode()
    return web.HTTPBadRequest(text=said, content_type="application/json")


def _json(body: dict[str, object]) -> web.Response:
    return web.Response(body=orjson.dumps(body), content_type="application/json")
