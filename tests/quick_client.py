"""Starlette's test client with one change of threads for each request, where its own takes eight.

A request through its own is most of what an ordinary test takes. Answers that a test reads while they are sent, with
`client.stream(…)`, still go its way.
"""

import asyncio
from typing import Any
from urllib.parse import unquote
from weakref import WeakKeyDictionary

import httpx2
from anyio.from_thread import BlockingPortal
from starlette import testclient
from starlette.testclient import TestClient

_Transport = testclient._TestClientTransport
_stream = _Transport.handle_request
_loops: WeakKeyDictionary[BlockingPortal, asyncio.AbstractEventLoop] = WeakKeyDictionary()


def _scope_of(transport: Any, request: httpx2.Request) -> dict[str, Any]:
    url = request.url
    headers = [(name.lower().encode(), value.encode()) for name, value in request.headers.multi_items()]
    if "host" not in request.headers:
        headers.insert(0, (b"host", url.netloc))
    return {
        "type": "http",
        "http_version": "1.1",
        "method": request.method,
        "path": unquote(url.path),
        "raw_path": url.raw_path.split(b"?", 1)[0],
        "root_path": transport.root_path,
        "scheme": url.scheme,
        "query_string": url.query,
        "headers": headers,
        "client": transport.client,
        "server": [url.raw_host.decode("ascii"), url.port or {"http": 80, "https": 443}[url.scheme]],
        "state": transport.app_state.copy(),
    }


class _Call:
    """One request on its way through the app."""

    def __init__(self, app: Any, scope: dict[str, Any], content: bytes) -> None:
        self._app, self._scope, self._content = app, scope, content
        self._is_sent, self._is_complete = False, asyncio.Event()
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.parts: list[bytes] = []
        self.error: Exception | None = None

    async def run(self) -> None:
        """Let the app answer, and do what it does after that."""
        try:
            await self._app(self._scope, self._receive, self._send)
        except Exception as error:
            self.error = error

    async def _receive(self) -> dict[str, Any]:
        if self._is_sent:
            await self._is_complete.wait()
            return {"type": "http.disconnect"}
        self._is_sent = True
        return {"type": "http.request", "body": self._content}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            assert not self.status, "the answer began before"
            self.status = message["status"]
            self.headers = [(name.decode(), value.decode()) for name, value in message.get("headers", [])]
        elif message["type"] == "http.response.body":
            assert self.status, "the answer did not begin"
            assert not self._is_complete.is_set(), "the answer has ended"
            self.parts.append(bytes(message.get("body", b"")))
            if not message.get("more_body", False):
                self._is_complete.set()


def _handle_request(transport: Any, request: httpx2.Request) -> httpx2.Response:
    if request.extensions.get("is_streamed") or request.url.scheme not in {"http", "https"}:
        return _stream(transport, request)
    call = _Call(transport.app, _scope_of(transport, request), request.read())
    with transport.portal_factory() as portal:
        if portal not in _loops:
            _loops[portal] = portal.call(asyncio.get_running_loop)
        asyncio.run_coroutine_threadsafe(call.run(), _loops[portal]).result()
    if transport.raise_server_exceptions:
        if call.error:
            raise call.error
        assert call.status, "the app has not answered"
    content = b"" if request.method == "HEAD" else b"".join(call.parts)
    return httpx2.Response(call.status or 500, headers=call.headers, stream=httpx2.ByteStream(content), request=request)


def _send(client: TestClient, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
    request.extensions["is_streamed"] = stream
    return httpx2.Client.send(client, request, stream=stream, **options)


def install() -> None:
    """Let all test clients of this process send their requests so."""
    _Transport.handle_request = _handle_request  # type: ignore[method-assign]
    TestClient.send = _send  # type: ignore[method-assign,assignment]
