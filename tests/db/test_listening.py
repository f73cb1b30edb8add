"""The connection that listens to PostgreSQL's notifications."""

import asyncio
from typing import Any

import psycopg
import pytest

from app.db.listening import Listener
from app.db.postgres import PostgresDatabase


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_connection_that_cannot_listen_is_closed(db: PostgresDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[psycopg.AsyncConnection] = []
    connect = psycopg.AsyncConnection.connect

    async def remember(*args: Any, **options: Any) -> psycopg.AsyncConnection:
        opened.append(await connect(*args, **options))
        return opened[-1]

    monkeypatch.setattr(psycopg.AsyncConnection, "connect", remember)
    conninfo = db.engines()[0].url.set(drivername="postgresql").render_as_string(hide_password=False)
    with pytest.raises(psycopg.errors.SyntaxError):
        asyncio.run(Listener.open(conninfo, ""))
    assert [connection.closed for connection in opened] == [True]
