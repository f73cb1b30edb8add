"""A receiver of webhooks, and of feeds from the hub, on the loopback."""

import asyncio
import json
import random
import threading
from contextlib import nullcontext
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import time_machine

from app import wiring
from app.core.clock import now
from app.core.settings import Settings
from app.db import open_database
from app.deliveries.courier import Courier
from app.identity.secrets import Vault
from app.services import build_worker

Headers = dict[str, str]


def work_through(settings: Settings, later: timedelta = timedelta(0)) -> None:
    """Read the log to its end, then send all that is due so much later."""

    async def once() -> None:
        own = open_database(settings.database)
        await own.start()
        worker = build_worker(own, settings)
        courier = Courier(own, wiring.channels(settings, Vault()), random.Random(1))
        try:
            while await worker.run_once():
                pass
            with time_machine.travel(now() + later) if later else nullcontext():
                while await courier.run_once():
                    await courier.wait_until_idle()
        finally:
            await courier.stop()
            await own.stop()

    asyncio.run(once())


class Receiver:
    """An HTTP server that keeps what it is sent, and answers as it is told; it confirms what a hub asks it."""

    def __init__(self) -> None:
        self.status, self.headers, self.answer = 200, dict[str, str](), b"thanks"
        self.messages: list[tuple[Headers, bytes]] = []
        self.asked: list[dict[str, str]] = []
        self.confirms: str | None = None  # in place of the challenge
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                receiver.asked.append(dict(parse_qsl(urlsplit(self.path).query)))
                self._reply((receiver.confirms or receiver.asked[-1].get("hub.challenge", "")).encode())

            def do_POST(self) -> None:
                size = int(self.headers["content-length"])
                if len(body := self.rfile.read(size)) < size:
                    return  # its sender has died
                receiver.messages.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self._reply(receiver.answer)

            def _reply(self, body: bytes) -> None:
                self.send_response(receiver.status)
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def told(self) -> list[dict[str, Any]]:
        """The messages as JSON."""
        return [json.loads(body) for _, body in self.messages]

    @property
    def types(self) -> list[str]:
        """Their types."""
        return [message["type"] for message in self.told]

    def __enter__(self) -> "Receiver":
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
