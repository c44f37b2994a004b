"""A proxy that loses the answers to sends, or the requests themselves."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx


class Loses(Enum):
    NOTHING = "nothing"
    ANSWERS = "answers"
    REQUESTS = "requests"


class Proxy:
    """Passes requests on to one server. `loses`: of the sends. `lost`: how many were lost.

    `released`: lost answers end their connections only if it is set.
    """

    def __init__(self, target: str, address: str) -> None:
        self.target = target
        self.address = address
        self.loses = Loses.NOTHING
        self.lost = 0
        self.released = threading.Event()
        self.released.set()


@contextmanager
def losing(target: str) -> Iterator[Proxy]:
    """A proxy before this server."""

    class Connection(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._pass()

        def do_POST(self) -> None:
            self._pass()

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            is_send = "/sms/send" in self.path or "/sms/reply" in self.path
            loses = proxy.loses if is_send else Loses.NOTHING
            answer = None if loses is Loses.REQUESTS else self._ask(body)
            if loses is not Loses.NOTHING or answer is None:
                proxy.lost += 1
                proxy.released.wait(60)
                self.close_connection = True
                return
            self.send_response(answer.status_code)
            for name in ("Content-Type", "Retry-After"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def _ask(self, body: bytes) -> httpx.Response:
            kept = ("Authorization", "Content-Type", "Accept", "Idempotency-Key")
            headers = {name: self.headers[name] for name in kept if name in self.headers}
            url = proxy.target + self.path
            return httpx.request(self.command, url, content=body, headers=headers, timeout=60)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Connection)
    proxy = Proxy(target, f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
