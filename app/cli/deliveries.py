"""`broadsheet deliveries`: list pending, failing and dead deliveries, and retry dead ones."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from app.cli.common import Failure, open_store, say, show
from app.core.clock import format_rfc3339, now
from app.core.ids import is_id
from app.core.settings import Settings
from app.deliveries import outbox
from app.deliveries.lanes import BREAKER_THRESHOLD
from app.deliveries.outbox import DeadDelivery, LaneSummary, resend_deliveries

app = typer.Typer(help="List pending, failing and dead deliveries, and retry dead ones.")
MAX_LISTED = 100
BATCH_SIZE = 500


@app.callback(invoke_without_command=True)
def deliveries(
    context: typer.Context,
    dead: Annotated[bool, typer.Option("--dead", help=f"List the latest {MAX_LISTED} dead deliveries.")] = False,
) -> None:
    """List the state of deliveries, one line per receiver, or per host that has many."""
    if context.invoked_subcommand:
        return
    with open_store(Settings()) as db, db.connect() as connection:
        if dead:
            show(_build_dead_table(outbox.list_dead(connection, MAX_LISTED)))
        else:
            show(_build_lane_table(outbox.list_lanes(connection)))


def _build_lane_table(lanes: Sequence[LaneSummary]) -> Table:
    table = Table(
        "channel", "receiver", "waiting", "running", "dead", "due", "failures", "failing since", "delivered", box=None
    )
    for lane in lanes:
        table.add_row(
            lane.channel,
            Text(lane.name),
            f"{lane.waiting:,}",
            f"{lane.running:,}",
            f"{lane.dead:,}",
            _format_due(lane.first),
            f"{lane.failures:,}" + (" (rarely tried)" if lane.failures >= BREAKER_THRESHOLD else ""),
            _format_time(lane.failing_since),
            _format_time(lane.succeeded_at) or "never",
        )
    return table


def _build_dead_table(deliveries: Sequence[DeadDelivery]) -> Table:
    table = Table("id", "channel", "receiver", "what", "attempts", "status", "error", "given up", box=None)
    for delivery in deliveries:
        status = "" if delivery.status is None else str(delivery.status)
        cells = (
            delivery.id,
            delivery.channel,
            Text(delivery.endpoint),
            delivery.what,
            str(delivery.attempts),
            status,
            Text(delivery.error),
        )
        table.add_row(*cells, _format_time(delivery.finished_at))
    return table


def _format_due(first: datetime | None) -> str:
    if first is None:
        return ""
    seconds = (now() - first).total_seconds()
    return f"for {seconds:,.0f} s" if seconds > 0 else f"in {-seconds:,.0f} s"


def _format_time(moment: datetime | None) -> str:
    return format_rfc3339(moment.replace(microsecond=0)) if moment else ""


@app.command()
def retry(
    delivery: Annotated[str | None, typer.Argument(metavar="ID", help="Id of a dead delivery.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Retry all dead deliveries.")] = False,
) -> None:
    """Retry dead deliveries, with all attempts."""
    if (delivery is None) == (not everything):
        raise typer.BadParameter("give the id of one delivery, or --all")
    with open_store(Settings()) as db:
        with db.connect() as connection:
            ids = None if delivery is None else [delivery] if is_id(delivery) else []
            rows = outbox.list_dead_references(connection, ids)
        if not rows and delivery is not None:
            raise Failure(f"There is no dead delivery {delivery}.")
        by_endpoint: dict[tuple[str, str], list[str]] = defaultdict(list)
        for row in rows:
            by_endpoint[row.channel, row.endpoint].append(row.id)
        for (channel, endpoint), delivery_ids in by_endpoint.items():
            for start in range(0, len(delivery_ids), BATCH_SIZE):
                batch = delivery_ids[start : start + BATCH_SIZE]
                with db.batch_transaction() as session:
                    resend_deliveries(session, channel=channel, endpoint=endpoint, ids=batch)
        say(f"{len(rows):,} will be sent again.")
