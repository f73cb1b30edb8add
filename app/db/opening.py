"""Opening the database that the settings name: in a module that imports little, as each query process does it, too."""

from app.core.logs import configure_logging
from app.core.settings import Settings
from app.db import Database, open_database
from app.db.slow_queries import log_slow_queries


def open_store(settings: Settings) -> Database:
    """Open the database, and configure the log of this process."""
    configure_logging(settings.log_format)
    database = open_database(settings.database, settings.read_databases, settings.direct_database_url)
    if settings.slow_query_ms:
        for engine in database.engines():
            log_slow_queries(engine, settings.slow_query_ms)
    return database
