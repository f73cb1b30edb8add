"""Metrics of the event log and of deliveries."""

from collections.abc import Iterable, Mapping

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Gauge

from app.deliveries import outbox as deliveries
from app.events.log import measure_lag


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


def add_attempts(registry: CollectorRegistry, done: Mapping[tuple[str, str], int]) -> None:
    """Add the attempts of this process to send deliveries, by channel and result."""
    sent = Counter("broadsheet_attempts", "Attempts to send deliveries.", ["channel", "result"], registry=registry)
    for (channel, result), number in done.items():
        sent.labels(channel, result).inc(number)
