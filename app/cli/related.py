"""`broadsheet related`: the links that are found in the texts."""

import sys
from typing import Annotated

import sqlalchemy as sa
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from app.cli.common import opened, say
from app.core.settings import Settings

app = typer.Typer(help="Links between articles.", no_args_is_help=True)
STEPS = {"texts": "counting words", "weights": "weighing terms", "links": "linking"}


@app.callback()
def main() -> None:
    """Links between articles."""


@app.command()
def rebuild(
    again: Annotated[bool, typer.Option("--again", help="Begin anew, even if one was stopped on its way.")] = False,
) -> None:
    """Make all automatic links anew: after a large import, after an upgrade, or once in a while.

    The server may run beside it; readers have the former links meanwhile. One that was stopped goes on where it was.
    """
    from app.articles.reading import ARTICLE
    from app.related.rebuilding import advance_rebuild, begin_rebuild

    columns = (TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bars = Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty())
    with opened(Settings()) as db, bars as progress:
        with db.connect() as connection:
            public = connection.execute(sa.select(sa.func.count()).where(ARTICLE.c.public)).scalar_one()
        with db.transaction() as session:
            is_new = begin_rebuild(session, again=again)
        if not is_new:
            say("Going on with the one that was stopped.")
        tasks = {step: progress.add_task(name, total=public) for step, name in STEPS.items()}
        done = dict.fromkeys(STEPS, 0)
        while True:
            with db.piece() as session:
                batch = advance_rebuild(session)
            if not batch.step:
                break
            done[batch.step] += batch.articles
            progress.update(tasks[batch.step], advance=batch.articles)
    say(f"Linked {done['links']} articles anew.")
