"""A real server for stories that need one: uvicorn in a thread of this process, on a free port of the loopback."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import uvicorn

from app.core.settings import Settings
from app.main import create_app
from app.web import server

Serve = Callable[..., str]


@contextmanager
def serving(settings: Settings, *, with_worker: bool = False) -> Iterator[str]:
    """A running server; its address."""
    config = server.make_config(lambda: create_app(settings, with_worker=with_worker), trusted_proxies=[])
    ready = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: object = None) -> None:
            await super().startup(sockets)  # type: ignore[arg-type]
            ready.set()

    running, listener = Server(config), server.bind_socket("127.0.0.1", 0)
    listener.listen(config.backlog)
    thread = threading.Thread(target=running.run, args=([listener],))
    thread.start()
    try:
        assert ready.wait(30), "the server did not start"
        yield server.url_of(listener)
    finally:
        running.should_exit = True
        thread.join(30)
        listener.close()
        assert not thread.is_alive(), "the server did not stop"


@pytest.fixture
def serve(settings: Settings) -> Iterator[Serve]:
    """`serve(with_worker=True)` starts a server on the test's store and gives its address."""
    with ExitStack() as stack:

        def start(*, with_worker: bool = False) -> str:
            return stack.enter_context(serving(settings, with_worker=with_worker))

        yield start


@pytest.fixture
def address(serve: Serve) -> str:
    """The address of a running server without a worker."""
    return serve()
