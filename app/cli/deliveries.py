"""`broadsheet deliveries`: what waits to be sent, what fails, and what was given up."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from app.cli.common import Failure, opened, say, show
from app.core.clock import format_rfc3339, now
from app.core.ids import is_id
from app.core.settings import Settings
from app.deliveries import outbox
from app.deliveries.lanes import BREAKER_THRESHOLD
from app.deliveries.outbox import resend_deliveries

app = typer.Typer(help="List deliveries that wait, fail or were given up, and retry them.")
SHOWN = 100
CHUNK = 500


@app.callback(invoke_without_command=True)
def deliveries(
    context: typer.Context,
    dead: Annotated[bool, typer.Option("--dead", help=f"List the latest {SHOWN} that were given up.")] = False,
) -> None:
    """How deliveries stand: a line for each receiver, or for each server behind which there are many."""
    if context.invoked_subcommand:
        return
    with opened(Settings()) as db, db.connect() as connection:
        show(_dead(outbox.list_dead(connection, SHOWN)) if dead else _lanes(outbox.list_lanes(connection)))


def _lanes(rows: Sequence[Any]) -> Table:
    table = Table(
        "channel", "receiver", "waiting", "running", "dead", "due", "failures", "failing since", "delivered", box=None
    )
    for row in rows:
        table.add_row(
            row.channel,
            Text(row.name),
            f"{row.waiting:,}",
            f"{row.running:,}",
            f"{row.dead:,}",
            _due(row.first),
            f"{row.failures:,}" + (" (rarely tried)" if row.failures >= BREAKER_THRESHOLD else ""),
            _time(row.failing_since),
            _time(row.succeeded_at) or "never",
        )
    return table


def _dead(rows: Sequence[Any]) -> Table:
    table = Table("id", "channel", "receiver", "what", "attempts", "status", "error", "given up", box=None)
    for row in rows:
        status = "" if row.status is None else str(row.status)
        told = (row.id, row.channel, Text(row.endpoint), row.what, str(row.attempts), status, Text(row.error))
        table.add_row(*told, _time(row.finished_at))
    return table


def _due(first: datetime | None) -> str:
    if first is None:
        return ""
    seconds = (now() - first).total_seconds()
    return f"for {seconds:,.0f} s" if seconds > 0 else f"in {-seconds:,.0f} s"


def _time(moment: datetime | None) -> str:
    return format_rfc3339(moment.replace(microsecond=0)) if moment else ""


@app.command()
def retry(
    delivery: Annotated[str | None, typer.Argument(metavar="ID", help="A delivery that was given up.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All deliveries that were given up.")] = False,
) -> None:
    """Retry a delivery that was given up, with all its attempts."""
    if (delivery is None) == (not everything):
        raise typer.BadParameter("give the id of one delivery, or --all")
    with opened(Settings()) as db:
        with db.connect() as connection:
            ids = None if delivery is None else [delivery] if is_id(delivery) else []
            rows = outbox.list_dead_references(connection, ids)
        if not rows and delivery is not None:
            raise Failure(f"There is no dead delivery {delivery}.")
        by_endpoint: dict[tuple[str, str], list[str]] = defaultdict(list)
        for row in rows:
            by_endpoint[row.channel, row.endpoint].append(row.id)
        for (channel, endpoint), found in by_endpoint.items():
            for start in range(0, len(found), CHUNK):
                with db.batch_transaction() as session:
                    resend_deliveries(session, channel=channel, endpoint=endpoint, ids=found[start : start + CHUNK])
        say(f"{len(rows):,} will be sent again.")
