"""Reading what `/metrics` shows of the store."""

from collections.abc import Iterable, Mapping

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter, Gauge

from app.deliveries import outbox as deliveries
from app.events.log import measure_lag


def measure(connection: sa.Connection, registry: CollectorRegistry, readers: Iterable[str]) -> None:
    """Fill a registry, made for one answer, with how things stand."""
    behind = Gauge("broadsheet_log_behind", "Facts not yet read, to 10,000.", ["reader"], registry=registry)
    age = Gauge("broadsheet_log_age_seconds", "Age of the oldest fact not yet read.", ["reader"], registry=registry)
    for reader in readers:
        number, seconds = measure_lag(connection, reader)
        behind.labels(reader).set(number)
        age.labels(reader).set(seconds)
    live = Gauge("broadsheet_deliveries", "Deliveries not over.", ["channel", "state"], registry=registry)
    for row in deliveries.count_by_state(connection):
        live.labels(row.channel, row.state).set(row.number)
    due = Gauge(
        "broadsheet_delivery_due_seconds", "For how long the oldest delivery is due.", ["channel"], registry=registry
    )
    for channel, seconds in deliveries.measure_due_seconds(connection).items():
        due.labels(channel).set(seconds)


def count(registry: CollectorRegistry, done: Mapping[tuple[str, str], int]) -> None:
    """Add what this process has sent."""
    sent = Counter("broadsheet_attempts", "Outcomes of attempts.", ["channel", "result"], registry=registry)
    for (channel, result), number in done.items():
        sent.labels(channel, result).inc(number)
