"""`broadsheet related`: maintain the automatic links between articles."""

import sys
from typing import Annotated

import sqlalchemy as sa
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.cli.common import open_store, say
from app.core.settings import Settings

app = typer.Typer(help="Maintain the automatic links between articles.", no_args_is_help=True)
STEPS = {"texts": "counting words", "weights": "weighing terms", "links": "linking"}


@app.callback()
def main() -> None:
    """Maintain the automatic links between articles."""


@app.command()
def rebuild(
    again: Annotated[
        bool, typer.Option("--again", help="Start from the beginning, even after an interrupted rebuild.")
    ] = False,
) -> None:
    """Rebuild all automatic links: after a large import, after an upgrade, or once in a while.

    The server may run meanwhile, with the previous links. An interrupted rebuild continues where it stopped.
    """
    from app.articles.reading import ARTICLE
    from app.related.rebuilding import advance_rebuild, begin_rebuild

    columns = (TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bars = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())
    with open_store(Settings()) as db, bars as progress:
        with db.connect() as connection:
            public = connection.execute(sa.select(sa.func.count()).where(ARTICLE.c.public)).scalar_one()
        with db.transaction() as session:
            is_new = begin_rebuild(session, again=again)
        if not is_new:
            say("Continuing the interrupted rebuild.")
        tasks = {step: progress.add_task(name, total=public) for step, name in STEPS.items()}
        done = dict.fromkeys(STEPS, 0)
        while True:
            with db.batch_transaction() as session:
                batch = advance_rebuild(session)
            if not batch.step:
                break
            done[batch.step] += batch.articles
            progress.update(tasks[batch.step], advance=batch.articles)
    say(f"Rebuilt the links of {done['links']} articles.")
