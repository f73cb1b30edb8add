"""`broadsheet serve` and `broadsheet worker`."""

import asyncio
import multiprocessing
import signal
from collections.abc import Callable
from functools import cache, partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.common import Failure, explain, say
from app.core.memory import pause_collector, share_arena
from app.core.settings import Settings

if TYPE_CHECKING:
    from app.web.server import App


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes a free one.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that answer requests.")] = 1,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Leave background work to `broadsheet worker`.")
    ] = False,
) -> None:
    """Serve the API until SIGTERM or Ctrl-C, then finish open requests and exit.

    An empty or older SQLite file is migrated first. One of all processes on a store also does the background work;
    another takes over when it ends. With `--no-worker` none of these does.
    """
    with pause_collector():
        from app.core import logs
        from app.web import server

    server.exit_on_signals()
    settings = Settings()
    logs.configure_logging(settings.log_format)
    make: Callable[[], App] = partial(make_app, settings, not no_worker)
    with server.bind_socket(host, port) as listener:
        if workers > 1:
            run_aside(partial(prepare, settings, make))
        else:
            make = cache(make)
            prepare(settings, make)
        warn_without_smtp(settings)
        config = server.make_config(make, workers=workers, trusted_proxies=settings.trusted_proxies)
        server.serve(config, listener)


def make_app(settings: Settings, with_worker: bool) -> "App":
    """Create the app of one process; Failure if the settings cannot be used."""
    with pause_collector():
        from app.main import create_app

    try:
        return create_app(settings, with_worker=with_worker)
    except ValueError as error:
        raise Failure(f"These settings cannot be used: {error}") from error


def prepare(settings: Settings, make: Callable[[], "App"]) -> None:
    """Migrate the store and create the app: what is wrong with either is told before anything is served."""
    from app.db import migrations

    migrations.ensure_migrated(settings.direct_database)
    make()


def run_aside(work: Callable[[], None]) -> None:
    """Do some work in a process that ends then, so that one which only watches over others stays small.

    Failure if it fails.
    """
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_try, args=(work, sender))
    process.start()
    sender.close()
    try:
        problem = receiver.recv()
    except EOFError:
        problem = "The server could not be prepared; the lines above say why."
    process.join()
    if problem is not None:
        raise Failure(problem)


def _try(work: Callable[[], None], sender: Connection) -> None:
    try:
        work()
    except Exception as error:
        if (problem := explain(error)) is None:
            raise
        sender.send(problem)
    else:
        sender.send(None)


def warn_without_smtp(settings: Settings) -> None:
    """Say where mails are stored if there is no mail server."""
    if not settings.smtp_url:
        say(f"SMTP_URL is not set: mails are stored in {settings.data_dir / 'mail'}")


def worker() -> None:
    """Do the background work in a process of its own, until SIGTERM or Ctrl-C."""
    from app.core import logs
    from app.db import migrations

    share_arena()
    settings = Settings()
    logs.configure_logging(settings.log_format)
    migrations.ensure_migrated(settings.direct_database)
    asyncio.run(_work(settings))


async def _work(settings: Settings) -> None:
    with pause_collector():
        from app.core.logs import get_logger
        from app.services import build_services

    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    services = build_services(settings.model_copy(update={"read_database_url": ""}))  # a replica may lag
    await services.database.start()
    await services.vault.start(services.database)
    services.courier.start()
    work, end = asyncio.create_task(services.worker.run()), asyncio.create_task(stopping.wait())
    get_logger("broadsheet.worker").info("working")
    try:
        done, _ = await asyncio.wait({work, end}, return_when=asyncio.FIRST_COMPLETED)
        if work in done:
            await work  # it only ends by failing
    finally:
        work.cancel()
        end.cancel()
        await asyncio.gather(work, end, return_exceptions=True)
        await services.courier.stop()
        await services.vault.stop()
        await services.database.stop()
