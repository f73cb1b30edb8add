"""Tests keep connections for each other; a process that a test forks opens its own."""

import os

from app.db import Database, open_database
from tests.conftest import connections, sqlite_store


def test_a_forked_process_uses_no_connection_of_its_parent(db: Database) -> None:
    url = db.engines()[1].url.render_as_string(hide_password=False)
    for engine in db.engines():
        with engine.connect():
            pass
        engine.dispose()  # keeps its connections for whoever connects next
    inherited = [each for stock in (connections, sqlite_store) for kept in stock._kept.values() for each in kept]
    assert inherited
    if not (child := os.fork()):
        code = 1
        try:
            own = open_database(url).engines()[1].raw_connection().dbapi_connection
            code = 2 if any(own is each for each in inherited) else 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
