"""Metrics of the event log and of deliveries."""

import asyncio
from collections.abc import Collection, Iterable, Mapping

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest
from sqlalchemy.exc import DBAPIError

from app.core.logs import get_logger
from app.db import Database
from app.deliveries import outbox as deliveries
from app.events.log import measure_lag

log = get_logger("broadsheet.operation")


class StoreMetrics:
    """Reads the metrics of the store, once for all who ask meanwhile: anybody may ask, any number of times."""

    def __init__(self, database: Database, consumers: Collection[str]) -> None:
        self._database, self._consumers = database, consumers
        self._reading: asyncio.Task[bytes] | None = None

    async def render(self) -> bytes:
        """Return the metrics in the format of Prometheus."""
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        return await asyncio.shield(self._reading)

    async def _read(self) -> bytes:
        registry = CollectorRegistry()
        up = Gauge("broadsheet_store_up", "Whether the database could be read.", registry=registry)
        try:
            await self._database.scan(add_gauges, registry, list(self._consumers))
            up.set(1)
        except DBAPIError as error:
            log.warning("metrics of the database could not be read", error=type(error.orig).__name__)
        return generate_latest(registry)


def add_gauges(connection: sa.Connection, registry: CollectorRegistry, consumers: Iterable[str]) -> None:
    """Add the lag of each consumer of the log and the state of deliveries to a registry made for one response."""
    behind = Gauge("broadsheet_log_behind", "Unread events, up to 10,000.", ["reader"], registry=registry)
    age = Gauge("broadsheet_log_age_seconds", "Age of the oldest unread event.", ["reader"], registry=registry)
    for consumer in consumers:
        number, seconds = measure_lag(connection, consumer)
        behind.labels(consumer).set(number)
        age.labels(consumer).set(seconds)
    unfinished = Gauge("broadsheet_deliveries", "Unfinished deliveries.", ["channel", "state"], registry=registry)
    for row in deliveries.count_by_state(connection):
        unfinished.labels(row.channel, row.state).set(row.number)
    due = Gauge(
        "broadsheet_delivery_due_seconds", "Seconds since the oldest delivery was due.", ["channel"], registry=registry
    )
    for channel, seconds in deliveries.measure_due_seconds(connection).items():
        due.labels(channel).set(seconds)


def add_caches(registry: CollectorRegistry, sizes: Mapping[str, int]) -> None:
    """Add the number of entries that caches of this process hold."""
    entries = Gauge("broadsheet_cached_entries", "Entries in caches of this process.", ["cache"], registry=registry)
    for cache, number in sizes.items():
        entries.labels(cache).set(number)


def add_attempts(registry: CollectorRegistry, done: Mapping[tuple[str, str], int]) -> None:
    """Add the attempts of this process to send deliveries, by channel and result."""
    sent = Counter("broadsheet_attempts", "Attempts to send deliveries.", ["channel", "result"], registry=registry)
    for (channel, result), number in done.items():
        sent.labels(channel, result).inc(number)
