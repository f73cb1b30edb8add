"""`broadsheet search`: maintain the search index."""

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.cli.common import open_store
from app.core.settings import Settings

app = typer.Typer(help="Maintain the search index.", no_args_is_help=True)


@app.callback()
def main() -> None:
    """Maintain the search index."""


@app.command()
def rebuild() -> None:
    """Rebuild the index of all public articles while the server runs; the old entries serve until they are replaced.

    This is not needed in daily use: every change of an article updates the index.
    """
    from app.search.indexing import count_public, delete_orphans, rebuild_batch

    columns = (TextColumn("Indexing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with open_store(Settings()) as db, Progress(*columns, console=Console(stderr=True)) as progress:
        with db.connect() as connection:
            task = progress.add_task("", total=count_public(connection))
        after, number = "00000000-0000-0000-0000-000000000000", 0
        while True:
            with db.batch_transaction() as session:
                done = rebuild_batch(session, after)
            if done is None:
                break
            after, number = done[0], number + done[1]
            progress.update(task, completed=number)
        with db.transaction() as session:
            dropped = delete_orphans(session)
    typer.echo(f"{number} articles indexed, {dropped} orphaned entries deleted.")
