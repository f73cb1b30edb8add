"""A server whose app does not start."""

from typing import Any

from app.web import server


async def _fail(_scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no"})


def _make_app() -> Any:
    return _fail


def serve(workers: int) -> None:
    """Serve it, which must end with an error."""
    server.serve(server.make_config(_make_app, workers=workers, trusted_proxies=[]), server.bind_socket("127.0.0.1", 0))
