"""The log of slow queries: statements without their values."""

import time

import sqlalchemy as sa

from app.core.logs import get_logger

MAX_STATEMENT_LENGTH = 2000
log = get_logger("broadsheet.database")


def log_slow_queries(engine: sa.Engine, milliseconds: int) -> None:
    """Log the statements of an engine that take at least a time.

    Statements are logged as they are prepared: with placeholders, as values are texts of people. On SQLite the time of
    a statement that is not prepared in advance ends with its first row.
    """

    def begin(connection: sa.Connection, *_: object) -> None:
        connection.info["started"] = time.perf_counter()

    def end(connection: sa.Connection, _cursor: object, statement: str, *_: object) -> None:
        duration = (time.perf_counter() - connection.info["started"]) * 1000
        if duration >= milliseconds:
            text = " ".join(statement.split())[:MAX_STATEMENT_LENGTH]
            log.warning("slow query", ms=round(duration, 1), statement=text, dialect=engine.dialect.name)

    sa.event.listen(engine, "before_cursor_execute", begin)
    sa.event.listen(engine, "after_cursor_execute", end)
