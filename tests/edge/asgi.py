"""Many requests at once, without a server: the app called as a server calls it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pydantic_core

from app.core.settings import Settings
from app.main import Application, create_app

Headers = dict[str, str]


class Reply(NamedTuple):
    """A whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def outcome(self) -> str:
        """What `Cache-Status` says."""
        return self.headers.get("cache-status", "").removeprefix("Broadsheet; ")

    @property
    def json(self) -> Any:
        """The content."""
        return pydantic_core.from_json(self.body)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Application]:
    """The app, started in this loop."""
    app = create_app(settings, with_worker=False)
    async with app.router.lifespan_context(app):
        yield app


async def ask(
    app: Callable[..., Awaitable[None]],
    address: str,
    method: str = "GET",
    headers: Headers | None = None,
    body: Any = None,
) -> Reply:
    """Ask as a server would."""
    path, _, query = address.partition("?")
    sent = {} if body is None else {"content-type": "application/json"}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        "scheme": "http",
        "http_version": "1.1",
        "headers": [(name.lower().encode(), value.encode()) for name, value in {**sent, **(headers or {})}.items()],
        "root_path": "",
        "state": {},
    }
    content = b"" if body is None else pydantic_core.to_json(body)
    if content:
        scope["headers"].append((b"content-length", b"%d" % len(content)))  # type: ignore[attr-defined]
    messages: list[dict[str, Any]] = []

    parts = iter([{"type": "http.request", "body": content, "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(parts, {"type": "http.disconnect"})

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    await app(scope, receive, send)
    found = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
    return Reply(messages[0]["status"], found, b"".join(part.get("body", b"") for part in messages[1:]))


class Gate:
    """Holds back what the app has already made, until it is opened."""

    def __init__(self, app: Application) -> None:
        self._inner, self._opened, self.runs = app.front.app, asyncio.Event(), 0
        self.arrived = asyncio.Event()
        app.front.app = self._run

    def open(self) -> None:
        """Let everything pass from here on."""
        self._opened.set()

    async def _run(self, scope: Any, receive: Any, send: Any) -> None:
        messages: list[Any] = []

        async def note(message: Any) -> None:
            messages.append(message)

        self.runs += 1
        await self._inner(scope, receive, note)
        if scope["method"] == "GET":
            self.arrived.set()
            await self._opened.wait()
        for message in messages:
            await send(message)
